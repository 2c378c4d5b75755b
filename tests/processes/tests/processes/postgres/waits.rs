use oqron_processes::programs::publisher::Manner;
use oqron_processes::siege::{PATIENCE, Siege};
use oqron_processes::world::eventually_within;
use oqron_testing::servers::PostgresOptions;

use super::{client, server};
use crate::each_backend::world_at;

const JOBS: u64 = 1_500;
const LOCKS: usize = 2;

#[tokio::test]
async fn a_lock_on_the_tables_of_postgresql_ends_calls_at_their_timeout_and_costs_no_job() {
    let server = server(PostgresOptions::new());
    let world = world_at(server.url()).await;
    let timeout = |builder: oqron_processes::process::Builder| builder.env("OQRON_CALL_TIMEOUT", "1s");
    let siege = Siege::with(&world, JOBS, Manner::Insisting, timeout).await;
    let mut admin = client(&server.url()).await;
    for _ in 0..LOCKS {
        let told = siege.refusals().len();
        let transaction = admin.transaction().await.unwrap();
        let lock = "lock table oqron.jobs, oqron.topics in access exclusive mode";
        transaction.batch_execute(lock).await.unwrap();
        // The lock stays until every lane has given up more than twice, and longer than any lease lasts.
        eventually_within(PATIENCE, "adds are given up", async || {
            (siege.refusals().len() >= told + 12).then_some(())
        })
        .await;
        transaction.rollback().await.unwrap();
        siege.goes_on(JOBS as usize / LOCKS / 3).await;
    }
    let refusals = siege.refusals();
    let is_timeout = |line: &String| line.contains("did not answer within 1s");
    assert!(refusals.iter().all(is_timeout), "{refusals:#?}");
    siege.proven().await;
}

#[tokio::test]
async fn snapshots_that_pin_the_horizon_of_postgresql_hold_up_no_job() {
    let server = server(PostgresOptions::new());
    let world = world_at(server.url()).await;
    let (reading, writing) = (client(&server.url()).await, client(&server.url()).await);
    let begin = "begin isolation level repeatable read; select count(*) from oqron.jobs";
    reading.batch_execute(begin).await.unwrap();
    writing
        .batch_execute("create table writes (n int)")
        .await
        .unwrap();
    let write = format!("{begin}; insert into writes values (1)");
    writing.batch_execute(&write).await.unwrap();

    let siege = Siege::start(&world, JOBS * 2).await;
    siege.goes_on(JOBS as usize).await;
    assert_eq!(siege.refusals(), Vec::<String>::new());
    siege.proven().await;
    for pinned in [&reading, &writing] {
        pinned.batch_execute("commit").await.unwrap();
    }
}
