//! Hints that there is work. Losing one costs time, so a case waits for one that must come, and never relies on none
//! coming but where no call was made that could send one to that worker.

use std::time::Duration;

use oqron_core::{Message, Outcome, Presence, Start};

use super::bench::{DEADLINE, SHORT, job, pass_short};
use super::worker::for_long;
use super::{Bench, BenchWorker};

pub(super) type Waiter = (BenchWorker, Box<dyn Presence>);

/// A worker that has joined and found nothing.
pub(super) async fn waiter(bench: &Bench, label: &str) -> Waiter {
    let mut worker = bench.worker(label);
    let presence = worker.join().await;
    assert_eq!(worker.claim(1).await, []);
    (worker, presence)
}

/// At once.
pub async fn a_new_job_wakes_a_waiter(bench: Bench) {
    let (mut worker, mut presence) = waiter(&bench, "one").await;
    bench.add("a").await;
    woken(&bench, &mut presence).await;
    worker.claim_one().await;
}

/// Also when it is added by another process.
pub async fn a_new_job_of_another_process_wakes_a_waiter(bench: Bench) {
    let (mut worker, mut presence) = waiter(&bench, "one").await;
    bench.reopened().await.add("a").await;
    woken(&bench, &mut presence).await;
    worker.claim_one().await;
}

/// A worker joins over one connection, from a thread of its own, and takes its turns over another.
pub async fn a_worker_that_joined_over_another_connection_is_woken(bench: Bench) {
    let mut worker = bench.worker("one");
    let joined = bench.reopened().await.consume.join(&worker.info()).await;
    let mut presence = joined.unwrap();
    assert_eq!(worker.claim(1).await, []);
    bench.add("a").await;
    woken(&bench, &mut presence).await;
    worker.claim_one().await;
    // And again, after it was woken once.
    assert_eq!(worker.claim(1).await, []);
    bench.add("b").await;
    woken(&bench, &mut presence).await;
}

/// And not all of them.
pub async fn one_new_job_wakes_one_waiter(bench: Bench) {
    let (one, two) = (waiter(&bench, "one").await, waiter(&bench, "two").await);
    bench.add("a").await;
    let ((mut worker, _first), (_other, mut second)) = first_woken(&bench, one, two).await;
    pass_short().await;
    assert!(is_quiet(&bench, &mut second).await, "the other one sleeps on");
    worker.claim_one().await;
}

/// As many as there are jobs.
pub async fn a_batch_wakes_as_many_waiters_as_it_has_jobs(bench: Bench) {
    let mut waiters = Vec::new();
    for label in ["one", "two", "three"] {
        waiters.push(waiter(&bench, label).await);
    }
    bench.enqueue(&[job("a"), job("b"), job("c")]).await;
    for (worker, presence) in &mut waiters {
        woken(&bench, presence).await;
        worker.claim_one().await;
    }
}

/// So that many jobs get many workers.
pub async fn a_claim_that_leaves_some_behind_wakes_the_next_waiter(bench: Bench) {
    for name in ["a", "b", "c"] {
        bench
            .add_with(name, |options| options.start = Start::After(SHORT))
            .await;
    }
    let (mut next, mut presence) = waiter(&bench, "next").await;
    pass_short().await;
    let turned = bench.worker("first").turn(&[], Some(for_long(1))).await;
    assert_eq!((turned.leases.len(), turned.more), (1, true));
    woken(&bench, &mut presence).await;
    assert_eq!(next.claim(9).await.len(), 2);
}

/// One that can take nothing just now does not keep the wake-up, and waits no longer.
pub async fn a_claim_of_nothing_passes_the_wake_up_on(bench: Bench) {
    let (one, two) = (waiter(&bench, "one").await, waiter(&bench, "two").await);
    bench.add("a").await;
    let ((mut busy, mut first), (mut other, mut second)) = first_woken(&bench, one, two).await;
    let turned = busy.turn(&[], Some(for_long(0))).await;
    assert_eq!((turned.leases.len(), turned.more), (0, true));
    woken(&bench, &mut second).await;
    other.claim_one().await;
    assert!(!busy.turn(&[], Some(for_long(0))).await.more);
    bench.add("b").await;
    pass_short().await;
    assert!(is_quiet(&bench, &mut first).await, "it waits no longer");
}

