use oqron_processes::siege::Siege;
use oqron_testing::servers::{RedisOptions, RedisServer};

use crate::each_backend::world_at;

const JOBS: u64 = 2_000;
const KILLS: usize = 4;

#[tokio::test]
async fn a_redis_that_is_killed_again_and_again_and_keeps_its_file_loses_and_doubles_nothing() {
    let options = RedisOptions::new()
        .setting("appendonly", "yes")
        .setting("appendfsync", "always");
    let mut server = RedisServer::start(options).unwrap();
    let world = world_at(server.url()).await;
    let siege = Siege::start(&world, JOBS).await;
    for _ in 0..KILLS {
        server.crash().unwrap();
        server.restart().unwrap();
        siege.goes_on(JOBS as usize / KILLS / 2).await;
    }
    siege.proven().await;
}
