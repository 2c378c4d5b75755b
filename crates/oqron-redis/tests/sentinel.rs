//! A master that sentinels watch, and what becomes of jobs when another takes over.

#![allow(clippy::unwrap_used, reason = "a test ends where its set-up fails")]

mod support;

use std::time::Duration;

use oqron_core::{Config, Consume, EnqueueOutcome, Error, JobOptions, Publish, Settled, Turn, WorkerInfo};
use oqron_redis::RedisPublish;
use oqron_testing::fleets::Watched;
use support::{Bench, claim, complete, job, smoke, within, worker_id};

/// For the sentinels to see the death, to agree and to promote the replica.
const BACK_WITHIN: Duration = Duration::from_secs(60);

/// Adds until it is acknowledged.
async fn add_at_last(bench: &Bench, id: &str) -> EnqueueOutcome {
    within(BACK_WITHIN, "adds work again", async || {
        let jobs = [job(id, JobOptions::default())];
        match bench.publish.enqueue(&bench.topic, &jobs).await {
            Ok(added) => Some(added[0].outcome),
            Err(error) if error.is_transient() => None,
            Err(error) => panic!("{error}"),
        }
    })
    .await
}

#[tokio::test]
async fn everything_works_through_sentinels() {
    let mut watched = Watched::start().await;
    smoke::everything_works(&Bench::at(&watched.url()).await).await;
    // One of three is enough to find the master.
    let url = watched.url();
    watched.kill_first_sentinel();
    smoke::everything_works(&Bench::at(&url).await).await;
}

#[tokio::test]
async fn when_the_master_dies_the_replica_has_the_jobs_and_work_goes_on() {
    let mut watched = Watched::start().await;
    let bench = Bench::at(&watched.url()).await;
    let info = WorkerInfo::new(worker_id("w"), vec![bench.topic.clone()], 1, "host");
    let mut presence = bench.consume.join(&info).await.unwrap();
    bench.add("running").await;
    let leases = bench.claim("w", 1, 1).await;
    for n in 0..20 {
        bench.add(&format!("j{n}")).await;
    }
    watched.replicated().await;
    watched.master.crash().unwrap();

    assert_eq!(add_at_last(&bench, "j0").await, EnqueueOutcome::Existing);
    assert_eq!(add_at_last(&bench, "new").await, EnqueueOutcome::Created);
    for n in 0..20 {
        assert!(bench.find(&format!("j{n}")).await.is_some(), "j{n}");
    }
    let ended = tokio::time::timeout(Duration::from_secs(10), presence.next())
        .await
        .unwrap();
    assert!(ended.is_err(), "{ended:?}");
    let _presence = bench.consume.join(&info).await.unwrap();
    // The lease has moved with the jobs.
    let turned = bench.turn("w", 2, &[complete(&leases[0])], Some(21)).await;
    assert_eq!(turned.settled, [Settled::Accepted]);
    assert_eq!(turned.leases.len(), 21);
    assert!(turned.leases.iter().all(|lease| lease.token > leases[0].token));
}

#[tokio::test]
async fn a_fail_over_in_order_is_followed_and_the_new_master_is_young() {
    let watched = Watched::start().await;
    let bench = Bench::at(&watched.url()).await;
    let topics = [bench.topic.clone()];
    bench.add("a").await;
    assert_eq!(bench.claim("w", 1, 1).await.len(), 1);
    let up = async || {
        let sight = bench.consume.look(&worker_id("looker"), &topics).await.ok()?;
        sight.unwrap().server_up
    };
    within(BACK_WITHIN, "it is three seconds old", async || {
        up().await.filter(|up| *up >= Duration::from_secs(3))
    })
    .await;
    watched.replicated().await;
    let begun = std::time::Instant::now();
    watched.fail_over().await;
    // The old master lives on and refuses what is written; nobody must stay with it.
    assert_eq!(add_at_last(&bench, "b").await, EnqueueOutcome::Created);
    let up = within(BACK_WITHIN, "looks work again", async || up().await).await;
    assert!(up <= begun.elapsed(), "{up:?}");
    let worker = worker_id("w");
    let turn = Turn {
        worker: &worker,
        topic: &bench.topic,
        line: 0,
        request: 2,
        settlements: &[],
        claim: Some(claim(2, Duration::from_secs(30))),
    };
    assert_eq!(bench.consume.turn(&turn).await.unwrap().leases.len(), 1);
}

#[tokio::test]
async fn a_master_that_no_sentinel_knows_is_named_with_what_to_check() {
    let watched = Watched::start().await;
    let url = watched.url().replace("mymaster", "yours");
    let error = RedisPublish::connect(&Config::new(url).unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("?master="), "{error}");
}
