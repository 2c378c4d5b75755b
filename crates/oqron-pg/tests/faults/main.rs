//! PostgreSQL fails in every way that it knows, under load: no acknowledged job is lost, none is done twice, and it goes on.
#![allow(clippy::unwrap_used, reason = "an error of the set-up fails the test")]

mod connections;
mod load;
mod log;
mod pooler;
mod presence;
mod restarts;
mod settings;
mod tls;

use oqron_pg::tokio_postgres::{Client, NoTls};
use oqron_testing::servers::{PostgresOptions, PostgresServer};

/// A server that a test may stop and reconfigure. It loses nothing when it crashes, only when the machine does.
fn server(options: PostgresOptions) -> PostgresServer {
    PostgresServer::start(options.setting("fsync", "off").setting("full_page_writes", "off")).unwrap()
}

fn in_runtime(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

async fn client(url: &str) -> Client {
    let (client, connection) = oqron_pg::tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
