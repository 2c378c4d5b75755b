//! The end of an attempt, in each of its ways.

use std::time::Duration;

use oqron_core::{
    FailureKind, JobFailure, JobState, LogLine, Outcome, Progress, Settled, Settlement, TimelineKind,
    Timestamp, Token,
};

use super::bench::{failure, id, json, pass_short, told};
use super::worker::{done, for_long, for_short, ids, settlement};
use super::{Bench, BenchWorker};

const LATER: Duration = Duration::from_secs(600);

fn every_outcome() -> [Outcome; 6] {
    [
        done(),
        Outcome::Retry {
            delay: Duration::ZERO,
            failure: failure("once more"),
        },
        Outcome::Fail(failure("broken")),
        Outcome::Snooze {
            delay: Duration::ZERO,
        },
        Outcome::Release {
            reason: "going".into(),
        },
        Outcome::Cancel {
            reason: "no longer needed".into(),
        },
    ]
}

/// Who waits for it can read the result; who had it stays known.
pub async fn a_completed_job_keeps_its_result(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    let settled = worker.settle(&lease, Outcome::Complete(json("the result"))).await;
    assert_eq!(settled, Settled::Accepted);
    let record = bench.record(&lease.id).await;
    assert_eq!(record.state, JobState::Completed);
    assert_eq!(record.result, Some(json("the result")));
    assert_eq!(
        (record.worker, record.token),
        (Some(worker.id), Some(lease.token))
    );
    assert_eq!(
        (record.attempts, record.error, record.timeline.len()),
        (1, None, 0)
    );
    assert!(record.finished_at >= record.started_at && record.started_at.is_some());
    assert_eq!(record.payload, json("a"));
}

/// The whole chain of causes, and the kind.
pub async fn a_failed_job_is_a_dead_letter_with_its_error(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    let mut failure = JobFailure::new(FailureKind::Panic, "it broke");
    failure.chain = vec!["because of this".into(), "because of that".into()];
    let settled = worker.settle(&lease, Outcome::Fail(failure.clone())).await;
    assert_eq!(settled, Settled::Accepted);
    let record = bench.record(&lease.id).await;
    assert_eq!((record.state, record.attempts), (JobState::Failed, 1));
    assert_eq!(record.error, Some(failure));
    assert_eq!(record.result, None);
    assert!(record.finished_at >= record.started_at);
    let event = &record.timeline[0];
    assert_eq!(
        (event.kind, &event.worker),
        (TimelineKind::Failed, &Some(worker.id))
    );
    assert!(event.reason.starts_with("it broke"), "{}", event.reason);
    assert_eq!(Some(event.at), record.finished_at);
}

/// It is not run before the delay is over, and the failure is kept.
pub async fn a_retried_job_is_scheduled(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    let retry = Outcome::Retry {
        delay: LATER,
        failure: failure("once more"),
    };
    assert_eq!(worker.settle(&lease, retry).await, Settled::Accepted);
    let record = bench.record(&lease.id).await;
    assert_eq!((record.state, record.attempts), (JobState::Scheduled, 1));
    assert_eq!(record.error, Some(failure("once more")));
    assert_eq!(
        told(&record.timeline),
        [(TimelineKind::AttemptFailed, "once more")]
    );
    let event = &record.timeline[0];
    assert_eq!(event.worker, Some(worker.id.clone()));
    assert_eq!(record.run_at, event.at.after(LATER));
    assert_eq!(record.finished_at, None);
    assert_eq!(worker.claim(1).await, []);
}

/// With the next number.
pub async fn a_retry_without_a_delay_waits_at_once(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    for attempt in 1..=3 {
        let lease = worker.claim_one().await;
        assert_eq!(lease.attempt, attempt);
        let retry = Outcome::Retry {
            delay: Duration::ZERO,
            failure: failure("once more"),
        };
        assert_eq!(worker.settle(&lease, retry).await, Settled::Accepted);
        assert_eq!(bench.state(&lease.id).await, JobState::Waiting);
    }
    assert_eq!(bench.record(&id("a")).await.timeline.len(), 3);
}

