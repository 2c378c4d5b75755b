//! A server that goes away in one way or another, and what of its jobs is left.

#![allow(clippy::unwrap_used, reason = "a test ends where its set-up fails")]

mod support;

use std::time::Duration;

use deadpool_redis::redis::cmd;
use oqron_core::{
    Consume, EnqueueOutcome, Heartbeat, Held, JobOptions, JobState, Message, Operate, Outcome, Settled,
    Settlement, Start, Verdict, WorkerInfo,
};
use oqron_testing::servers::{RedisOptions, RedisServer};
use support::{Bench, complete, eventually, worker_id};

/// What it acknowledges is on the disk.
fn durable() -> RedisServer {
    let options = RedisOptions::new()
        .setting("appendonly", "yes")
        .setting("appendfsync", "always");
    RedisServer::start(options).expect("redis-server is installed")
}

/// One job in each state, by its id; the lease of the active one.
async fn one_in_each_state(bench: &Bench) -> oqron_core::Lease {
    for id in ["completed", "failed", "cancelled", "active"] {
        bench.add(id).await;
    }
    let leases = bench.claim("w", 1, 4).await;
    let failed = Outcome::Fail(oqron_core::JobFailure::new(
        oqron_core::FailureKind::Error,
        "the disk is full",
    ));
    let cancelled = Outcome::Cancel {
        reason: "as asked".into(),
    };
    let settlements = [
        complete(&leases[0]),
        Settlement::new(leases[1].id.clone(), leases[1].token, failed),
        Settlement::new(leases[2].id.clone(), leases[2].token, cancelled),
    ];
    let turned = bench.turn("w", 2, &settlements, None).await;
    assert_eq!(turned.settled, [Settled::Accepted; 3]);
    let later = JobOptions {
        start: Start::After(Duration::from_secs(3600)),
        ..JobOptions::default()
    };
    bench.add_with("scheduled", later).await;
    bench.add("waiting").await;
    leases[3].clone()
}

async fn each_is_in_its_state(bench: &Bench, lease: &oqron_core::Lease) {
    for state in JobState::ALL {
        let record = bench.find(state.as_str()).await.unwrap();
        assert_eq!(record.state, state, "{record:?}");
        assert_eq!(bench.add(state.as_str()).await, EnqueueOutcome::Existing);
    }
    assert!(bench.find("completed").await.unwrap().result.is_some());
    assert!(bench.find("failed").await.unwrap().error.is_some());
    let counts = bench.operate.counts(&bench.topic).await.unwrap();
    for state in JobState::ALL {
        assert_eq!(counts.of(state), 1, "{state:?}");
    }
    // The lease is the same, and so is what was answered last.
    let heartbeat = Heartbeat {
        worker: &worker_id("w"),
        topic: &bench.topic,
        through: 2,
        lease_ttl: Duration::from_secs(30),
        held: &[Held::new(lease.id.clone(), lease.token)],
    };
    assert_eq!(
        bench.consume.heartbeat(&heartbeat).await.unwrap(),
        [Verdict::Renewed]
    );
    let next = bench.claim("other", 1, 5).await;
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].id.as_str(), "waiting");
    assert!(next[0].token > lease.token);
}

#[tokio::test]
async fn a_server_that_is_stopped_and_started_has_every_job_in_its_state() {
    let mut server = durable();
    let bench = Bench::at(&server.url()).await;
    let lease = one_in_each_state(&bench).await;
    server.restart().unwrap();
    each_is_in_its_state(&bench, &lease).await;
}

#[tokio::test]
async fn a_server_that_is_killed_has_every_job_in_its_state() {
    let mut server = durable();
    let bench = Bench::at(&server.url()).await;
    let lease = one_in_each_state(&bench).await;
    server.crash().unwrap();
    server.restart().unwrap();
    each_is_in_its_state(&bench, &lease).await;
}

/// The server dies somewhere in the middle of the adds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_the_server_was_killed_is_there() {
    let mut server = durable();
    let bench = std::sync::Arc::new(Bench::at(&server.url()).await);
    let acknowledged = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let adding = tokio::spawn({
        let (bench, acknowledged) = (bench.clone(), acknowledged.clone());
        async move {
            use oqron_core::Publish;
            for n in 0.. {
                let id = format!("j{n}");
                let jobs = [support::job(&id, JobOptions::default())];
                if bench.publish.enqueue(&bench.topic, &jobs).await.is_err() {
                    return;
                }
                acknowledged.lock().unwrap().push(id);
            }
        }
    });
    eventually("some are added", async || {
        (acknowledged.lock().unwrap().len() >= 100).then_some(())
    })
    .await;
    server.crash().unwrap();
    adding.await.unwrap();
    server.restart().unwrap();
    let acknowledged = acknowledged.lock().unwrap().clone();
    for id in &acknowledged {
        assert!(bench.find(id).await.is_some(), "{id} is lost");
    }
}

#[tokio::test]
async fn after_a_restart_the_server_tells_that_it_is_young() {
    let mut server = durable();
    let bench = Bench::at(&server.url()).await;
    let topics = [bench.topic.clone()];
    let up = async || {
        let sight = bench.consume.look(&worker_id("looker"), &topics).await.unwrap();
        sight.unwrap().server_up.unwrap()
    };
    eventually("it is a second old", async || {
        (up().await >= Duration::from_secs(1)).then_some(())
    })
    .await;
    let begun = tokio::time::Instant::now();
    server.restart().unwrap();
    assert!(up().await <= begun.elapsed());
}

#[tokio::test]
async fn when_every_connection_is_cut_calls_go_on_and_the_presence_says_so() {
    let server = durable();
    let bench = Bench::at(&server.url()).await;
    let info = WorkerInfo::new(worker_id("w"), vec![bench.topic.clone()], 1, "host");
    let mut presence = bench.consume.join(&info).await.unwrap();
    bench.add("a").await;
    let waiting = tokio::spawn({
        use oqron_core::Publish;
        let (publish, job) = (bench.publish.clone(), bench.job("a"));
        async move { publish.finished(&job).await }
    });
    let mut redis = bench.by_hand().await;
    for _ in 0..2 {
        for kind in ["normal", "pubsub"] {
            let _: () = cmd("CLIENT")
                .arg(&["KILL", "TYPE", kind, "SKIPME", "yes"])
                .query_async(&mut redis)
                .await
                .unwrap();
        }
        assert_eq!(bench.add("a").await, EnqueueOutcome::Existing);
    }
    let ended = tokio::time::timeout(Duration::from_secs(10), presence.next())
        .await
        .unwrap();
    assert!(ended.is_err(), "{ended:?}");
    let mut presence = bench.consume.join(&info).await.unwrap();
    let leases = bench.claim("w", 1, 2).await;
    assert_eq!(leases.len(), 1);
    bench.add("b").await;
    let message = tokio::time::timeout(Duration::from_secs(10), presence.next())
        .await
        .unwrap();
    assert_eq!(message.unwrap(), Message::Wake(bench.topic.clone()));
    let turned = bench.turn("w", 2, &[complete(&leases[0])], None).await;
    assert_eq!(turned.settled, [Settled::Accepted]);
    let finished = tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap();
    assert!(finished.unwrap().is_ok());
}
