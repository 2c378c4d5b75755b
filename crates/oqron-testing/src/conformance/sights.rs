//! What a worker sees of the others, and what it takes from those that are gone.

use oqron_core::{
    AbsentLease, CANCELLED_ON_REQUEST, Claim, Delivery, FailureKind, JobFailure, JobState, LEASE_EXPIRED,
    Lease, Outcome, Settled, Sight, TimelineKind, Verdict, WORKER_GONE, WORKER_LOST,
};

use super::bench::{eventually, pass_short, told};
use super::wakeups::{first_woken, waiter, woken};
use super::worker::{done, for_long, for_short};
use super::{Bench, BenchWorker};

/// With what it held.
pub async fn a_dead_worker_is_seen(bench: Bench) {
    bench.add_numbered(2).await;
    let lease = dead_holder(&bench, for_long(1)).await;
    let absent = absent(&bench, 1).await;
    assert_eq!(absent.len(), 1);
    assert_eq!(
        (&absent[0].topic, &absent[0].id, absent[0].token),
        (&bench.topic, &lease.id, lease.token)
    );
    assert!(look(&bench).await.others);
}

/// As it would be.
pub async fn a_dead_worker_is_seen_by_another_process(bench: Bench) {
    bench.add("a").await;
    let lease = dead_holder(&bench, for_long(1)).await;
    let absent = absent(&bench.reopened().await, 1).await;
    assert_eq!(absent[0].token, lease.token);
}

/// However long it works.
pub async fn a_present_worker_is_not_seen_as_gone(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let _presence = worker.join().await;
    worker.claim_one().await;
    pass_short().await;
    let sight = look(&bench).await;
    assert_eq!((sight.others, sight.absent), (true, vec![]));
}

/// What outlives its goodbye is left to the lease.
pub async fn a_worker_that_left_is_not_seen_as_gone(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let presence = worker.join().await;
    worker.claim_one().await;
    presence.leave().await.unwrap();
    pass_short().await;
    assert_eq!(look(&bench).await.absent, []);
}

/// Nobody knows whether it lives.
pub async fn a_worker_that_never_joined_is_not_seen_as_gone(bench: Bench) {
    bench.add("a").await;
    bench.worker("one").claim_one().await;
    pass_short().await;
    let sight = look(&bench).await;
    assert_eq!((sight.others, sight.absent), (true, vec![]));
}

/// After its connection broke.
pub async fn a_worker_that_joined_again_is_not_seen_as_gone(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let first = worker.join().await;
    worker.claim_one().await;
    drop(first);
    absent(&bench, 1).await;
    let _second = worker.join().await;
    eventually("it is present again", async || {
        look(&bench).await.absent.is_empty().then_some(())
    })
    .await;
}

/// Nobody has to watch over itself.
pub async fn own_leases_are_not_those_of_others(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let _presence = worker.join().await;
    worker.claim_one().await;
    assert!(!look_as(&bench, &worker).await.others);
}

/// And several of them at once.
pub async fn a_look_is_about_its_topics(bench: Bench) {
    let other = bench.topic("other");
    other.add("a").await;
    dead_holder(&other, for_long(1)).await;
    absent(&other, 1).await;
    let sight = look(&bench).await;
    assert_eq!((sight.others, sight.absent), (false, vec![]));
    let worker = bench.worker("looker");
    let topics = [bench.topic.clone(), other.topic.clone()];
    let sight = bench.consume.look(&worker.id, &topics).await.unwrap().unwrap();
    assert_eq!((sight.others, sight.absent.len()), (true, 1));
    assert_eq!(sight.absent[0].topic, other.topic);
}

/// Topics that nobody has ever heard of.
pub async fn a_look_at_nothing_sees_nothing(bench: Bench) {
    let sight = look(&bench).await;
    assert_eq!((sight.others, sight.absent), (false, vec![]));
    assert_eq!(bench.consume.reclaim(&[]).await.unwrap(), 0);
    let worker = bench.worker("looker");
    let sight = bench.consume.look(&worker.id, &[]).await.unwrap().unwrap();
    assert_eq!((sight.others, sight.absent), (false, vec![]));
}

