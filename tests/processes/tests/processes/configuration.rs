use std::time::Duration;

use oqron::{Context, Topic, Worker};

use crate::each_backend::world;
use oqron_processes::process::Builder;
use oqron_processes::world::Backend;

/// Starts a worker that must not come up, and gives back what it said.
async fn refused(worker: Builder) -> String {
    let mut worker = worker.start();
    let status = worker.ended().await;
    assert_eq!(status.code(), Some(1), "{}", worker.log());
    worker.log()
}

fn assert_says(log: &str, parts: &[&str]) {
    for part in parts {
        assert!(log.contains(part), "{part:?} is not in:\n{log}");
    }
}

#[tokio::test]
async fn unknown_options_in_the_file_are_named_all_at_once() {
    let world = world(Backend::Sqlite).await;
    let file = world.folder.path().join("oqron.toml");
    std::fs::write(&file, "call_timout = \"5s\"\n[limits]\npayload_max = 5\n").unwrap();
    let log = refused(world.worker("worker")).await;
    assert_says(
        &log,
        &[
            "call_timout = \"5s\"",
            "call_timeout",
            "limits.payload_max = 5",
            "payload_bytes_max",
        ],
    );

    std::fs::write(
        &file,
        "[worker]\nconcurency = 2\n[topics.play]\nlock_tll = \"5s\"\n",
    )
    .unwrap();
    let log = refused(world.worker("worker")).await;
    assert_says(
        &log,
        &[
            "worker.concurency = 2",
            "concurrency",
            "topics.play.lock_tll = \"5s\"",
            "lock_ttl",
        ],
    );
}

#[tokio::test]
async fn a_heartbeat_longer_than_the_ttl_is_refused_with_what_would_do() {
    let world = world(Backend::Sqlite).await;
    let worker = world
        .worker("worker")
        .env("OQRON_WORKER_LOCK_TTL", "2s")
        .env("OQRON_WORKER_HEARTBEAT", "10s");
    let log = refused(worker).await;
    assert_says(&log, &["play", "heartbeat (10s)", "lock_ttl (2s)", "at most 1s"]);
}

#[tokio::test]
async fn a_missing_url_is_refused_with_where_to_write_it() {
    let world = world(Backend::Sqlite).await;
    let log = refused(world.worker("worker").without("OQRON_URL")).await;
    assert_says(&log, &["url", "oqron.toml", "OQRON_URL"]);
}

#[tokio::test]
async fn a_topic_with_a_space_is_refused_on_both_sides() {
    const SPACED: Topic<u32, u32> = Topic::new("video encode");
    let world = world(Backend::Sqlite).await;
    let queue = world.publisher.queue(SPACED);
    let added = queue.add(&1).await.unwrap_err().to_string();
    let many = queue.add_many([&1]).await.unwrap_err().to_string();
    let worker = Worker::new(SPACED, async |ctx: Context<u32>| Ok(*ctx.data())).lock_ttl(Duration::ZERO);
    let runtime = oqron::runtime(world.config.clone()).await.unwrap();
    let worked = runtime.worker(worker).unwrap_err().to_string();
    for error in [&added, &many, &worked] {
        assert_says(error, &["topic \"video encode\"", "' '", "A-Z a-z 0-9 . _ -"]);
    }
    assert_says(&worked, &["lock_ttl is 0s"]);
}
