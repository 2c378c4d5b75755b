//! Leases that run out, by the backend's clock.

use std::time::Duration;

use oqron_core::{
    CANCELLED_ON_REQUEST, Claim, Delivery, FailureKind, JobFailure, JobState, LEASE_EXPIRED, Outcome,
    Settled, TimelineKind, WORKER_LOST,
};

use super::Bench;
use super::bench::{SHORT, eventually, pass_short, told};
use super::worker::{done, for_long, for_short, ids};

/// A stall, and no attempt.
pub async fn a_lease_that_runs_out_is_a_stall(bench: Bench) {
    bench.add("a").await;
    let dead = {
        let mut dead = bench.worker("dead");
        dead.claim_one_with(for_short(1)).await;
        dead.id
    };
    let lease = bench.worker("next").take_over().await;
    assert_eq!((lease.attempt, lease.stalls), (1, 1));
    let record = bench.record(&lease.id).await;
    assert_eq!((record.attempts, record.stalls), (1, 1));
    assert_eq!(told(&record.timeline), [(TimelineKind::Stalled, LEASE_EXPIRED)]);
    assert_eq!(record.timeline[0].worker, Some(dead));
    assert_eq!((record.error, record.finished_at), (None, None));
}

/// The lease of a living worker is another matter.
pub async fn a_lease_that_lasts_is_not_taken(bench: Bench) {
    bench.add_numbered(2).await;
    bench.worker("one").claim_one_with(for_short(1)).await;
    bench.worker("two").claim_one().await;
    let leases = bench.worker("three").claim_when_due(9).await;
    assert_eq!(ids(&leases), ["0000"]);
}

/// Before more urgent and older ones.
pub async fn stalled_jobs_go_first(bench: Bench) {
    bench.add_with("stalled", |options| options.priority = 9).await;
    bench.worker("dead").claim_one_with(for_short(1)).await;
    bench.add_with("urgent", |options| options.priority = 0).await;
    pass_short().await;
    assert_eq!(ids(&bench.worker("next").claim(9).await), ["stalled", "urgent"]);
}

/// As among all others.
pub async fn stalled_jobs_go_among_each_other_by_priority_and_then_by_age(bench: Bench) {
    for (name, priority) in [("a", 5), ("b", 1), ("c", 5), ("d", 1)] {
        bench.add_with(name, |options| options.priority = priority).await;
    }
    let mut dead = bench.worker("dead");
    assert_eq!(dead.turn(&[], Some(for_short(9))).await.leases.len(), 4);
    bench.add_with("fresh", |options| options.priority = 0).await;
    pass_short().await;
    let mut next = bench.worker("next");
    assert_eq!(ids(&next.claim(3).await), ["b", "d", "a"]);
    assert_eq!(ids(&next.claim(3).await), ["c", "fresh"]);
}

/// Once it has been claimed again, it is a job like others.
pub async fn a_stalled_job_goes_first_only_once(bench: Bench) {
    bench.add_with("stalled", |options| options.priority = 9).await;
    bench.worker("dead").claim_one_with(for_short(1)).await;
    pass_short().await;
    let mut next = bench.worker("next");
    let lease = next.claim_one().await;
    assert_eq!(lease.id.as_str(), "stalled");
    bench.add_with("urgent", |options| options.priority = 0).await;
    next.settle(
        &lease,
        Outcome::Release {
            reason: "going".into(),
        },
    )
    .await;
    assert_eq!(ids(&next.claim(9).await), ["urgent", "stalled"]);
}

/// A payload that kills its worker cannot kill them all.
pub async fn a_job_that_stalls_too_often_is_a_dead_letter(bench: Bench) {
    let id = bench.add("a").await;
    let mut worker = bench.worker("one");
    let claim = Claim {
        max_stalls: 2,
        ..for_short(1)
    };
    for stalls in 0..=2 {
        let lease = eventually("the lease runs out", async || {
            worker.turn(&[], Some(claim)).await.leases.pop()
        })
        .await;
        assert_eq!((lease.stalls, lease.attempt), (stalls, 1));
    }
    pass_short().await;
    assert_eq!(worker.claim(1).await, []);
    let record = bench.record(&id).await;
    assert_eq!(
        (record.state, record.attempts, record.stalls),
        (JobState::Failed, 1, 3)
    );
    assert_eq!(record.error, Some(JobFailure::stalled(3)));
    assert_eq!(
        record.error.map(|error| error.message),
        Some("stalled 3 times".into())
    );
    assert!(record.finished_at.is_some());
    let stalled = (TimelineKind::Stalled, LEASE_EXPIRED);
    let failed = (TimelineKind::Failed, "stalled 3 times");
    assert_eq!(told(&record.timeline), [stalled, stalled, stalled, failed]);
}

