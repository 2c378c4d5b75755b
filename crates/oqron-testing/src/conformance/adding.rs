//! Adding jobs.

use std::time::Duration;

use oqron_core::limits::ENQUEUE_JOBS_MAX;
use oqron_core::{EnqueueOutcome, JobState, NewJob, Retention, Retries, Start, Timestamp};

use super::Bench;
use super::bench::{id, job, job_with, json};

/// Every option and nothing else.
pub async fn an_added_job_waits_with_all_that_was_said(bench: Bench) {
    let new = job_with("a", |options| {
        options.priority = 7;
        options.retries = Some(
            Retries::exponential(4)
                .base_delay(Duration::from_millis(250))
                .to_settings()
                .expect("the policy is valid"),
        );
        options.retention = Retention {
            max_age: Some(Duration::from_millis(90_061_001)),
            max_count: Some(17),
        };
        options.timeout = Some(Duration::from_millis(1_500));
        options.tags = vec!["first".into(), "second".into()];
        options.correlation_id = Some("request-7".into());
        options.id_window = Duration::from_secs(7_200);
    });
    bench.enqueue(std::slice::from_ref(&new)).await;

    let record = bench.record(&new.id).await;
    assert_eq!(record.id, new.id);
    assert_eq!(record.topic, bench.topic);
    assert_eq!(record.payload, new.payload);
    assert_eq!(record.state, JobState::Waiting);
    let mut expected = new.options;
    expected.start = Start::At(record.run_at);
    assert_eq!(record.options, expected);
    assert!(record.run_at <= record.created_at.after(Duration::from_secs(1)));
    assert_eq!((record.attempts, record.stalls), (0, 0));
    assert_eq!((record.progress, record.result, record.error), (None, None, None));
    assert_eq!((record.worker, record.token), (None, None));
    assert_eq!((record.started_at, record.finished_at), (None, None));
    assert!(!record.cancel_requested);
    assert!(record.logs.is_empty() && record.timeline.is_empty());
}

/// Nothing said is nothing kept but the defaults.
pub async fn a_job_without_options_has_the_defaults(bench: Bench) {
    let new = NewJob::new(json("x"));
    bench.enqueue(std::slice::from_ref(&new)).await;
    let record = bench.record(&new.id).await;
    let mut expected = new.options;
    expected.start = Start::At(record.run_at);
    assert_eq!(record.options, expected);
}

/// Publisher and operator say so in the same way.
pub async fn a_job_that_is_not_there_is_not_found(bench: Bench) {
    assert_eq!(bench.find(&id("nobody")).await, None);
    let found = bench.operate.find(&bench.job_ref(&id("nobody"))).await;
    assert_eq!(found.unwrap(), None);
}

/// What a publisher sees, an operator sees.
pub async fn an_operator_finds_the_same_record(bench: Bench) {
    let id = bench.add("a").await;
    let found = bench.operate.find(&bench.job_ref(&id)).await.unwrap();
    assert_eq!(found, bench.find(&id).await);
}

/// Also where some exist already.
pub async fn a_batch_is_answered_in_its_order(bench: Bench) {
    bench.add("b").await;
    let outcomes = bench.enqueue(&[job("a"), job("b"), job("c")]).await;
    use EnqueueOutcome::{Created, Existing};
    assert_eq!(outcomes, [Created, Existing, Created]);
}

/// It is no error.
pub async fn an_empty_batch_is_answered_with_nothing(bench: Bench) {
    assert_eq!(bench.enqueue(&[]).await, []);
    assert_eq!(bench.counts().await.waiting, 0);
}

/// The largest batch there is.
pub async fn ten_thousand_jobs_fit_in_one_batch(bench: Bench) {
    bench.add_numbered(ENQUEUE_JOBS_MAX).await;
    assert_eq!(bench.counts().await.waiting, ENQUEUE_JOBS_MAX as u64);
    let leases = bench.worker("one").claim(2).await;
    assert_eq!(super::worker::ids(&leases), ["0000", "0001"]);
}

/// It is not late, it is due.
pub async fn a_job_whose_time_has_passed_waits_at_once(bench: Bench) {
    let past = Timestamp::from_millis(1_000_000);
    let id = bench
        .add_with("a", |options| options.start = Start::At(past))
        .await;
    assert_eq!(bench.state(&id).await, JobState::Waiting);
    assert_eq!(bench.worker("one").claim_one().await.id, id);
}

/// By the backend's clock, counted from the add.
pub async fn a_delayed_job_is_scheduled(bench: Bench) {
    let delay = Duration::from_secs(3_600);
    let after = bench
        .add_with("after", |options| options.start = Start::After(delay))
        .await;
    let record = bench.record(&after).await;
    assert_eq!(record.state, JobState::Scheduled);
    assert_eq!(record.run_at, record.created_at.after(delay));

    let at = record.run_at.after(delay);
    let id = bench
        .add_with("at", |options| options.start = Start::At(at))
        .await;
    let record = bench.record(&id).await;
    assert_eq!((record.state, record.run_at), (JobState::Scheduled, at));
}

/// The clock of the backend, which does not go back between two adds.
pub async fn creation_times_follow_the_adds(bench: Bench) {
    let (first, second) = (bench.add("first").await, bench.add("second").await);
    let (first, second) = (bench.record(&first).await, bench.record(&second).await);
    assert!(first.created_at <= second.created_at);
    assert!(first.created_at > Timestamp::from_millis(1_600_000_000_000));
}