/// Long before its lease ends.
pub async fn a_reclaimed_lease_is_a_stall(bench: Bench) {
    bench.add_with("a", |options| options.priority = 9).await;
    let (mut dead, lease) = joined_holder(&bench, for_long(1)).await;
    assert_eq!(bench.consume.reclaim(&absent(&bench, 1).await).await.unwrap(), 1);
    let record = bench.record(&lease.id).await;
    assert_eq!((record.state, record.stalls), (JobState::Waiting, 1));
    assert_eq!(told(&record.timeline), [(TimelineKind::Stalled, WORKER_GONE)]);
    assert_eq!(record.timeline[0].worker.as_ref(), Some(&dead.id));
    assert_eq!(dead.settle(&lease, done()).await, Settled::LeaseLost);
    assert_eq!(dead.heartbeat(&[&lease]).await, [Verdict::Lost]);
    bench.add_with("urgent", |options| options.priority = 0).await;
    let next = bench.worker("next").claim_one().await;
    assert_eq!((&next.id, next.attempt, next.stalls), (&lease.id, 1, 1));
    assert!(next.token > lease.token);
}

/// By whoever comes first.
pub async fn a_lease_is_reclaimed_once(bench: Bench) {
    bench.add("a").await;
    let lease = dead_holder(&bench, for_long(1)).await;
    let absent = absent(&bench, 1).await;
    let (one, two) = tokio::join!(bench.consume.reclaim(&absent), bench.consume.reclaim(&absent));
    assert_eq!(one.unwrap() + two.unwrap(), 1);
    assert_eq!(bench.record(&lease.id).await.stalls, 1);
    assert_eq!(look(&bench).await.absent, []);
}

/// It came back meanwhile.
pub async fn a_renewed_lease_is_not_reclaimed(bench: Bench) {
    bench.add("a").await;
    let (worker, lease) = joined_holder(&bench, for_long(1)).await;
    let absent = absent(&bench, 1).await;
    pass_short().await;
    assert_eq!(worker.heartbeat(&[&lease]).await, [Verdict::Renewed]);
    assert_eq!(bench.consume.reclaim(&absent).await.unwrap(), 0);
    assert_eq!(bench.state(&lease.id).await, JobState::Active);
}

/// It ended meanwhile, in one way or another.
pub async fn a_settled_lease_is_not_reclaimed(bench: Bench) {
    bench.add_numbered(2).await;
    let mut worker = bench.worker("dead");
    let presence = worker.join().await;
    let leases = worker.claim(2).await;
    drop(presence);
    let absent = absent(&bench, 2).await;
    worker.complete(&leases[0]).await;
    let release = Outcome::Release {
        reason: "going".into(),
    };
    worker.settle(&leases[1], release).await;
    assert_eq!(bench.consume.reclaim(&absent).await.unwrap(), 0);
    assert_eq!(bench.record(&leases[1].id).await.stalls, 0);
}

/// Another worker has it now.
pub async fn a_lease_of_a_later_attempt_is_not_reclaimed(bench: Bench) {
    bench.add("a").await;
    let lease = dead_holder(&bench, for_long(1)).await;
    let absent = absent(&bench, 1).await;
    bench.consume.reclaim(&absent).await.unwrap();
    let mut next = bench.worker("next");
    let again = next.claim_one().await;
    assert_eq!(bench.consume.reclaim(&absent).await.unwrap(), 0);
    assert_eq!(next.heartbeat(&[&again]).await, [Verdict::Renewed]);
    assert_eq!(again.id, lease.id);
}

/// As with leases that run out.
pub async fn a_reclaimed_job_that_stalls_too_often_is_a_dead_letter(bench: Bench) {
    let id = bench.add("a").await;
    let claim = Claim {
        max_stalls: 1,
        ..for_short(1)
    };
    bench.worker("first").claim_one_with(claim).await;
    pass_short().await;
    let lasting = Claim {
        max_stalls: 1,
        ..for_long(1)
    };
    dead_holder(&bench, lasting).await;
    assert_eq!(bench.consume.reclaim(&absent(&bench, 1).await).await.unwrap(), 1);
    let record = bench.record(&id).await;
    assert_eq!((record.state, record.stalls), (JobState::Failed, 2));
    assert_eq!(record.error, Some(JobFailure::stalled(2)));
    assert_eq!(
        told(&record.timeline),
        [
            (TimelineKind::Stalled, LEASE_EXPIRED),
            (TimelineKind::Stalled, WORKER_GONE),
            (TimelineKind::Failed, "stalled 2 times")
        ]
    );
}

/// It is never run again.
pub async fn a_reclaimed_job_that_runs_at_most_once_has_failed(bench: Bench) {
    let id = bench.add("a").await;
    let claim = Claim {
        delivery: Delivery::AtMostOnce,
        ..for_long(1)
    };
    dead_holder(&bench, claim).await;
    assert_eq!(bench.consume.reclaim(&absent(&bench, 1).await).await.unwrap(), 1);
    let record = bench.record(&id).await;
    assert_eq!((record.state, record.stalls), (JobState::Failed, 0));
    assert_eq!(
        record.error.map(|error| error.kind),
        Some(FailureKind::WorkerLost)
    );
    assert_eq!(told(&record.timeline), [(TimelineKind::Failed, WORKER_LOST)]);
}

