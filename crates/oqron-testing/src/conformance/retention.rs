//! How long records stay.

use std::time::Duration;

use oqron_core::limits::SWEEP_JOBS_MAX;
use oqron_core::{CancelOutcome, JobState, NewJob, Outcome, Retention, Settled};

use super::Bench;
use super::bench::{SHORT, eventually, failure, job_with, pass_short};
use super::worker::{done, settlement};

/// In the same step that ends it, by a worker or on request.
pub async fn a_retention_of_nothing_removes_the_record_at_its_end(bench: Bench) {
    for retention in [Retention::none(), Retention::keep_for(Duration::ZERO)] {
        for outcome in [
            done(),
            Outcome::Cancel {
                reason: "enough".into(),
            },
        ] {
            let id = oqron_core::JobId::generate();
            bench
                .add_with(id.as_str(), |options| options.retention = retention)
                .await;
            let mut worker = bench.worker("one");
            let lease = worker.claim_one().await;
            assert_eq!(worker.settle(&lease, outcome).await, Settled::Accepted);
            assert_eq!(bench.find(&id).await, None);
        }
    }
    let waiting = bench
        .add_with("waiting", |options| options.retention = Retention::none())
        .await;
    let outcome = bench.publish.cancel(&bench.job_ref(&waiting)).await.unwrap();
    assert_eq!(outcome, CancelOutcome::Cancelled);
    assert_eq!(bench.find(&waiting).await, None);
    let counts = bench.counts().await;
    assert_eq!((counts.completed, counts.cancelled), (0, 0));
}

/// Somebody has to decide.
pub async fn a_dead_letter_stays_whatever_its_retention(bench: Bench) {
    for (name, retention) in [("none", Retention::none()), ("short", Retention::keep_for(SHORT))] {
        bench
            .add_in_state_with(name, JobState::Failed, |options| options.retention = retention)
            .await;
    }
    pass_short().await;
    sweep_all(&bench).await;
    assert_eq!(bench.counts().await.failed, 2);
}

/// After the end, not after the add.
pub async fn a_record_goes_when_its_time_is_over(bench: Bench) {
    let keep = |age| move |options: &mut oqron_core::JobOptions| options.retention = Retention::keep_for(age);
    let completed = bench
        .add_in_state_with("completed", JobState::Completed, keep(SHORT))
        .await;
    let cancelled = bench
        .add_in_state_with("cancelled", JobState::Cancelled, keep(SHORT))
        .await;
    let longer = Duration::from_secs(3_600);
    let kept = bench
        .add_in_state_with("kept", JobState::Completed, keep(longer))
        .await;
    eventually("both are swept", async || {
        sweep_all(&bench).await;
        let gone = bench.find(&completed).await.is_none() && bench.find(&cancelled).await.is_none();
        gone.then_some(())
    })
    .await;
    assert!(bench.find(&kept).await.is_some());
}

/// It waits for a worker, not for a sweep.
pub async fn a_job_that_has_not_ended_is_never_swept(bench: Bench) {
    for state in [JobState::Active, JobState::Scheduled, JobState::Waiting] {
        bench
            .add_in_state_with(state.as_str(), state, |options| {
                options.retention = Retention::keep_for(SHORT)
            })
            .await;
    }
    pass_short().await;
    assert_eq!(sweep_all(&bench).await, 0);
    let counts = bench.counts().await;
    assert_eq!((counts.active, counts.scheduled, counts.waiting), (1, 1, 1));
}

/// The oldest go.
pub async fn a_count_keeps_the_last_ones(bench: Bench) {
    for number in 0..6 {
        bench
            .add_in_state_with(&format!("job-{number}"), JobState::Completed, |options| {
                options.retention = Retention::keep_last(2);
            })
            .await;
    }
    assert_eq!(sweep_all(&bench).await, 4);
    let kept: Vec<bool> = existing(&bench, 6).await;
    assert_eq!(kept, [false, false, false, false, true, true]);
}