/// When the delay is over.
pub async fn a_retried_job_runs_again(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    let retry = Outcome::Retry {
        delay: Duration::from_millis(100),
        failure: failure("once more"),
    };
    worker.settle(&lease, retry).await;
    let second = worker.claim_when_due(1).await.remove(0);
    assert_eq!((second.attempt, second.stalls), (2, 0));
    assert!(second.token > lease.token);
}

/// The attempt does not count.
pub async fn a_snoozed_job_comes_back_later(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    let settled = worker.settle(&lease, Outcome::Snooze { delay: LATER }).await;
    assert_eq!(settled, Settled::Accepted);
    let record = bench.record(&lease.id).await;
    assert_eq!((record.state, record.attempts), (JobState::Scheduled, 0));
    assert_eq!((record.error, record.finished_at), (None, None));
    let event = &record.timeline[0];
    assert_eq!(
        (event.kind, &event.worker),
        (TimelineKind::Snoozed, &Some(worker.id))
    );
    assert_eq!(record.run_at, event.at.after(LATER));
    assert_eq!((record.timeline.len(), record.stalls), (1, 0));
}

/// As the first attempt that it still is.
pub async fn a_snooze_without_a_delay_waits_at_once(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    let snooze = Outcome::Snooze {
        delay: Duration::ZERO,
    };
    assert_eq!(worker.settle(&lease, snooze).await, Settled::Accepted);
    assert_eq!(bench.state(&lease.id).await, JobState::Waiting);
    assert_eq!(worker.claim_one().await.attempt, 1);
}

/// No attempt, no stall; the worker and the token of the last lease stay.
pub async fn a_released_job_waits_as_before(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    let release = Outcome::Release {
        reason: "shutting down".into(),
    };
    assert_eq!(worker.settle(&lease, release).await, Settled::Accepted);
    let record = bench.record(&lease.id).await;
    assert_eq!(
        (record.state, record.attempts, record.stalls),
        (JobState::Waiting, 0, 0)
    );
    assert_eq!(
        told(&record.timeline),
        [(TimelineKind::Released, "shutting down")]
    );
    assert_eq!(record.timeline[0].worker, Some(worker.id.clone()));
    assert_eq!(
        (record.worker, record.token),
        (Some(worker.id), Some(lease.token))
    );
    assert_eq!((record.error, record.finished_at), (None, None));
    assert_eq!(bench.worker("two").claim_one().await.attempt, 1);
}

/// With the handler's reason.
pub async fn a_handler_can_cancel_its_job(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    let cancel = Outcome::Cancel {
        reason: "no longer needed".into(),
    };
    assert_eq!(worker.settle(&lease, cancel).await, Settled::Accepted);
    let record = bench.record(&lease.id).await;
    assert_eq!((record.state, record.attempts), (JobState::Cancelled, 1));
    assert_eq!(
        told(&record.timeline),
        [(TimelineKind::Cancelled, "no longer needed")]
    );
    assert_eq!(record.timeline[0].worker, Some(worker.id));
    assert!(record.finished_at >= record.started_at && record.result.is_none());
}

/// Among those of the same priority.
pub async fn a_job_that_comes_back_keeps_its_age(bench: Bench) {
    bench.add_numbered(4).await;
    let mut worker = bench.worker("one");
    let leases = worker.claim(3).await;
    let retry = Outcome::Retry {
        delay: Duration::ZERO,
        failure: failure("once more"),
    };
    let snooze = Outcome::Snooze {
        delay: Duration::ZERO,
    };
    let release = Outcome::Release {
        reason: "going".into(),
    };
    worker.settle(&leases[2], release).await;
    worker.settle(&leases[0], retry).await;
    worker.settle(&leases[1], snooze).await;
    assert_eq!(ids(&worker.claim(9).await), ["0000", "0001", "0002", "0003"]);
}

