use std::time::Duration;

use oqron_core::Retries;
use oqron_worker::{Context, Error, Topic, Worker};

use crate::world::{JOBS, World, seconds};

fn worker(topic: Topic<u32, u32>) -> Worker<u32, u32> {
    Worker::new(topic, async |_: Context<u32>| Ok(1))
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let toml = "[worker]\nlock_tll = \"3s\"\n[topics.jobs]\nmax_stalls = -1";
    let world = World::with_toml(toml).await;
    let runtime = world.runtime().await;
    let wrong = worker(JOBS)
        .concurrency(0)
        .lock_ttl(seconds(10))
        .heartbeat(seconds(9))
        .timeout(Duration::ZERO)
        .retries(Retries::exponential(1).jitter(7.0));
    let error = runtime.worker(wrong).unwrap_err();
    assert!(
        matches!(error, Error::Core(oqron_core::Error::Config(_))),
        "{error:?}"
    );
    let text = error.to_string();
    for part in [
        "worker.lock_tll = \"3s\"",
        "topics.jobs.max_stalls = -1",
        "concurrency is 0; give 1 to 1000",
        "heartbeat (9s) is not well below lock_ttl (10s)",
        "timeout is 0s",
        "jitter is 7",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[tokio::test]
async fn a_topic_with_a_space_and_one_that_is_worked_on_already_are_refused_by_name() {
    let world = World::new().await;
    let error = world
        .runtime()
        .await
        .worker(worker(Topic::new("video encode")))
        .unwrap_err();
    assert!(error.to_string().contains("topic \"video encode\""), "{error}");
    let runtime = world.runtime().await.worker(worker(JOBS)).unwrap();
    let error = runtime.worker(worker(JOBS)).unwrap_err();
    assert!(
        error.to_string().contains("the topic jobs has a worker"),
        "{error}"
    );
}

#[tokio::test]
async fn a_runtime_without_a_worker_says_so() {
    let world = World::new().await;
    let error = world
        .runtime()
        .await
        .run(std::future::pending())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NoWorkers), "{error}");
}
