use oqron_processes::siege::Siege;
use oqron_testing::servers::{RedisOptions, RedisServer};

use super::tell;
use crate::each_backend::world_at;

const JOBS: u64 = 2_000;
const TIMES: usize = 10;

#[tokio::test]
async fn scripts_of_redis_that_are_forgotten_again_and_again_cost_nothing() {
    let server = RedisServer::start(RedisOptions::new()).unwrap();
    let world = world_at(server.url()).await;
    let siege = Siege::start(&world, JOBS).await;
    for _ in 0..TIMES {
        tell(server.port(), &["SCRIPT", "FLUSH"]).await;
        siege.goes_on(JOBS as usize / TIMES / 2).await;
    }
    assert_eq!(siege.refusals(), Vec::<String>::new());
    siege.proven().await;
}

#[tokio::test]
async fn connections_to_redis_that_are_killed_again_and_again_cost_no_job() {
    let server = RedisServer::start(RedisOptions::new()).unwrap();
    let world = world_at(server.url()).await;
    let siege = Siege::start(&world, JOBS).await;
    for _ in 0..TIMES {
        for kind in ["normal", "pubsub"] {
            tell(server.port(), &["CLIENT", "KILL", "TYPE", kind]).await;
        }
        siege.goes_on(JOBS as usize / TIMES / 2).await;
    }
    siege.proven().await;
}