/// The last failure of a job that succeeded in the end can still be read.
pub async fn an_error_stays_when_a_later_attempt_succeeds(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    let retry = Outcome::Retry {
        delay: Duration::ZERO,
        failure: failure("once more"),
    };
    worker.settle(&lease, retry).await;
    let lease = worker.claim_one().await;
    worker.complete(&lease).await;
    let record = bench.record(&lease.id).await;
    assert_eq!((record.state, record.attempts), (JobState::Completed, 2));
    assert_eq!(record.error, Some(failure("once more")));
    assert_eq!(
        told(&record.timeline),
        [(TimelineKind::AttemptFailed, "once more")]
    );
}

/// What was reported since the last heartbeat.
pub async fn a_settlement_brings_the_last_report(bench: Bench) {
    bench.add_numbered(6).await;
    let mut worker = bench.worker("one");
    let leases = worker.claim(6).await;
    let line = LogLine::new(Timestamp::from_millis(1_700_000_000_123), "almost there");
    let settlements: Vec<Settlement> = leases
        .iter()
        .zip(every_outcome())
        .map(|(lease, outcome)| {
            let mut settlement = settlement(lease, outcome);
            settlement.progress = Some(Progress::new(99, "at the end"));
            settlement.logs = vec![line.clone()];
            settlement
        })
        .collect();
    worker.turn(&settlements, None).await;
    for lease in &leases {
        let record = bench.record(&lease.id).await;
        assert_eq!(
            record.progress,
            Some(Progress::new(99, "at the end")),
            "{}",
            lease.id
        );
        assert_eq!(record.logs, std::slice::from_ref(&line), "{}", lease.id);
    }
}

/// The lease ran out and somebody else has the job: nothing of it is written.
pub async fn every_outcome_under_a_stale_token_is_refused(bench: Bench) {
    bench.add("a").await;
    let mut frozen = bench.worker("frozen");
    let stale = frozen.claim_one_with(for_short(1)).await;
    let mut next = bench.worker("next");
    let current = next.take_over().await;
    let before = bench.record(&current.id).await;
    for outcome in every_outcome() {
        let mut late = settlement(&stale, outcome);
        late.progress = Some(Progress::new(1, "late"));
        let turned = frozen.turn(&[late], None).await;
        assert_eq!(turned.settled, [Settled::LeaseLost]);
    }
    assert_eq!(bench.record(&current.id).await, before);
    next.complete(&current).await;
    for outcome in every_outcome() {
        assert_eq!(frozen.settle(&stale, outcome).await, Settled::LeaseLost);
    }
    assert_eq!(bench.state(&current.id).await, JobState::Completed);
}

/// The token alone is not enough.
pub async fn every_outcome_of_another_worker_is_refused(bench: Bench) {
    bench.add("a").await;
    let mut holder = bench.worker("holder");
    let lease = holder.claim_one().await;
    let mut other = bench.worker("other");
    for outcome in every_outcome() {
        assert_eq!(other.settle(&lease, outcome).await, Settled::LeaseLost);
    }
    assert_eq!(bench.state(&lease.id).await, JobState::Active);
    holder.complete(&lease).await;
    assert_eq!(other.settle(&lease, done()).await, Settled::LeaseLost);
}

/// A token that was never given, and a job that never was.
pub async fn a_settlement_without_a_lease_is_refused(bench: Bench) {
    let waiting = bench.add("a").await;
    let mut worker = bench.worker("one");
    let settlements = [
        Settlement::new(waiting.clone(), Token(1), done()),
        Settlement::new(id("nobody"), Token(1), done()),
    ];
    let turned = worker.turn(&settlements, None).await;
    assert_eq!(turned.settled, [Settled::LeaseLost; 2]);
    assert_eq!(bench.state(&waiting).await, JobState::Waiting);
}

