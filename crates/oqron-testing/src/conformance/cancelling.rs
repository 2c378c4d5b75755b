//! Cancelling, in every state, and in the middle of everything else.

use std::time::Duration;

use oqron_core::{CANCELLED_ON_REQUEST, CancelOutcome, JobState, Message, Outcome, Settled, TimelineKind};

use super::Bench;
use super::bench::{DEADLINE, failure, id, told};
use super::worker::done;

/// At once.
pub async fn a_waiting_job_is_cancelled_at_once(bench: Bench) {
    let id = bench.add("a").await;
    assert_eq!(cancel(&bench, "a").await, CancelOutcome::Cancelled);
    let record = bench.record(&id).await;
    assert_eq!(record.state, JobState::Cancelled);
    assert!(record.finished_at >= Some(record.created_at));
    assert_eq!(
        told(&record.timeline),
        [(TimelineKind::Cancelled, CANCELLED_ON_REQUEST)]
    );
    assert_eq!((record.attempts, record.worker), (0, None));
    assert_eq!(bench.worker("one").claim(1).await, []);
}

/// Before its time comes.
pub async fn a_scheduled_job_is_cancelled_at_once(bench: Bench) {
    let id = bench.add_in_state("a", JobState::Scheduled).await;
    assert_eq!(cancel(&bench, "a").await, CancelOutcome::Cancelled);
    assert_eq!(bench.state(&id).await, JobState::Cancelled);
    let counts = bench.counts().await;
    assert_eq!((counts.scheduled, counts.cancelled), (0, 1));
    let due_in = bench
        .worker("one")
        .turn(&[], Some(super::worker::for_long(1)))
        .await
        .due_in;
    assert_eq!(due_in, None);
}

/// Its worker has to end it.
pub async fn an_active_job_is_flagged(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    assert_eq!(cancel(&bench, "a").await, CancelOutcome::Requested);
    let record = bench.record(&lease.id).await;
    assert_eq!((record.state, record.cancel_requested), (JobState::Active, true));
    assert_eq!(record.timeline.len(), 1);
    assert_eq!(record.timeline[0].kind, TimelineKind::CancelRequested);
    let cancelled = Outcome::Cancel {
        reason: "transcoding cancelled".into(),
    };
    assert_eq!(worker.settle(&lease, cancelled).await, Settled::Accepted);
    let record = bench.record(&lease.id).await;
    assert_eq!(record.state, JobState::Cancelled);
    assert_eq!(
        told(&record.timeline).last(),
        Some(&(TimelineKind::Cancelled, "transcoding cancelled"))
    );
}

/// It asks for nothing new.
pub async fn a_second_request_to_cancel_changes_nothing(bench: Bench) {
    let id = bench.add_in_state("a", JobState::Active).await;
    assert_eq!(cancel(&bench, "a").await, CancelOutcome::Requested);
    let before = bench.record(&id).await;
    assert_eq!(cancel(&bench, "a").await, CancelOutcome::Requested);
    assert_eq!(bench.record(&id).await, before);
}

/// And stays what it is.
pub async fn a_finished_job_cannot_be_cancelled(bench: Bench) {
    for state in [JobState::Completed, JobState::Failed, JobState::Cancelled] {
        let name = state.as_str();
        let id = bench.add_in_state(name, state).await;
        let before = bench.record(&id).await;
        assert_eq!(cancel(&bench, name).await, CancelOutcome::AlreadyFinished(state));
        assert_eq!(bench.record(&id).await, before);
    }
}

/// Neither one that never was.
pub async fn a_job_that_is_not_there_cannot_be_cancelled(bench: Bench) {
    assert_eq!(cancel(&bench, "nobody").await, CancelOutcome::NotFound);
}

/// Both hold the same lever.
pub async fn an_operator_cancels_like_a_publisher(bench: Bench) {
    let id = bench.add("a").await;
    let job = bench.job_ref(&id);
    assert_eq!(
        bench.operate.cancel(&job).await.unwrap(),
        CancelOutcome::Cancelled
    );
    assert_eq!(
        bench.operate.cancel(&job).await.unwrap(),
        CancelOutcome::AlreadyFinished(JobState::Cancelled)
    );
}

