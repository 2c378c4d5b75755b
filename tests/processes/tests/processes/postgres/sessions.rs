use oqron_processes::siege::{PATIENCE, Siege};
use oqron_processes::world::eventually_within;
use oqron_testing::servers::PostgresOptions;

use super::{client, server, terminate_all};
use crate::each_backend::world_at;

const JOBS: u64 = 2_000;
const TERMINATIONS: usize = 10;

#[tokio::test]
async fn sessions_of_postgresql_that_are_terminated_again_and_again_cost_no_job() {
    let server = server(PostgresOptions::new());
    let world = world_at(server.url()).await;
    let siege = Siege::start(&world, JOBS).await;
    terminate_all(&server, &siege, TERMINATIONS, JOBS as usize / TERMINATIONS / 2).await;
    siege.proven().await;
}

const FEW_CONNECTIONS: &str = "24";

#[tokio::test]
async fn workers_and_publishers_that_find_no_free_connection_say_so_and_go_on_when_there_is_one() {
    let server = server(PostgresOptions::new().setting("max_connections", FEW_CONNECTIONS));
    let world = world_at(server.url()).await;
    let siege = Siege::start(&world, JOBS).await;
    let admin = client(&server.url()).await;
    for _ in 0..3 {
        let told = siege.refusals().len();
        // Whoever has a connection loses it, and another takes its place, until the publisher has none.
        let mut taken = Vec::new();
        eventually_within(PATIENCE, "the publisher finds no free connection", async || {
            let own: Vec<i32> = futures::future::join_all(taken.iter().map(backend)).await;
            let terminate = "select pg_terminate_backend(pid) from pg_stat_activity
                where pid <> pg_backend_pid() and pid <> all ($1) and backend_type = 'client backend'";
            admin.execute(terminate, &[&own]).await.unwrap();
            while let Ok((client, connection)) =
                tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await
            {
                tokio::spawn(connection);
                taken.push(client);
            }
            let is_clear = |line: &String| line.contains("max_connections") && line.contains("pool_size");
            siege.refusals()[told..].iter().any(is_clear).then_some(())
        })
        .await;
        drop(taken);
        siege.goes_on(JOBS as usize / 8).await;
    }
    siege.proven().await;
}

async fn backend(client: &tokio_postgres::Client) -> i32 {
    let row = client.query_one("select pg_backend_pid()", &[]).await.unwrap();
    row.get(0)
}
