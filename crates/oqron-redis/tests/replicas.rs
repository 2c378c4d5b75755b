//! Adds that are acknowledged only when replicas have them: `wait_replicas`.

#![allow(clippy::unwrap_used, reason = "a test ends where its set-up fails")]

mod support;

use std::time::Duration;

use deadpool_redis::redis::cmd;
use oqron_core::{Config, EnqueueOutcome, Error, JobOptions, Publish};
use oqron_redis::RedisPublish;
use oqron_testing::fleets::{Watched, ask, replica_of};
use oqron_testing::servers::{RedisOptions, RedisServer};
use support::{Bench, job, within};

/// How long an add waits for a replica that does not answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// For a replica to start and to catch up.
const BACK_WITHIN: Duration = Duration::from_secs(60);

async fn publisher(bench: &Bench) -> RedisPublish {
    let mut config: Config = bench.config.clone();
    config.call_timeout = CALL_TIMEOUT;
    RedisPublish::connect(&config).await.unwrap()
}

async fn add(publish: &RedisPublish, bench: &Bench, id: &str) -> Result<EnqueueOutcome, Error> {
    let added = publish
        .enqueue(&bench.topic, &[job(id, JobOptions::default())])
        .await?;
    Ok(added[0].outcome)
}

async fn has(server: &RedisServer, bench: &Bench, id: &str) -> bool {
    let asked = cmd("HEXISTS").arg(bench.key(":job")).arg(id).clone();
    ask(server.port(), &asked).await.unwrap()
}

#[tokio::test]
async fn an_acknowledged_job_is_on_the_replica() {
    let master = RedisServer::start(RedisOptions::new()).unwrap();
    let replica = replica_of(&master).await;
    let bench = Bench::at(&format!("{}/?wait_replicas=1", master.url())).await;
    let publish = publisher(&bench).await;
    for n in 0..50 {
        let id = format!("j{n}");
        assert_eq!(add(&publish, &bench, &id).await.unwrap(), EnqueueOutcome::Created);
        assert!(has(&replica, &bench, &id).await, "{id}");
    }
    let adding = (0..200).map(|n| {
        let (publish, bench) = (&publish, &bench);
        async move { add(publish, bench, &format!("k{n}")).await.unwrap() }
    });
    futures::future::join_all(adding).await;
    for n in 0..200 {
        assert!(has(&replica, &bench, &format!("k{n}")).await);
    }
}

#[tokio::test]
async fn without_the_replica_nothing_is_acknowledged_and_adding_again_is_safe() {
    let master = RedisServer::start(RedisOptions::new()).unwrap();
    let mut replica = replica_of(&master).await;
    let bench = Bench::at(&format!("{}/?wait_replicas=1", master.url())).await;
    let publish = publisher(&bench).await;
    add(&publish, &bench, "before").await.unwrap();
    replica.stop().unwrap();
    let refused = add(&publish, &bench, "a").await.unwrap_err();
    assert!(matches!(refused, Error::Unavailable { .. }), "{refused}");
    assert!(refused.to_string().contains("0 of 1 replicas"), "{refused}");
    // Who repeats it over another connection, where nothing was written, is not told that all is well.
    let refused = add(&publisher(&bench).await, &bench, "a").await.unwrap_err();
    assert!(refused.to_string().contains("0 of 1 replicas"), "{refused}");
    // What waits for nobody goes on.
    assert_eq!(bench.claim("w", 1, 10).await.len(), 2);

    replica.restart().unwrap();
    let outcome = within(BACK_WITHIN, "the replica is back", async || {
        add(&publish, &bench, "a").await.ok()
    })
    .await;
    assert_eq!(outcome, EnqueueOutcome::Existing);
    assert!(has(&replica, &bench, "a").await);
}

/// Nothing but what was acknowledged is looked at: the rest may be there or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_replicas_have_acknowledged_outlives_the_master() {
    let mut watched = Watched::start().await;
    let bench = Bench::at(&format!("{}&wait_replicas=1", watched.url())).await;
    let publish = publisher(&bench).await;
    let mut acknowledged = Vec::new();
    for n in 0.. {
        if n == 200 {
            watched.master.crash().unwrap();
        }
        let id = format!("j{n}");
        match add(&publish, &bench, &id).await {
            Ok(_) => acknowledged.push(id),
            Err(_) => break,
        }
    }
    assert!(acknowledged.len() >= 200);
    for id in &acknowledged {
        assert!(has(&watched.replica, &bench, id).await, "{id} is lost");
    }
}