/// A success that comes first wins, and so does a failure for good.
pub async fn a_flagged_job_that_ends_by_itself_keeps_its_end(bench: Bench) {
    for (outcome, state) in [
        (done(), JobState::Completed),
        (Outcome::Fail(failure("broken")), JobState::Failed),
    ] {
        let bench = bench.topic(state.as_str());
        bench.add("a").await;
        let mut worker = bench.worker("one");
        let lease = worker.claim_one().await;
        cancel(&bench, "a").await;
        assert_eq!(worker.settle(&lease, outcome).await, Settled::Accepted);
        assert_eq!(bench.state(&lease.id).await, state);
    }
}

/// There is no other attempt.
pub async fn a_flagged_job_that_would_come_back_ends_as_cancelled(bench: Bench) {
    let delay = Duration::from_secs(600);
    let outcomes = [
        Outcome::Retry {
            delay,
            failure: failure("once more"),
        },
        Outcome::Retry {
            delay: Duration::ZERO,
            failure: failure("once more"),
        },
        Outcome::Snooze { delay },
        Outcome::Snooze {
            delay: Duration::ZERO,
        },
        Outcome::Release {
            reason: "going".into(),
        },
    ];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let bench = bench.topic(&format!("topic-{number}"));
        bench.add("a").await;
        let mut worker = bench.worker("one");
        let lease = worker.claim_one().await;
        cancel(&bench, "a").await;
        assert_eq!(worker.settle(&lease, outcome).await, Settled::Accepted);
        let record = bench.record(&lease.id).await;
        assert_eq!(record.state, JobState::Cancelled, "{number}");
        assert!(record.finished_at.is_some());
        assert_eq!(
            told(&record.timeline).last(),
            Some(&(TimelineKind::Cancelled, CANCELLED_ON_REQUEST))
        );
        assert_eq!(worker.claim(1).await, []);
    }
}

/// So that it need not wait for the next heartbeat.
pub async fn the_worker_of_a_cancelled_job_is_told(bench: Bench) {
    let id = bench.add("a").await;
    let mut worker = bench.worker("one");
    let mut presence = worker.join().await;
    worker.claim_one().await;
    cancel(&bench, "a").await;
    let expected = Message::Cancel(bench.job_ref(&id));
    let told = async { while presence.next().await.unwrap() != expected {} };
    tokio::time::timeout(DEADLINE, told)
        .await
        .expect("the worker is told");
}

/// Whatever comes first, the job ends once, and everybody is told the same.
pub async fn a_cancel_that_races_with_claims_and_settlements_leaves_one_end(bench: Bench) {
    for round in 0..60 {
        let name = format!("job-{round}");
        let id = bench.add(&name).await;
        let canceller = {
            let (bench, name) = (bench.clone(), name.clone());
            tokio::spawn(async move { cancel(&bench, &name).await })
        };
        let mut worker = bench.worker("one");
        let leases = worker.claim(1).await;
        let mut settled = None;
        if let Some(lease) = leases.first() {
            settled = Some(worker.settle(lease, done()).await);
        }
        let cancelled = canceller.await.unwrap();
        let record = bench.record(&id).await;
        match cancelled {
            CancelOutcome::Cancelled => {
                assert_eq!((record.state, settled), (JobState::Cancelled, None));
            }
            CancelOutcome::Requested | CancelOutcome::AlreadyFinished(JobState::Completed) => {
                assert_eq!(
                    (record.state, settled),
                    (JobState::Completed, Some(Settled::Accepted))
                );
                assert_eq!(record.cancel_requested, cancelled == CancelOutcome::Requested);
            }
            other => panic!("{other:?}"),
        }
    }
    let counts = bench.counts().await;
    assert_eq!(counts.completed + counts.cancelled, 60);
    assert_eq!(
        counts.waiting + counts.active + counts.scheduled + counts.failed,
        0
    );
}

async fn cancel(bench: &Bench, name: &str) -> CancelOutcome {
    let job = bench.job_ref(&id(name));
    bench.publish.cancel(&job).await.unwrap()
}
