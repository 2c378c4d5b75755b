use oqron_processes::siege::Siege;
use oqron_testing::servers::PostgresOptions;

use super::{client, server, with_synchronous_standby};
use crate::each_backend::world_at;

const JOBS: u64 = 2_000;
const CRASHES: usize = 4;

#[tokio::test]
async fn a_postgresql_that_is_shut_down_at_once_again_and_again_loses_and_doubles_nothing() {
    let mut server = server(PostgresOptions::new());
    let world = world_at(server.url()).await;
    let siege = Siege::start(&world, JOBS).await;
    for _ in 0..CRASHES {
        server.crash().unwrap();
        server.restart().unwrap();
        siege.goes_on(JOBS as usize / CRASHES / 2).await;
    }
    siege.proven().await;
}

#[tokio::test]
async fn a_synchronous_standby_that_takes_over_under_load_has_every_job_and_every_result() {
    let (mut primary, standby, url) = with_synchronous_standby().await;
    let world = world_at(url).await;
    let siege = Siege::start(&world, JOBS).await;
    siege.goes_on(JOBS as usize / 4).await;
    primary.crash().unwrap();
    let copy = client(&standby.url()).await;
    // Without waiting: a query that lasts can stand in the way of the replay that the promotion waits for.
    let promoted = copy.query_one("select pg_promote(false)", &[]).await.unwrap();
    assert!(promoted.get::<_, bool>(0));
    siege.goes_on(JOBS as usize / 4).await;
    siege.proven().await;
}
