//! What goes wrong around the adapter: the server, its users, and what somebody edited by hand.

mod support;

use std::time::Duration;

use deadpool_redis::redis::{AsyncCommands, cmd};
use oqron_core::{
    Config, Consume, EnqueueOutcome, Error, FailureKind, JobId, JobOptions, JobState, Operate, Publish,
    Records, Settled, TopicName, Turn, WorkerInfo,
};
use oqron_redis::{RedisConsume, RedisOperate, RedisPublish};
use oqron_testing::servers::{RedisOptions, RedisServer};
use support::{Bench, claim, complete, job, worker_id};

fn start(options: RedisOptions) -> RedisServer {
    RedisServer::start(options).expect("redis-server is installed")
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_sent_again() {
    let server = start(RedisOptions::new());
    let bench = Bench::at(&server.url()).await;
    let mut redis = bench.by_hand().await;
    for n in 0..3 {
        let _: () = cmd("SCRIPT").arg("FLUSH").query_async(&mut redis).await.unwrap();
        assert_eq!(bench.add(&format!("j{n}")).await, EnqueueOutcome::Created);
        let _: () = cmd("SCRIPT").arg("FLUSH").query_async(&mut redis).await.unwrap();
        assert_eq!(bench.claim("w", n + 1, 1).await.len(), 1);
    }
}

#[tokio::test]
async fn a_server_that_was_restarted_is_found_again_at_the_next_call() {
    let mut server = start(
        RedisOptions::new()
            .setting("appendonly", "yes")
            .setting("appendfsync", "always"),
    );
    let bench = Bench::at(&server.url()).await;
    assert_eq!(bench.add("a").await, EnqueueOutcome::Created);
    server.restart().unwrap();
    assert_eq!(bench.add("a").await, EnqueueOutcome::Existing);
    assert_eq!(bench.find("a").await.unwrap().state, JobState::Waiting);
    assert_eq!(bench.claim("w", 1, 1).await.len(), 1);
}

#[tokio::test]
async fn a_presence_ends_with_its_connection_and_is_seen_to_end_with_its_owner() {
    let mut server = start(RedisOptions::new());
    let bench = Bench::at(&server.url()).await;
    let info = WorkerInfo::new(worker_id("w"), vec![bench.topic.clone()], 1, "host");
    let mut redis = bench.by_hand().await;
    let channel = format!("oqron:{{{}}}:worker:w", bench.config.namespace);

    let presence = bench.consume.join(&info).await.unwrap();
    let (_, listeners): (String, u64) = cmd("PUBSUB")
        .arg("NUMSUB")
        .arg(&channel)
        .query_async(&mut redis)
        .await
        .unwrap();
    assert_eq!(listeners, 1);
    drop(presence);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let (_, listeners): (String, u64) = cmd("PUBSUB")
            .arg("NUMSUB")
            .arg(&channel)
            .query_async(&mut redis)
            .await
            .unwrap();
        if listeners == 0 {
            break;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "the subscription outlives its owner"
        );
        tokio::task::yield_now().await;
    }

    let mut presence = bench.consume.join(&info).await.unwrap();
    server.stop().unwrap();
    let error = tokio::time::timeout(Duration::from_secs(10), presence.next())
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_access_denied_and_never_shown() {
    let server = start(RedisOptions::new().password("right"));
    let url = format!("redis://:hunter2@127.0.0.1:{}", server.port());
    let error = RedisPublish::connect(&Config::new(url).unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::AccessDenied { .. }), "{error}");
    let shown = format!("{error} {error:?}");
    assert!(
        !shown.contains("hunter2") && shown.contains("check user and password"),
        "{shown}"
    );
    let url = format!("redis://127.0.0.1:{}", server.port());
    let error = RedisPublish::connect(&Config::new(url).unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::AccessDenied { .. }), "{error}");
    assert!(
        RedisPublish::connect(&Config::new(server.url()).unwrap())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable_with_its_address() {
    let mut server = start(RedisOptions::new());
    let bench = Bench::at(&server.url()).await;
    server.stop().unwrap();
    let address = format!("127.0.0.1:{}", server.port());
    let config = Config::new(format!("redis://:hunter2@{address}")).unwrap();
    let connecting = RedisConsume::connect(&config).await.unwrap_err();
    let adding = bench
        .publish
        .enqueue(&bench.topic, &[job("a", JobOptions::default())])
        .await
        .unwrap_err();
    for error in [connecting, adding] {
        let shown = error.to_string();
        assert!(matches!(error, Error::Unavailable { .. }), "{shown}");
        assert!(
            shown.contains(&address)
                && shown.contains("is Redis running there")
                && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_a_timeout() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = Config::new(format!("redis://{}", listener.local_addr().unwrap())).unwrap();
    config.call_timeout = Duration::from_millis(200);
    let begun = std::time::Instant::now();
    let error = RedisOperate::connect(&config).await.unwrap_err();
    assert!(
        matches!(error, Error::Timeout { .. } | Error::Unavailable { .. }),
        "{error}"
    );
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_unknown_option_of_the_url_is_named() {
    let url = oqron_testing::servers::redis_url() + "?wait=1";
    let error = RedisPublish::connect(&Config::new(url).unwrap())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("\"wait\"") && error.contains("ca, wait_replicas"),
        "{error}"
    );
}

#[tokio::test]
async fn data_of_a_newer_version_is_refused() {
    let bench = Bench::new().await;
    let mut redis = bench.by_hand().await;
    let key = format!("oqron:{{{}}}:schema", bench.config.namespace);
    let _: () = redis.set(&key, 2).await.unwrap();
    let error = RedisConsume::connect(&bench.config).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::SchemaTooNew {
                found: 2,
                supported: 1,
                ..
            }
        ),
        "{error}"
    );
    let _: () = redis.set(&key, "two").await.unwrap();
    let error = RedisConsume::connect(&bench.config).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn out_of_memory_refuses_adds_and_lets_workers_go_on() {
    let server = start(RedisOptions::new());
    let bench = Bench::at(&server.url()).await;
    for n in 0..3 {
        bench.add(&format!("j{n}")).await;
    }
    let mut redis = bench.by_hand().await;
    let _: () = cmd("CONFIG")
        .arg("SET")
        .arg("maxmemory")
        .arg(1)
        .query_async(&mut redis)
        .await
        .unwrap();
    let error = bench
        .publish
        .enqueue(&bench.topic, &[job("x", JobOptions::default())])
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("out of memory") && error.contains("maxmemory"),
        "{error}"
    );
    let leases = bench.claim("w", 1, 3).await;
    assert_eq!(leases.len(), 3);
    let settlements: Vec<_> = leases.iter().map(complete).collect();
    let turned = bench.turn("w", 2, &settlements, Some(1)).await;
    assert_eq!(turned.settled, [Settled::Accepted; 3]);
    assert!(RedisConsume::connect(&bench.config).await.is_ok());
    let _: () = cmd("CONFIG")
        .arg("SET")
        .arg("maxmemory")
        .arg(0)
        .query_async(&mut redis)
        .await
        .unwrap();
    assert!(bench.find("x").await.is_none());
    assert_eq!(bench.add("x").await, EnqueueOutcome::Created);
}

#[tokio::test]
async fn a_key_of_another_type_is_an_error_and_nothing_is_written() {
    for suffix in [
        ":wait",
        ":due",
        ":lease:w",
        ":done",
        ":ended:3",
        ":expire",
        ":seen",
        ":job",
        ":run",
        ":result",
        ":timeline",
    ] {
        let bench = Bench::new().await;
        bench.add("a").await;
        let mut redis = bench.by_hand().await;
        let _: () = redis.del(bench.key(suffix)).await.unwrap();
        let _: () = redis.set(bench.key(suffix), "by hand").await.unwrap();
        let before: Vec<String> = redis.keys(bench.key("*")).await.unwrap();
        let worker = worker_id("w");
        let turn = Turn {
            worker: &worker,
            topic: &bench.topic,
            line: 0,
            request: 1,
            settlements: &[],
            claim: Some(claim(1, Duration::from_secs(1))),
        };
        let error = bench.consume.turn(&turn).await.unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{suffix}: {error}");
        let after: Vec<String> = redis.keys(bench.key("*")).await.unwrap();
        assert_eq!(before.len(), after.len(), "{suffix}");
    }
}

#[tokio::test]
async fn garbage_in_a_record_fails_that_job_and_no_other() {
    let bench = Bench::new().await;
    for id in ["short", "empty", "gone", "flags", "good"] {
        bench.add(id).await;
    }
    let mut redis = bench.by_hand().await;
    let _: () = redis.hset(bench.key(":job"), "short", "x").await.unwrap();
    let _: () = redis.hset(bench.key(":job"), "empty", "").await.unwrap();
    let _: () = redis.hdel(bench.key(":job"), "gone").await.unwrap();
    let _: () = redis
        .hset(
            bench.key(":job"),
            "flags",
            &b"\0\0\0\0\0\x04\0\0\0\0\0\x01\xff\0\0\0"[..],
        )
        .await
        .unwrap();
    let leases = bench.claim("w", 1, 10).await;
    let ids: Vec<_> = leases.iter().map(|lease| lease.id.as_str()).collect();
    assert_eq!(ids, ["good"]);
    let counts = bench.operate.counts(&bench.topic).await.unwrap();
    assert_eq!((counts.waiting, counts.failed), (0, 3));
    let error = bench.publish.find(&bench.job("short")).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    let removed = bench.operate.discard(&[bench.job("short")]).await.unwrap();
    assert_eq!(removed, [oqron_core::Operated::Done]);
    assert!(bench.find("short").await.is_none());
}

#[tokio::test]
async fn garbage_in_a_state_starts_the_job_again() {
    let bench = Bench::new().await;
    bench.add("a").await;
    bench.claim("w", 1, 1).await;
    let mut redis = bench.by_hand().await;
    let _: () = redis.hset(bench.key(":run"), "a", "by hand").await.unwrap();
    let _: () = redis.zadd(bench.key(":leases"), "w", 0).await.unwrap();
    let turned = bench.turn("v", 1, &[], Some(5)).await;
    // What its stalls were is unknown, so it counts as one too many: a dead letter, for a person to decide.
    assert!(turned.leases.is_empty());
    let record = bench.find("a").await.unwrap();
    assert_eq!(record.state, JobState::Failed);
    assert_eq!(record.error.unwrap().kind, FailureKind::Stalled);
}

#[tokio::test]
async fn random_bytes_in_every_field_are_an_error_or_an_answer_and_never_a_panic() {
    let bench = Bench::new().await;
    let mut redis = bench.by_hand().await;
    let mut seed = 7_u64;
    let mut random = move |limit: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % limit
    };
    for round in 0..100 {
        let id = format!("j{round}");
        bench.add(&id).await;
        for suffix in [
            ":job",
            ":run",
            ":result",
            ":error",
            ":timeline",
            ":log",
            ":progress",
        ] {
            if random(3) == 0 {
                let bytes: Vec<u8> = (0..random(120)).map(|_| random(256) as u8).collect();
                let _: () = redis.hset(bench.key(suffix), &id, bytes).await.unwrap();
            }
        }
        let _ = bench.publish.find(&bench.job(&id)).await;
        let _ = bench.operate.cancel(&bench.job(&id)).await;
        let _ = bench.operate.retry(&[bench.job(&id)]).await;
        let _ = bench.publish.find(&bench.job(&id)).await;
    }
    let worker = worker_id("w");
    for request in 1..=60 {
        let turn = Turn {
            worker: &worker,
            topic: &bench.topic,
            line: 0,
            request,
            settlements: &[],
            claim: Some(claim(20, Duration::from_millis(1))),
        };
        bench.consume.turn(&turn).await.unwrap();
    }
    assert_eq!(bench.operate.counts(&bench.topic).await.unwrap().waiting, 0);
    bench.consume.sweep(&bench.topic).await.unwrap();
}

