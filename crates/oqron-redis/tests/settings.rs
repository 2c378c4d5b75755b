//! What is said of a server whose settings would lose jobs, and what a user needs to be allowed.

#![allow(clippy::unwrap_used, reason = "a test ends where its set-up fails")]

mod support;

use std::time::Duration;

use oqron_core::{Config, Consume, EnqueueOutcome, Operate, Publish, Settled, WorkerInfo};
use oqron_redis::{RedisConsume, RedisPublish};
use oqron_testing::servers::{RedisOptions, RedisServer};
use support::{Bench, complete, eventually, log, worker_id};

const EVICTS: &str = "maxmemory-policy is allkeys-lru";
const KEEPS_NOTHING: &str = "the server keeps nothing on disk";

fn start(settings: &[(&str, &str)]) -> RedisServer {
    let options = settings
        .iter()
        .fold(RedisOptions::new(), |options, (name, value)| {
            options.setting(*name, *value)
        });
    RedisServer::start(options).expect("redis-server is installed")
}

/// What a worker that connects says of the server.
async fn said_of(server: &RedisServer) -> log::Lines {
    let (lines, _guard) = log::captured();
    RedisConsume::connect(&Config::new(server.url()).unwrap())
        .await
        .unwrap();
    lines
}

#[tokio::test]
async fn a_server_that_may_evict_jobs_is_warned_of_once_with_what_to_set() {
    let server = start(&[
        ("appendonly", "yes"),
        ("maxmemory", "100mb"),
        ("maxmemory-policy", "allkeys-lru"),
    ]);
    let said = said_of(&server).await;
    assert_eq!(
        (said.count(EVICTS), said.count(KEEPS_NOTHING)),
        (1, 0),
        "{}",
        said.text()
    );
    assert!(
        said.text().contains("noeviction") && said.text().contains("WARN"),
        "{}",
        said.text()
    );
}

#[tokio::test]
async fn a_server_that_keeps_nothing_on_disk_is_warned_of() {
    let said = said_of(&start(&[])).await;
    assert_eq!(
        (said.count(EVICTS), said.count(KEEPS_NOTHING)),
        (0, 1),
        "{}",
        said.text()
    );
    assert!(said.text().contains("appendonly to yes"), "{}", said.text());
}

#[tokio::test]
async fn a_server_that_keeps_jobs_is_not_complained_of() {
    for settings in [
        &[
            ("appendonly", "yes"),
            ("maxmemory", "100mb"),
            ("maxmemory-policy", "noeviction"),
        ][..],
        &[("save", "3600 1"), ("maxmemory-policy", "allkeys-lru")],
    ] {
        let said = said_of(&start(settings)).await;
        assert!(!said.text().contains("WARN"), "{}", said.text());
    }
}

#[tokio::test]
async fn who_only_publishes_is_not_told() {
    let server = start(&[("maxmemory", "100mb"), ("maxmemory-policy", "allkeys-lru")]);
    let (lines, _guard) = log::captured();
    RedisPublish::connect(&Config::new(server.url()).unwrap())
        .await
        .unwrap();
    assert!(!lines.text().contains("WARN"), "{}", lines.text());
}

#[tokio::test]
async fn without_the_command_config_the_rest_still_tells_of_eviction() {
    for forbidden in [
        ("rename-command", "CONFIG \"\""),
        ("user", "default on nopass ~* &* +@all -config"),
    ] {
        let server = start(&[
            ("maxmemory", "100mb"),
            ("maxmemory-policy", "allkeys-lru"),
            forbidden,
        ]);
        let said = said_of(&server).await;
        assert_eq!(
            (said.count(EVICTS), said.count(KEEPS_NOTHING)),
            (1, 0),
            "{}",
            said.text()
        );
    }
}

#[tokio::test]
async fn a_server_that_tells_no_settings_at_all_is_worked_with_in_silence() {
    let server = start(&[("user", "default on nopass ~* &* +@all -config -info")]);
    let said = said_of(&server).await;
    assert!(!said.text().contains("WARN"), "{}", said.text());
}

#[tokio::test]
async fn where_nobody_may_see_who_is_present_everything_else_works() {
    for forbidden in ["-pubsub", "-info"] {
        let rights = format!("default on nopass ~* &* +@all {forbidden}");
        let server = start(&[("appendonly", "yes"), ("user", &rights)]);
        let (lines, _guard) = log::captured();
        let bench = Bench::at(&server.url()).await;
        let (looker, topics) = (worker_id("looker"), [bench.topic.clone()]);
        let info = WorkerInfo::new(worker_id("w"), topics.to_vec(), 1, "host");
        let mut presence = bench.consume.join(&info).await.unwrap();
        assert!(presence.wakes() && !presence.is_seen(), "{forbidden}");

        assert!(bench.claim("w", 1, 1).await.is_empty());
        assert_eq!(bench.add("a").await, EnqueueOutcome::Created);
        tokio::time::timeout(Duration::from_secs(10), presence.next())
            .await
            .expect("a wake-up comes")
            .unwrap();
        let leases = bench.claim("w", 2, 1).await;
        for _ in 0..2 {
            let sight = bench.consume.look(&looker, &topics).await.unwrap();
            assert_eq!(sight, None, "{forbidden}");
        }
        assert_eq!(
            lines.count("does not show which workers are gone"),
            1,
            "{}",
            lines.text()
        );
        assert!(
            lines.text().contains("PUBSUB NUMSUB and INFO"),
            "{}",
            lines.text()
        );
        let turned = bench.turn("w", 3, &[complete(&leases[0])], None).await;
        assert_eq!(turned.settled, [Settled::Accepted]);
        let workers = bench.operate.workers().await.unwrap();
        assert_eq!(workers.len(), 1, "{forbidden}");
        presence.leave().await.unwrap();
        assert!(bench.operate.workers().await.unwrap().is_empty());
        let job = bench.job("a");
        tokio::time::timeout(Duration::from_secs(10), bench.publish.finished(&job))
            .await
            .expect("its end is told")
            .unwrap();
    }
}

#[tokio::test]
async fn rights_that_are_given_later_are_used() {
    let server = start(&[
        ("appendonly", "yes"),
        ("user", "default on nopass ~* &* +@all -pubsub"),
    ]);
    let bench = Bench::at(&server.url()).await;
    let looker = worker_id("looker");
    let topics = [bench.topic.clone()];
    bench.add("a").await;
    assert_eq!(bench.claim("w", 1, 1).await.len(), 1);
    assert_eq!(bench.consume.look(&looker, &topics).await.unwrap(), None);
    let mut redis = bench.by_hand().await;
    let _: () = deadpool_redis::redis::cmd("ACL")
        .arg(&["SETUSER", "default", "+pubsub"])
        .query_async(&mut redis)
        .await
        .unwrap();
    let sight = eventually("it looks", async || {
        bench.consume.look(&looker, &topics).await.unwrap()
    })
    .await;
    assert!(sight.others && sight.server_up.is_some());
}
