//! PostgreSQL fails under load, in every way that it knows.
//!
//! - `sessions`: connections that end, and that cannot be had;
//! - `restarts`: a server that stops at once, and one whose place its copy takes;
//! - `stalls`: a synchronous copy that stands still while commits wait for it;
//! - `waits`: locks, and snapshots that keep what is dead;
//! - `pooler`: PgBouncer.

mod pooler;
mod restarts;
mod sessions;
mod stalls;
mod waits;

use oqron_processes::siege::{PATIENCE, Siege};
use oqron_processes::world::eventually_within;
use oqron_testing::servers::{PostgresOptions, PostgresServer};
use tokio_postgres::{Client, NoTls};

/// A server that a test may stop and reconfigure. It loses nothing when it crashes, only when the machine does.
fn server(options: PostgresOptions) -> PostgresServer {
    let options = options.setting("fsync", "off").setting("full_page_writes", "off");
    PostgresServer::start(options).unwrap()
}

/// A server and its copy, which every commit waits for, and the URL of both.
async fn with_synchronous_standby() -> (PostgresServer, PostgresServer, String) {
    let primary = server(PostgresOptions::new());
    let standby = primary.start_standby().unwrap();
    let admin = client(&primary.url()).await;
    // Said to the first alone: on the copy, when it is left alone, it would be waited for for ever.
    let wait = "alter system set synchronous_standby_names = '*'";
    admin.batch_execute(wait).await.unwrap();
    admin.batch_execute("select pg_reload_conf()").await.unwrap();
    eventually_within(PATIENCE, "the standby is waited for", async || {
        let ask = "select 1 from pg_stat_replication where state = 'streaming' and sync_state = 'sync'";
        (!admin.query(ask, &[]).await.unwrap().is_empty()).then_some(())
    })
    .await;
    let url = format!(
        "postgres://oqron@127.0.0.1:{},127.0.0.1:{}/postgres?target_session_attrs=read-write",
        primary.port(),
        standby.port()
    );
    (primary, standby, url)
}

async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Ends everybody's sessions but its own so many times, and waits each time until so many jobs are done.
async fn terminate_all(server: &PostgresServer, siege: &Siege<'_>, times: usize, jobs: usize) {
    let admin = client(&server.url()).await;
    let terminate = "select pg_terminate_backend(pid) from pg_stat_activity
        where pid <> pg_backend_pid() and backend_type = 'client backend'";
    for _ in 0..times {
        admin.batch_execute(terminate).await.unwrap();
        siege.goes_on(jobs).await;
    }
}