/// Where none is allowed.
pub async fn the_first_stall_can_be_one_too_many(bench: Bench) {
    let id = bench.add("a").await;
    let mut worker = bench.worker("one");
    worker
        .claim_one_with(Claim {
            max_stalls: 0,
            ..for_short(1)
        })
        .await;
    pass_short().await;
    assert_eq!(worker.claim(1).await, []);
    let error = bench.record(&id).await.error.expect("it has failed");
    assert_eq!(error.kind, FailureKind::Stalled);
    assert_eq!(bench.state(&id).await, JobState::Failed);
}

/// Somebody asked for the end, and nobody is left to be told.
pub async fn a_cancelled_job_that_stalls_ends_as_cancelled(bench: Bench) {
    let id = bench.add("a").await;
    bench.worker("dead").claim_one_with(for_short(1)).await;
    bench.publish.cancel(&bench.job_ref(&id)).await.unwrap();
    pass_short().await;
    assert_eq!(bench.worker("next").claim(1).await, []);
    let record = bench.record(&id).await;
    assert_eq!((record.state, record.stalls), (JobState::Cancelled, 0));
    assert_eq!(record.attempts, 1);
    assert!(record.finished_at.is_some());
    assert_eq!(
        told(&record.timeline).last(),
        Some(&(TimelineKind::Cancelled, CANCELLED_ON_REQUEST))
    );
}

/// The end by request goes before the end by stalls.
pub async fn a_cancelled_job_that_stalls_too_often_ends_as_cancelled(bench: Bench) {
    let id = bench.add("a").await;
    let claim = Claim {
        max_stalls: 0,
        ..for_short(1)
    };
    bench.worker("dead").claim_one_with(claim).await;
    bench.publish.cancel(&bench.job_ref(&id)).await.unwrap();
    pass_short().await;
    assert_eq!(bench.worker("next").claim(1).await, []);
    assert_eq!(bench.state(&id).await, JobState::Cancelled);
}

/// Found, recorded, never run again.
pub async fn an_at_most_once_job_is_lost_with_its_worker(bench: Bench) {
    let id = bench.add("a").await;
    let mut dead = bench.worker("dead");
    let lease = dead.claim_one_with(at_most_once(SHORT)).await;
    pass_short().await;
    assert_eq!(bench.worker("next").claim(1).await, []);
    let record = bench.record(&id).await;
    assert_eq!(record.state, JobState::Failed);
    assert_eq!(record.error, Some(JobFailure::worker_lost()));
    assert!(record.finished_at.is_some());
    assert_eq!(told(&record.timeline), [(TimelineKind::Failed, WORKER_LOST)]);
    assert_eq!(record.timeline[0].worker, Some(dead.id.clone()));
    assert_eq!(dead.settle(&lease, done()).await, Settled::LeaseLost);
}

/// Nobody knows whether it was done.
pub async fn a_cancelled_at_most_once_job_is_lost_with_its_worker(bench: Bench) {
    let id = bench.add("a").await;
    bench.worker("dead").claim_one_with(at_most_once(SHORT)).await;
    bench.publish.cancel(&bench.job_ref(&id)).await.unwrap();
    pass_short().await;
    bench.worker("next").claim(1).await;
    assert_eq!(bench.state(&id).await, JobState::Failed);
}

/// An error of the handler is no death of the worker.
pub async fn an_at_most_once_job_follows_its_retries(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one_with(at_most_once(Duration::from_secs(60))).await;
    let retry = Outcome::Retry {
        delay: Duration::ZERO,
        failure: super::bench::failure("once more"),
    };
    assert_eq!(worker.settle(&lease, retry).await, Settled::Accepted);
    assert_eq!(worker.claim_one().await.attempt, 2);
}

/// Every one of them, though one turn does a bounded number.
pub async fn many_leases_that_run_out_together_are_all_reclaimed(bench: Bench) {
    const JOBS: u32 = 1_000;
    bench.add_numbered(JOBS as usize).await;
    let mut dead = bench.worker("dead");
    let claim = Claim {
        lease_ttl: SHORT,
        ..for_long(JOBS)
    };
    assert_eq!(dead.turn(&[], Some(claim)).await.leases.len(), JOBS as usize);
    pass_short().await;
    let mut next = bench.worker("next");
    let mut reclaimed = 0;
    eventually("all leases are reclaimed", async || {
        reclaimed += next.claim(300).await.len();
        (reclaimed == JOBS as usize).then_some(())
    })
    .await;
}

fn at_most_once(lease_ttl: Duration) -> Claim {
    Claim {
        lease_ttl,
        delivery: Delivery::AtMostOnce,
        ..for_long(1)
    }
}
