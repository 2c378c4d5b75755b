//! Pausing a topic.

use oqron_core::{JobState, Verdict};

use super::Bench;
use super::bench::id;
use super::worker::{done, for_long, ids, settlement};

/// For every worker, until it is resumed.
pub async fn a_paused_topic_gives_no_jobs(bench: Bench) {
    bench.add_numbered(2).await;
    bench.operate.pause(&bench.topic).await.unwrap();
    for label in ["one", "two"] {
        let turned = bench.worker(label).turn(&[], Some(for_long(1))).await;
        assert_eq!((turned.leases.len(), turned.paused), (0, true));
    }
    bench.operate.resume(&bench.topic).await.unwrap();
    let turned = bench.worker("one").turn(&[], Some(for_long(9))).await;
    assert_eq!(
        (ids(&turned.leases), turned.paused),
        (vec!["0000", "0001"], false)
    );
}

/// Heartbeats and settlements too.
pub async fn active_jobs_go_on_in_a_paused_topic(bench: Bench) {
    bench.add_numbered(2).await;
    let mut worker = bench.worker("one");
    let lease = worker.claim(1).await.remove(0);
    bench.operate.pause(&bench.topic).await.unwrap();
    assert_eq!(worker.heartbeat(&[&lease]).await, [Verdict::Renewed]);
    let turned = worker
        .turn(&[settlement(&lease, done())], Some(for_long(1)))
        .await;
    assert_eq!((turned.leases.len(), turned.paused), (0, true));
    assert_eq!(bench.state(&lease.id).await, JobState::Completed);
}

/// And waits until it is resumed.
pub async fn a_job_added_to_a_paused_topic_waits(bench: Bench) {
    bench.operate.pause(&bench.topic).await.unwrap();
    bench.add("a").await;
    let mut worker = bench.worker("one");
    assert_eq!(worker.claim(1).await, []);
    assert_eq!(bench.state(&id("a")).await, JobState::Waiting);
    bench.operate.resume(&bench.topic).await.unwrap();
    worker.claim_one().await;
}

/// It is kept in the backend, not in a process.
pub async fn a_pause_is_seen_by_all_and_kept_across_restarts(bench: Bench) {
    bench.add("a").await;
    bench.operate.pause(&bench.topic).await.unwrap();
    let again = bench.reopened().await;
    assert!(again.counts().await.paused);
    assert_eq!(again.worker("one").claim(1).await, []);
    again.operate.resume(&again.topic).await.unwrap();
    assert!(!bench.counts().await.paused);
    bench.worker("two").claim_one().await;
}

/// Others go on.
pub async fn a_pause_is_about_one_topic(bench: Bench) {
    let other = bench.topic("other");
    bench.add("a").await;
    other.add("a").await;
    bench.operate.pause(&bench.topic).await.unwrap();
    other.worker("one").claim_one().await;
    assert!(!other.counts().await.paused);
}

/// Saying it twice, or to a topic that goes anyway.
pub async fn pausing_and_resuming_twice_is_no_error(bench: Bench) {
    bench.operate.resume(&bench.topic).await.unwrap();
    for _ in 0..2 {
        bench.operate.pause(&bench.topic).await.unwrap();
    }
    assert!(bench.counts().await.paused);
    for _ in 0..2 {
        bench.operate.resume(&bench.topic).await.unwrap();
    }
    assert!(!bench.counts().await.paused);
    bench.add("a").await;
    bench.worker("one").claim_one().await;
}