/// A job that was added first can end last.
pub async fn a_count_goes_by_the_ends_and_not_by_the_adds(bench: Bench) {
    let keep_two = |options: &mut oqron_core::JobOptions| options.retention = Retention::keep_last(2);
    bench
        .enqueue(&["job-0", "job-1", "job-2"].map(|name| job_with(name, keep_two)))
        .await;
    let mut worker = bench.worker("one");
    let leases = worker.claim(3).await;
    for lease in leases.iter().rev() {
        let turned = worker.turn(&[settlement(lease, done())], None).await;
        assert_eq!(turned.settled, [Settled::Accepted]);
        // Ends within one millisecond may have no order.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    assert_eq!(sweep_all(&bench).await, 1);
    assert_eq!(existing(&bench, 3).await, [true, true, false]);
}

/// Those that would have expired first, whenever they ended.
pub async fn what_is_over_the_count_goes_by_its_age(bench: Bench) {
    let hours = |hours: u64| Some(Duration::from_secs(hours * 3_600));
    for (number, max_age) in [hours(9), hours(1), hours(5), hours(3)].into_iter().enumerate() {
        bench
            .add_in_state_with(&format!("job-{number}"), JobState::Completed, |options| {
                options.retention = Retention {
                    max_age,
                    max_count: Some(2),
                };
            })
            .await;
    }
    assert_eq!(sweep_all(&bench).await, 2);
    assert_eq!(existing(&bench, 4).await, [true, false, true, false]);
}

/// Dead letters have a rule of their own.
pub async fn dead_letters_do_not_count(bench: Bench) {
    let keep_two = |options: &mut oqron_core::JobOptions| options.retention = Retention::keep_last(2);
    for (number, state) in [
        JobState::Failed,
        JobState::Failed,
        JobState::Completed,
        JobState::Cancelled,
    ]
    .into_iter()
    .enumerate()
    {
        bench
            .add_in_state_with(&format!("job-{number}"), state, keep_two)
            .await;
    }
    assert_eq!(sweep_all(&bench).await, 0);
    assert_eq!(existing(&bench, 4).await, [true; 4]);
}

/// Only the job that ended last says how many are kept.
pub async fn a_job_without_a_count_lifts_it(bench: Bench) {
    for number in 0..4 {
        let retention = if number == 3 {
            Retention::forever()
        } else {
            Retention::keep_last(1)
        };
        bench
            .add_in_state_with(&format!("job-{number}"), JobState::Completed, |options| {
                options.retention = retention;
            })
            .await;
    }
    assert_eq!(sweep_all(&bench).await, 0);
    assert_eq!(existing(&bench, 4).await, [true; 4]);
}

/// It has no say about the records of others.
pub async fn a_job_that_is_not_kept_leaves_the_others_alone(bench: Bench) {
    for number in 0..4 {
        let retention = if number == 3 {
            Retention::none()
        } else {
            Retention::keep_last(9)
        };
        bench
            .add_in_state_with(&format!("job-{number}"), JobState::Completed, |options| {
                options.retention = retention;
            })
            .await;
    }
    assert_eq!(sweep_all(&bench).await, 0);
    assert_eq!(existing(&bench, 4).await, [true, true, true, false]);
}

/// And says that there is more.
pub async fn a_sweep_removes_a_bounded_number(bench: Bench) {
    const JOBS: usize = SWEEP_JOBS_MAX + 200;
    let jobs: Vec<NewJob> = (0..JOBS)
        .map(|number| {
            job_with(&format!("{number:04}"), |options| {
                options.retention = Retention::keep_last(1)
            })
        })
        .collect();
    bench.enqueue(&jobs).await;
    let mut worker = bench.worker("one");
    loop {
        let leases = worker.claim(1_000).await;
        if leases.is_empty() {
            break;
        }
        worker.complete_all(&leases).await;
    }
    let first = bench.consume.sweep(&bench.topic).await.unwrap();
    assert!(
        first.records > 0 && first.records as usize <= SWEEP_JOBS_MAX && first.more,
        "{first:?}"
    );
    let rest = sweep_all(&bench).await;
    assert_eq!((first.records + rest) as usize, JOBS - 1);
    assert_eq!(bench.counts().await.completed, 1);
}

/// It has nothing to do.
pub async fn a_sweep_of_an_unknown_topic_removes_nothing(bench: Bench) {
    let swept = bench.consume.sweep(&bench.topic).await.unwrap();
    assert_eq!((swept.records, swept.more), (0, false));
}

/// A dead letter that was retried ends like any other job.
pub async fn a_retried_dead_letter_is_kept_by_its_retention(bench: Bench) {
    let id = bench
        .add_in_state_with("a", JobState::Failed, |options| {
            options.retention = Retention::none()
        })
        .await;
    bench.operate.retry(&[bench.job_ref(&id)]).await.unwrap();
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    worker.settle(&lease, Outcome::Fail(failure("again"))).await;
    assert_eq!(bench.state(&id).await, JobState::Failed);
    bench.operate.retry(&[bench.job_ref(&id)]).await.unwrap();
    let lease = worker.claim_one().await;
    worker.complete(&lease).await;
    assert_eq!(bench.find(&id).await, None);
}

async fn sweep_all(bench: &Bench) -> u32 {
    let mut records = 0;
    loop {
        let swept = bench.consume.sweep(&bench.topic).await.unwrap();
        records += swept.records;
        if !swept.more {
            return records;
        }
    }
}

async fn existing(bench: &Bench, count: usize) -> Vec<bool> {
    let mut existing = Vec::new();
    for number in 0..count {
        let id = super::bench::id(&format!("job-{number}"));
        existing.push(bench.find(&id).await.is_some());
    }
    existing
}
