use oqron_processes::siege::{PATIENCE, Siege};
use oqron_processes::world::eventually_within;
use oqron_testing::servers::{RedisOptions, RedisServer};

use super::tell;
use crate::each_backend::world_at;

const JOBS: u64 = 1_500;
const TIMES: usize = 3;
/// While the server is full.
const REFUSALS: usize = 20;

#[tokio::test]
async fn a_redis_that_is_full_refuses_adds_with_the_reason_while_workers_go_on() {
    let server = RedisServer::start(RedisOptions::new().setting("maxmemory-policy", "noeviction")).unwrap();
    let world = world_at(server.url()).await;
    let siege = Siege::start(&world, JOBS).await;
    for _ in 0..TIMES {
        let told = siege.refusals().len();
        tell(server.port(), &["CONFIG", "SET", "maxmemory", "1"]).await;
        eventually_within(PATIENCE, "adds are refused", async || {
            (siege.refusals().len() >= told + REFUSALS).then_some(())
        })
        .await;
        // What was added before is done although nothing can be added.
        world.drained_within(PATIENCE).await;
        tell(server.port(), &["CONFIG", "SET", "maxmemory", "0"]).await;
        siege.goes_on(JOBS as usize / TIMES / 2).await;
    }
    let refusals = siege.refusals();
    assert!(
        refusals.iter().all(|line| line.contains("maxmemory")),
        "{refusals:#?}"
    );
    siege.proven().await;
}
