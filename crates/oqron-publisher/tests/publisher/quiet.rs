//! When nobody adds, nothing happens.

use std::time::Duration;

use tokio::time::sleep;

use crate::world::{World, completes};

#[tokio::test(start_paused = true)]
async fn a_publisher_that_is_left_alone_calls_nobody() {
    let world = World::new().await;
    let job = world.queue.add(&"a".to_owned()).await.unwrap();
    let calls = world.wire.calls();
    assert_eq!(calls, 1);
    sleep(Duration::from_secs(24 * 3600)).await;
    assert_eq!(world.wire.calls(), calls);
    drop(job);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_result_asks_once_and_is_told() {
    let world = World::new().await;
    let job = world.queue.add(&"a".to_owned()).await.unwrap();
    let calls = world.wire.calls();
    let waiting = tokio::spawn(async move { job.result(Duration::from_secs(48 * 3600)).await });
    sleep(Duration::from_secs(24 * 3600)).await;
    assert_eq!((world.wire.waits(), world.wire.calls()), (1, calls + 1));
    world.work(completes("7")).await;
    assert_eq!(waiting.await.unwrap().unwrap(), 7);
    assert_eq!(world.wire.calls(), calls + 1);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_leaves_nothing_behind() {
    let world = World::new().await;
    let job = world.queue.add(&"a".to_owned()).await.unwrap();
    let waiting = tokio::spawn({
        let job = job.clone();
        async move { job.result(Duration::from_secs(3600)).await }
    });
    sleep(Duration::from_secs(1)).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    let calls = world.wire.calls();
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(world.wire.calls(), calls);
    world.work(completes("7")).await;
    assert_eq!(job.result(Duration::from_secs(1)).await.unwrap(), 7);
}