/// Nobody is left to be told.
pub async fn a_reclaimed_job_that_was_cancelled_ends_as_cancelled(bench: Bench) {
    let id = bench.add("a").await;
    dead_holder(&bench, for_long(1)).await;
    bench.publish.cancel(&bench.job_ref(&id)).await.unwrap();
    assert_eq!(bench.consume.reclaim(&absent(&bench, 1).await).await.unwrap(), 1);
    let record = bench.record(&id).await;
    assert_eq!(record.state, JobState::Cancelled);
    assert_eq!(
        told(&record.timeline).last(),
        Some(&(TimelineKind::Cancelled, CANCELLED_ON_REQUEST))
    );
}

/// It is waiting again.
pub async fn a_reclaimed_job_wakes_a_waiter(bench: Bench) {
    bench.add("a").await;
    dead_holder(&bench, for_long(1)).await;
    let (mut next, mut presence) = waiter(&bench, "next").await;
    bench.consume.reclaim(&absent(&bench, 1).await).await.unwrap();
    woken(&bench, &mut presence).await;
    next.claim_one().await;
}

/// Each for itself.
pub async fn leases_of_several_topics_are_reclaimed_in_one_call(bench: Bench) {
    let other = bench.topic("other");
    let mut leases = Vec::new();
    for topic in [&bench, &other] {
        topic.add("a").await;
        dead_holder(topic, for_long(1)).await;
        leases.extend(absent(topic, 1).await);
    }
    assert_eq!(bench.consume.reclaim(&leases).await.unwrap(), 2);
    for topic in [&bench, &other] {
        assert_eq!(topic.counts().await.waiting, 1);
    }
}

/// Its own or those of others: then there is something to watch.
pub async fn a_claim_tells_whether_there_are_leases(bench: Bench) {
    bench.add("a").await;
    let mut idle = bench.worker("idle");
    let mut worker = bench.worker("one");
    let turned = worker.turn(&[], Some(for_long(2))).await;
    assert!(turned.leased);
    eventually("the other learns of it", async || {
        idle.turn(&[], Some(for_long(1))).await.leased.then_some(())
    })
    .await;
    worker.complete(&turned.leases[0]).await;
    eventually("the other learns of its end", async || {
        (!idle.turn(&[], Some(for_long(1))).await.leased).then_some(())
    })
    .await;
}

/// Somebody has to come when they end.
pub async fn a_claim_wakes_a_waiter_that_would_sleep_beyond_its_leases(bench: Bench) {
    let (one, two) = (waiter(&bench, "one").await, waiter(&bench, "two").await);
    bench.add("a").await;
    let ((mut holder, _first), (mut idle, mut second)) = first_woken(&bench, one, two).await;
    holder.claim_one().await;
    woken(&bench, &mut second).await;
    let turned = idle.turn(&[], Some(for_long(1))).await;
    assert!(turned.leases.is_empty() && turned.due_in.is_some());
}

/// Its holder waits too, having come up short, and cannot be counted on.
pub async fn a_claim_that_came_up_short_wakes_another_for_its_leases(bench: Bench) {
    let (one, two) = (waiter(&bench, "one").await, waiter(&bench, "two").await);
    bench.add("a").await;
    let ((mut holder, _first), (_idle, mut second)) = first_woken(&bench, one, two).await;
    assert_eq!(holder.claim(2).await.len(), 1);
    woken(&bench, &mut second).await;
}

/// A worker that has died with what it claimed, and its lease.
async fn dead_holder(bench: &Bench, claim: Claim) -> Lease {
    joined_holder(bench, claim).await.1
}

/// The same, with its ghost, which can still write.
async fn joined_holder(bench: &Bench, claim: Claim) -> (BenchWorker, Lease) {
    let mut worker = bench.worker("dead");
    let presence = worker.join().await;
    let lease = worker.claim_one_with(claim).await;
    drop(presence);
    (worker, lease)
}

async fn look(bench: &Bench) -> Sight {
    look_as(bench, &bench.worker("looker")).await
}

async fn look_as(bench: &Bench, worker: &BenchWorker) -> Sight {
    let topics = [bench.topic.clone()];
    let sight = bench.consume.look(&worker.id, &topics).await;
    sight
        .expect("the backend looks")
        .expect("the backend under test can see who is present")
}

/// The leases of dead workers, as soon as there are so many.
async fn absent(bench: &Bench, count: usize) -> Vec<AbsentLease> {
    eventually("the dead worker is missed", async || {
        let absent = look(bench).await.absent;
        (absent.len() == count).then_some(absent)
    })
    .await
}