/// Whatever comes second under the same token changes nothing.
pub async fn a_used_token_is_accepted_again_without_an_effect(bench: Bench) {
    for (number, first) in every_outcome().into_iter().enumerate() {
        let bench = bench.topic(&format!("topic-{number}"));
        bench.add("a").await;
        let mut worker = bench.worker("one");
        let lease = worker.claim_one().await;
        assert_eq!(worker.settle(&lease, first).await, Settled::Accepted);
        let before = bench.record(&lease.id).await;
        for second in every_outcome() {
            assert_eq!(worker.settle(&lease, second).await, Settled::Accepted);
        }
        assert_eq!(bench.record(&lease.id).await, before);
    }
}

/// The second lease of the same job is no licence for the first one.
pub async fn a_used_token_is_refused_when_the_job_is_leased_again(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let first = worker.claim_one().await;
    let release = Outcome::Release {
        reason: "going".into(),
    };
    worker.settle(&first, release).await;
    let second = worker.claim_one().await;
    assert_eq!(worker.settle(&first, done()).await, Settled::LeaseLost);
    worker.complete(&second).await;
}

/// The promise, in one scene.
pub async fn a_frozen_worker_cannot_overwrite_the_result_of_the_next(bench: Bench) {
    bench.add("a").await;
    let mut frozen = bench.worker("frozen");
    let stale = frozen.claim_one_with(for_short(1)).await;
    let mut next = bench.worker("next");
    let current = next.take_over().await;
    assert!(current.token > stale.token);
    next.settle(&current, Outcome::Complete(json("of the living")))
        .await;
    let late = frozen
        .settle(&stale, Outcome::Complete(json("of the frozen")))
        .await;
    assert_eq!(late, Settled::LeaseLost);
    let record = bench.record(&current.id).await;
    assert_eq!(record.result, Some(json("of the living")));
    assert_eq!(
        (record.worker, record.token),
        (Some(next.id), Some(current.token))
    );
    assert_eq!(record.stalls, 1);
}

/// Nobody has noticed, so nobody is hurt.
pub async fn an_expired_lease_that_nobody_reclaimed_can_be_settled(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one_with(for_short(1)).await;
    pass_short().await;
    worker.complete(&lease).await;
    let record = bench.record(&lease.id).await;
    assert_eq!((record.state, record.stalls), (JobState::Completed, 0));
    assert_eq!(bench.worker("two").claim(1).await, []);
}

/// The same turn that settles an expired lease does not reclaim it first.
pub async fn a_turn_settles_an_expired_lease_before_it_reclaims(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one_with(for_short(1)).await;
    pass_short().await;
    let turned = worker
        .turn(&[settlement(&lease, done())], Some(for_long(1)))
        .await;
    assert_eq!(turned.settled, [Settled::Accepted]);
    assert_eq!(turned.leases, []);
}

/// The newest fifty events, the newest hundred lines.
pub async fn the_timeline_and_the_log_are_capped(bench: Bench) {
    use oqron_core::limits::{LOG_LINES_MAX, TIMELINE_EVENTS_MAX};
    bench.add("a").await;
    let mut worker = bench.worker("one");
    for round in 0..TIMELINE_EVENTS_MAX + 3 {
        give_back_with_lines(&mut worker, round, 3).await;
    }
    let record = bench.record(&id("a")).await;
    let reasons: Vec<_> = record
        .timeline
        .iter()
        .map(|event| event.reason.as_str())
        .collect();
    assert_eq!(reasons.len(), TIMELINE_EVENTS_MAX);
    assert_eq!((reasons[0], *reasons.last().unwrap()), ("round 3", "round 52"));
    let lines: Vec<_> = record.logs.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(lines.len(), LOG_LINES_MAX);
    assert_eq!(*lines.last().unwrap(), "round 52 line 2");
    assert_eq!(lines[0], "round 19 line 2");
}

async fn give_back_with_lines(worker: &mut BenchWorker, round: usize, lines: usize) {
    let lease = worker.claim_one().await;
    let release = Outcome::Release {
        reason: format!("round {round}"),
    };
    let mut settlement = settlement(&lease, release);
    settlement.logs = (0..lines)
        .map(|line| LogLine::new(Timestamp::from_millis(1), format!("round {round} line {line}")))
        .collect();
    worker.turn(&[settlement], None).await;
}
