//! Following a job to its end.

use std::time::Duration;

use oqron_core::{
    CancelOutcome, EnqueueOutcome, Error as CoreError, FailureKind, JobFailure, JobState, Outcome, Retention,
};
use oqron_publisher::Error;

use crate::world::{World, completes};

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_result_is_there_when_the_job_ends_and_for_whoever_asks_later() {
    let world = World::new().await;
    let job = world.queue.add(&"a".to_owned()).await.unwrap();
    let waiting = tokio::spawn({
        let job = job.clone();
        async move { job.result(LIMIT).await }
    });
    assert_eq!(job.status().await.unwrap().unwrap().state, JobState::Waiting);
    assert_eq!(world.work(completes("7")).await, *job.id());
    assert_eq!(waiting.await.unwrap().unwrap(), 7);
    assert_eq!(job.status().await.unwrap().unwrap().state, JobState::Completed);
    let elsewhere = world.queue.job(job.id()).unwrap();
    assert_eq!(elsewhere.outcome(), EnqueueOutcome::Existing);
    assert_eq!(elsewhere.result(LIMIT).await.unwrap(), 7);
}

#[tokio::test]
async fn a_result_that_is_not_of_its_type_says_so() {
    let world = World::new().await;
    let job = world.queue.add(&"a".to_owned()).await.unwrap();
    world.work(completes("\"seven\"")).await;
    let error = job.result(LIMIT).await.unwrap_err();
    assert!(matches!(error, Error::Core(CoreError::Decode { .. })), "{error}");
    let text = error.to_string();
    assert!(text.contains("u32") && text.contains("invalid type"), "{text}");
    assert!(!error.is_transient());
    // It is there all the same, for whoever knows better.
    let record = job.status().await.unwrap().unwrap();
    assert_eq!(&record.result.unwrap().bytes[..], b"\"seven\"");
}

#[tokio::test]
async fn a_job_that_failed_says_why() {
    let world = World::new().await;
    let job = world.queue.add(&"a".to_owned()).await.unwrap();
    let failure = JobFailure::new(FailureKind::Error, "the disk is full");
    world.work(Some(Outcome::Fail(failure.clone()))).await;
    let error = job.result(LIMIT).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("the disk is full") && text.contains(job.id().as_str()),
        "{text}"
    );
    assert!(matches!(error, Error::JobFailed { failure: told, .. } if told == failure));
}

#[tokio::test]
async fn a_job_that_has_not_ended_in_time_goes_on() {
    let world = World::new().await;
    let job = world.queue.add(&"a".to_owned()).await.unwrap();
    let error = job.result(Duration::from_millis(50)).await.unwrap_err();
    assert!(
        matches!(&error, Error::NotFinished { job: which, .. } if which == job.job()),
        "{error}"
    );
    assert!(error.is_transient());
    let text = error.to_string();
    assert!(
        text.contains("50ms") && text.contains(job.id().as_str()),
        "{text}"
    );
    world.work(completes("7")).await;
    assert_eq!(job.result(LIMIT).await.unwrap(), 7);
}

#[tokio::test]
async fn what_is_not_there_has_no_status_and_no_result() {
    let world = World::new().await;
    let job = world.queue.job("never-added").unwrap();
    assert_eq!(job.status().await.unwrap(), None);
    assert_eq!(job.cancel().await.unwrap(), CancelOutcome::NotFound);
    let error = job.result(LIMIT).await.unwrap_err();
    assert!(matches!(error, Error::JobGone { .. }), "{error}");
    assert!(error.to_string().contains("never-added"), "{error}");

    let kept_not = world
        .queue
        .add(&"a".to_owned())
        .retention(Retention::none())
        .await
        .unwrap();
    world.work(completes("7")).await;
    let error = kept_not.result(LIMIT).await.unwrap_err();
    assert!(error.to_string().contains("retention"), "{error}");
}

#[tokio::test]
async fn a_job_that_waits_is_cancelled_at_once() {
    let world = World::new().await;
    let waiting = world.queue.add(&"a".to_owned()).await.unwrap();
    let scheduled = world.queue.add(&"a".to_owned()).delay(LIMIT).await.unwrap();
    for job in [waiting, scheduled] {
        let result = tokio::spawn({
            let job = job.clone();
            async move { job.result(LIMIT).await }
        });
        assert_eq!(job.cancel().await.unwrap(), CancelOutcome::Cancelled);
        let error = result.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::JobCancelled { .. }), "{error}");
        assert!(error.to_string().contains("on request"), "{error}");
        let again = job.cancel().await.unwrap();
        assert_eq!(again, CancelOutcome::AlreadyFinished(JobState::Cancelled));
    }
}

#[tokio::test]
async fn a_job_that_runs_is_asked_to_end() {
    let world = World::new().await;
    let job = world.queue.add(&"a".to_owned()).await.unwrap();
    world.work(None).await;
    assert_eq!(job.cancel().await.unwrap(), CancelOutcome::Requested);
    let record = job.status().await.unwrap().unwrap();
    assert_eq!((record.state, record.cancel_requested), (JobState::Active, true));
    assert_eq!(job.cancel().await.unwrap(), CancelOutcome::Requested);
}
