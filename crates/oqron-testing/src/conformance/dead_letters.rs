//! What an operator decides about jobs that have ended.

use oqron_core::{JobState, Operated, Outcome, Settled, TimelineKind};

use super::Bench;
use super::bench::{failure, id, pass_short, told};
use super::worker::{done, for_short, ids};

/// With nothing left of the old life but the timeline.
pub async fn a_retried_dead_letter_starts_afresh(bench: Bench) {
    bench.add("a").await;
    bench.worker("dead").claim_one_with(for_short(1)).await;
    pass_short().await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    worker.settle(&lease, Outcome::Fail(failure("broken"))).await;

    assert_eq!(retry(&bench, &["a"]).await, [Operated::Done]);
    let record = bench.record(&lease.id).await;
    assert_eq!(
        (record.state, record.attempts, record.stalls),
        (JobState::Waiting, 0, 0)
    );
    assert_eq!(
        (record.error, record.result, record.finished_at),
        (None, None, None)
    );
    let kinds: Vec<_> = told(&record.timeline).into_iter().map(|(kind, _)| kind).collect();
    use TimelineKind::{Failed, RetriedByOperator, Stalled};
    assert_eq!(kinds, [Stalled, Failed, RetriedByOperator]);

    let again = worker.claim_one().await;
    assert_eq!((again.attempt, again.stalls), (1, 0));
    assert!(again.token > lease.token);
    worker.complete(&again).await;
    assert_eq!(bench.state(&lease.id).await, JobState::Completed);
}

/// Whether it was cancelled while it waited or while it ran.
pub async fn a_cancelled_job_can_be_retried(bench: Bench) {
    bench.add("running").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    bench.publish.cancel(&bench.job_ref(&lease.id)).await.unwrap();
    worker
        .settle(
            &lease,
            Outcome::Cancel {
                reason: "asked to".into(),
            },
        )
        .await;
    bench.add_in_state("waiting", JobState::Cancelled).await;

    assert_eq!(retry(&bench, &["running", "waiting"]).await, [Operated::Done; 2]);
    for name in ["running", "waiting"] {
        let record = bench.record(&id(name)).await;
        assert_eq!(
            (record.state, record.cancel_requested),
            (JobState::Waiting, false)
        );
        assert_eq!((record.attempts, record.finished_at), (0, None));
    }
    let leases = worker.claim(9).await;
    assert_eq!(ids(&leases), ["running", "waiting"]);
    let release = Outcome::Release {
        reason: "going".into(),
    };
    assert_eq!(worker.settle(&leases[0], release).await, Settled::Accepted);
    assert_eq!(bench.state(&leases[0].id).await, JobState::Waiting);
}

/// The lease of the old life is over.
pub async fn a_retried_job_is_not_settled_by_its_old_token(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let old = worker.claim_one().await;
    worker.settle(&old, Outcome::Fail(failure("broken"))).await;
    retry(&bench, &["a"]).await;
    worker.settle(&old, done()).await;
    assert_eq!(bench.state(&old.id).await, JobState::Waiting);
    let new = worker.claim_one().await;
    assert_eq!(worker.settle(&old, done()).await, Settled::LeaseLost);
    worker.complete(&new).await;
}

/// Adds a job in each state, and names them all by it, with one among them that there is not.
async fn one_in_each_state(bench: &Bench) -> [&'static str; 7] {
    use JobState::{Active, Cancelled, Completed, Failed, Scheduled, Waiting};
    // What is to be claimed comes before what is to stay waiting.
    for state in [Failed, Completed, Active, Cancelled, Scheduled, Waiting] {
        bench.add_in_state(state.as_str(), state).await;
    }
    [
        "waiting",
        "failed",
        "nobody",
        "active",
        "cancelled",
        "scheduled",
        "completed",
    ]
}

/// Each for itself, in the order of the question.
pub async fn only_what_failed_or_was_cancelled_can_be_retried(bench: Bench) {
    let names = one_in_each_state(&bench).await;
    use JobState::{Active, Completed, Scheduled, Waiting};
    use Operated::{Done, NotFound, WrongState};
    assert_eq!(
        retry(&bench, &names).await,
        [
            WrongState(Waiting),
            Done,
            NotFound,
            WrongState(Active),
            Done,
            WrongState(Scheduled),
            WrongState(Completed)
        ]
    );
    let counts = bench.counts().await;
    assert_eq!((counts.waiting, counts.failed, counts.cancelled), (3, 0, 0));
}

/// Each for itself, in the order of the question.
pub async fn only_what_has_ended_can_be_discarded(bench: Bench) {
    let names = one_in_each_state(&bench).await;
    use JobState::{Active, Scheduled, Waiting};
    use Operated::{Done, NotFound, WrongState};
    assert_eq!(
        discard(&bench, &names).await,
        [
            WrongState(Waiting),
            Done,
            NotFound,
            WrongState(Active),
            Done,
            WrongState(Scheduled),
            Done
        ]
    );
    for name in ["failed", "cancelled", "completed"] {
        assert_eq!(bench.find(&id(name)).await, None);
    }
    let counts = bench.counts().await;
    assert_eq!((counts.waiting, counts.active, counts.scheduled), (1, 1, 1));
    assert_eq!((counts.completed, counts.failed, counts.cancelled), (0, 0, 0));
}

/// The second time there is nothing left.
pub async fn a_job_named_twice_is_operated_once(bench: Bench) {
    bench.add_in_state("a", JobState::Failed).await;
    assert_eq!(
        retry(&bench, &["a", "a"]).await,
        [Operated::Done, Operated::WrongState(JobState::Waiting)]
    );
    bench.add_in_state("b", JobState::Cancelled).await;
    assert_eq!(
        discard(&bench, &["b", "b"]).await,
        [Operated::Done, Operated::NotFound]
    );
}

/// One call is not bound to one topic.
pub async fn jobs_of_several_topics_are_operated_in_one_call(bench: Bench) {
    let other = bench.topic("other");
    let here = bench.add_in_state("a", JobState::Failed).await;
    let there = other.add_in_state("a", JobState::Failed).await;
    let jobs = [other.job_ref(&there), bench.job_ref(&here)];
    assert_eq!(bench.operate.retry(&jobs).await.unwrap(), [Operated::Done; 2]);
    assert_eq!(bench.state(&here).await, JobState::Waiting);
    assert_eq!(other.state(&there).await, JobState::Waiting);
}

/// It is where it stood before, and not at the end.
pub async fn a_retried_dead_letter_keeps_its_priority(bench: Bench) {
    bench
        .add_in_state_with("urgent", JobState::Failed, |options| options.priority = 1)
        .await;
    bench.add_with("other", |options| options.priority = 5).await;
    retry(&bench, &["urgent"]).await;
    assert_eq!(ids(&bench.worker("one").claim(2).await), ["urgent", "other"]);
}

async fn retry(bench: &Bench, names: &[&str]) -> Vec<Operated> {
    let jobs: Vec<_> = names.iter().map(|name| bench.job_ref(&id(name))).collect();
    bench.operate.retry(&jobs).await.unwrap()
}

async fn discard(bench: &Bench, names: &[&str]) -> Vec<Operated> {
    let jobs: Vec<_> = names.iter().map(|name| bench.job_ref(&id(name))).collect();
    bench.operate.discard(&jobs).await.unwrap()
}