#[tokio::test]
async fn namespaces_topics_and_databases_do_not_see_each_other() {
    let bench = Bench::new().await;
    let other = Bench::new().await;
    bench.add("a").await;
    assert!(other.find("a").await.is_none());
    let topic = TopicName::new("other").unwrap();
    let added = bench
        .publish
        .enqueue(&topic, &[job("a", JobOptions::default())])
        .await
        .unwrap();
    assert_eq!(added[0].outcome, EnqueueOutcome::Created);
    assert_eq!(
        bench.operate.topics().await.unwrap(),
        [bench.topic.clone(), topic]
    );
    assert!(other.operate.topics().await.unwrap().is_empty());
    let url = oqron_testing::servers::redis_url() + "/1";
    let mut config = bench.config.clone();
    config.url = oqron_core::BackendUrl::new(url).unwrap();
    let elsewhere = RedisOperate::connect(&config).await.unwrap();
    assert!(elsewhere.find(&bench.job("a")).await.unwrap().is_none());
}

#[tokio::test]
async fn all_who_wait_for_the_same_job_are_told() {
    let bench = Bench::new().await;
    let id = JobId::generate();
    bench.add(id.as_str()).await;
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let (publish, job) = (bench.publish.clone(), bench.job(id.as_str()));
            tokio::spawn(async move { publish.finished(&job).await })
        })
        .collect();
    tokio::task::yield_now().await;
    bench.operate.cancel(&bench.job(id.as_str())).await.unwrap();
    for task in waiting {
        let finished = tokio::time::timeout(Duration::from_secs(20), task)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!(
            finished,
            oqron_core::Finished::Cancelled("cancelled on request".into())
        );
    }
}

#[tokio::test]
async fn a_presence_that_nobody_writes_to_stays_open() {
    let bench = Bench::new().await;
    let info = WorkerInfo::new(worker_id("quiet"), vec![bench.topic.clone()], 1, "host");
    let mut presence = bench.consume.join(&info).await.unwrap();
    // Longer than the time between two pings, whose answer is one of a subscribed connection.
    let message = tokio::time::timeout(Duration::from_secs(6), presence.next()).await;
    assert!(message.is_err(), "{message:?}");
}
