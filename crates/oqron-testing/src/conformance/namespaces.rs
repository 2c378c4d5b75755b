//! Two namespaces on one server never see each other; two processes in one see the same.

use oqron_core::{EnqueueOutcome, JobId, JobState, LockName};

use super::Bench;
use super::bench::{LONG, id, job};

/// Neither jobs, ids, counts, pauses, topics, workers nor locks.
pub async fn namespaces_do_not_see_each_other(bench: Bench) {
    let elsewhere = elsewhere(&bench).await;
    bench.add("a").await;
    assert_eq!(elsewhere.find(&id("a")).await, None);
    assert_eq!(elsewhere.worker("one").claim(1).await, []);
    assert_eq!(elsewhere.operate.topics().await.unwrap(), []);
    assert_eq!(elsewhere.enqueue(&[job("a")]).await, [EnqueueOutcome::Created]);

    bench.operate.pause(&bench.topic).await.unwrap();
    assert!(!elsewhere.counts().await.paused);
    let mut worker = elsewhere.worker("one");
    let lease = worker.claim_one().await;
    worker.complete(&lease).await;
    assert_eq!(bench.state(&id("a")).await, JobState::Waiting);
    assert_eq!(
        bench
            .operate
            .purge(&bench.topic, JobState::Completed)
            .await
            .unwrap(),
        0
    );
    assert_eq!(elsewhere.state(&id("a")).await, JobState::Completed);

    let _presence = bench.worker("here").join().await;
    assert_eq!(elsewhere.operate.workers().await.unwrap(), []);

    let name = LockName::new("sweep").unwrap();
    assert!(bench.consume.acquire(&name, LONG).await.unwrap().is_some());
    assert!(elsewhere.consume.acquire(&name, LONG).await.unwrap().is_some());
}

/// The separator of the two parts is in no part.
pub async fn the_parts_of_a_namespace_are_kept_apart(bench: Bench) {
    let unique = JobId::generate();
    let config = bench.config();
    let first = config.clone().namespace(&format!("{unique}-a"), "b").unwrap();
    let second = config.clone().namespace(unique.as_str(), "a-b").unwrap();
    let (first, second) = (bench.reopened_as(first).await, bench.reopened_as(second).await);
    first.add("a").await;
    assert_eq!(second.find(&id("a")).await, None);
}

/// What one adds another works, and a third reads.
pub async fn processes_in_one_namespace_see_the_same(bench: Bench) {
    let (worker_process, operator_process) = (bench.reopened().await, bench.reopened().await);
    let id = bench.add("a").await;
    let mut worker = worker_process.worker("one");
    let lease = worker.claim_one().await;
    worker.complete(&lease).await;
    let seen = operator_process.record(&id).await;
    assert_eq!(seen.state, JobState::Completed);
    assert_eq!(Some(seen), bench.find(&id).await);
}

/// Topics whose names begin alike are still two.
pub async fn topics_do_not_see_each_other(bench: Bench) {
    let names = ["a", "a.b", "a-b", "a_b", "A", "a.b.c"];
    for name in names {
        bench.topic(name).add(name).await;
    }
    for name in names {
        let topic = bench.topic(name);
        assert_eq!(topic.counts().await.waiting, 1);
        assert_eq!(topic.worker("one").claim_one().await.id.as_str(), name);
    }
}

/// The longest names there are.
pub async fn names_of_the_greatest_length_are_kept_whole(bench: Bench) {
    let name = "n".repeat(128);
    let config = bench.config().clone();
    let unique = JobId::generate();
    let project = format!("{unique}{}", "p".repeat(128 - unique.as_str().len()));
    let bench = bench
        .reopened_as(config.namespace(&project, &name).unwrap())
        .await;
    let (one, two) = (bench.topic(&name), bench.topic(&"n".repeat(127)));
    one.add("a").await;
    assert_eq!(two.counts().await.waiting, 0);
    let mut worker = one.worker("one");
    worker.id = oqron_core::WorkerId::new(&name).unwrap();
    let _presence = worker.join().await;
    let lease = worker.claim_one().await;
    assert_eq!(one.record(&lease.id).await.worker, Some(worker.id.clone()));
    worker.complete(&lease).await;
}

async fn elsewhere(bench: &Bench) -> Bench {
    let environment = JobId::generate();
    let config = bench
        .config()
        .clone()
        .namespace("conformance", environment.as_str());
    bench.reopened_as(config.unwrap()).await
}