/// All of them: nobody knows how many jobs wait.
pub async fn a_resumption_wakes_every_waiter(bench: Bench) {
    let (_one, mut first) = waiter(&bench, "one").await;
    let (_two, mut second) = waiter(&bench, "two").await;
    bench.operate.pause(&bench.topic).await.unwrap();
    bench.add("a").await;
    bench.operate.resume(&bench.topic).await.unwrap();
    woken(&bench, &mut first).await;
    woken(&bench, &mut second).await;
}

/// It is waiting again.
pub async fn a_released_job_wakes_a_waiter(bench: Bench) {
    bench.add("a").await;
    let mut holder = bench.worker("holder");
    let lease = holder.claim_one().await;
    let (mut next, mut presence) = waiter(&bench, "next").await;
    holder
        .settle(
            &lease,
            Outcome::Release {
                reason: "going".into(),
            },
        )
        .await;
    woken(&bench, &mut presence).await;
    next.claim_one().await;
}

/// Its worker did not even know of it.
pub async fn a_lease_given_back_by_a_heartbeat_wakes_a_waiter(bench: Bench) {
    bench.add("a").await;
    let mut holder = bench.worker("holder");
    holder.claim_one().await;
    let (mut next, mut presence) = waiter(&bench, "next").await;
    holder.heartbeat(&[]).await;
    woken(&bench, &mut presence).await;
    next.claim_one().await;
}

/// Somebody waits for it.
pub async fn a_dead_letter_that_is_retried_wakes_a_waiter(bench: Bench) {
    let id = bench.add_in_state("a", oqron_core::JobState::Failed).await;
    let (mut worker, mut presence) = waiter(&bench, "one").await;
    bench.operate.retry(&[bench.job_ref(&id)]).await.unwrap();
    woken(&bench, &mut presence).await;
    worker.claim_one().await;
}

/// It would have slept past it.
pub async fn a_job_due_earlier_than_all_others_wakes_a_waiter(bench: Bench) {
    let hour = Duration::from_secs(3_600);
    bench
        .add_with("in an hour", |options| options.start = Start::After(hour))
        .await;
    let (mut worker, mut presence) = waiter(&bench, "one").await;
    bench
        .add_with("in a minute", |options| options.start = Start::After(hour / 60))
        .await;
    woken(&bench, &mut presence).await;
    let due_in = worker.next_due().await;
    assert!(due_in <= hour / 60, "{due_in:?}");
}

/// Another one is.
pub async fn a_waiter_that_left_is_not_woken_in_place_of_another(bench: Bench) {
    let (_gone, presence) = waiter(&bench, "gone").await;
    let (mut worker, mut stays) = waiter(&bench, "stays").await;
    presence.leave().await.unwrap();
    bench.add("a").await;
    woken(&bench, &mut stays).await;
    worker.claim_one().await;
}

/// Waiting for one topic is not waiting for another.
pub async fn a_job_of_another_topic_wakes_nobody(bench: Bench) {
    let (_worker, mut presence) = waiter(&bench, "one").await;
    bench.topic("other").add("a").await;
    pass_short().await;
    assert!(is_quiet(&bench, &mut presence).await);
}

/// A worker of several topics learns which one it is.
pub async fn a_wake_up_names_its_topic(bench: Bench) {
    let other = bench.topic("other");
    let (worker, mut presence) = waiter(&bench, "one").await;
    let mut elsewhere = other.worker("one");
    elsewhere.id = worker.id.clone();
    assert_eq!(elsewhere.claim(1).await, []);
    other.add("a").await;
    woken(&other, &mut presence).await;
    elsewhere.claim_one().await;
}

/// The wake-up for the topic, within the deadline. Others are passed over.
pub(super) async fn woken(bench: &Bench, presence: &mut Box<dyn Presence>) {
    let expected = Message::Wake(bench.topic.clone());
    let wake = async { while presence.next().await.unwrap() != expected {} };
    tokio::time::timeout(DEADLINE, wake)
        .await
        .expect("the worker is woken");
}

/// The two waiters, the one that is woken first.
pub(super) async fn first_woken(bench: &Bench, mut one: Waiter, mut two: Waiter) -> (Waiter, Waiter) {
    tokio::select! {
        () = woken(bench, &mut one.1) => (one, two),
        () = woken(bench, &mut two.1) => (two, one),
    }
}

/// Whether nothing for the topic has come so far.
async fn is_quiet(bench: &Bench, presence: &mut Box<dyn Presence>) -> bool {
    let unexpected = Message::Wake(bench.topic.clone());
    let wake = async { while presence.next().await.unwrap() != unexpected {} };
    tokio::time::timeout(Duration::from_millis(50), wake)
        .await
        .is_err()
}
