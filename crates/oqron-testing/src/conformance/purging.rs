//! Removing all jobs of one state.

use oqron_core::limits::SWEEP_JOBS_MAX;
use oqron_core::{Error, JobState};

use super::Bench;

/// And no other.
pub async fn a_purge_removes_the_jobs_of_one_state(bench: Bench) {
    for purged in JobState::ALL {
        if purged == JobState::Active {
            continue;
        }
        let bench = bench.topic(purged.as_str());
        for state in [JobState::Active, JobState::Completed, JobState::Failed] {
            bench.add_in_state(state.as_str(), state).await;
        }
        for state in [JobState::Cancelled, JobState::Scheduled, JobState::Waiting] {
            bench.add_in_state(state.as_str(), state).await;
        }
        assert_eq!(purge(&bench, purged).await, 1, "{purged}");
        assert_eq!(purge(&bench, purged).await, 0, "{purged}");
        let counts = bench.counts().await;
        for state in JobState::ALL {
            assert_eq!(
                counts.of(state),
                u64::from(state != purged),
                "{state} after a purge of {purged}"
            );
        }
        let id = super::bench::id(purged.as_str());
        assert_eq!(bench.find(&id).await, None);
    }
}

/// Nobody gets it.
pub async fn a_purged_job_is_not_claimed(bench: Bench) {
    bench.add_numbered(3).await;
    assert_eq!(purge(&bench, JobState::Waiting).await, 3);
    let turned = bench
        .worker("one")
        .turn(&[], Some(super::worker::for_long(3)))
        .await;
    assert_eq!(
        (turned.leases.len(), turned.more, turned.due_in),
        (0, false, None)
    );
}

/// A worker has them.
pub async fn active_jobs_cannot_be_purged(bench: Bench) {
    bench.add_in_state("a", JobState::Active).await;
    let error = bench
        .operate
        .purge(&bench.topic, JobState::Active)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
    assert_eq!(bench.counts().await.active, 1);
}

/// Until nothing is left.
pub async fn a_purge_removes_a_bounded_number_a_call(bench: Bench) {
    const JOBS: usize = SWEEP_JOBS_MAX + 200;
    bench.add_numbered(JOBS).await;
    let mut removed = 0;
    loop {
        let now = purge(&bench, JobState::Waiting).await;
        assert!(now as usize <= SWEEP_JOBS_MAX);
        removed += now;
        if now == 0 {
            break;
        }
    }
    assert_eq!(removed as usize, JOBS);
    assert_eq!(bench.counts().await.waiting, 0);
}

/// There is nothing to remove.
pub async fn a_purge_of_an_unknown_topic_removes_nothing(bench: Bench) {
    assert_eq!(purge(&bench, JobState::Failed).await, 0);
}

async fn purge(bench: &Bench, state: JobState) -> u64 {
    bench.operate.purge(&bench.topic, state).await.unwrap()
}
