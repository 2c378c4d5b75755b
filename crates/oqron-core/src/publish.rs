//! What a web service needs of a backend.

use async_trait::async_trait;

use crate::{Encoded, Error, JobFailure, JobId, JobRecord, JobRef, JobState, NewJob, TopicName};

/// Looking at one job and ending it: what both a publisher and an operator do.
#[async_trait]
pub trait Records: Send + Sync {
    /// The record, or `None` if there is none (any more).
    async fn find(&self, job: &JobRef) -> Result<Option<JobRecord>, Error>;

    /// Asks for the end of a job. One that is waiting or scheduled ends at once as Cancelled, and its retention holds.
    /// An active one is flagged: its worker is told at once where the presence can carry messages, and else at the
    /// next heartbeat. A flagged job whose worker completes it is Completed; one that is retried, snoozed, released,
    /// or stalls, ends as Cancelled.
    async fn cancel(&self, job: &JobRef) -> Result<CancelOutcome, Error>;
}

/// What a web service needs.
#[async_trait]
pub trait Publish: Records {
    /// Adds jobs to one topic: all of them or none. A job whose id is known already (its record exists, or its id
    /// window is not over) is not touched and answered as `Existing`, also when the same id stands twice in `jobs`.
    /// Wakes as many waiting workers as there are new jobs that are due.
    async fn enqueue(&self, topic: &TopicName, jobs: &[NewJob]) -> Result<Vec<Enqueued>, Error>;

    /// Resolves when the job has ended, or at once if it has or does not exist. A notification, not a poll; what a
    /// lost notification costs is time, because the record is read again every few seconds as well.
    ///
    /// # Cancel safety
    /// Dropping the future stops the waiting and has no other effect. It has no time limit of its own.
    async fn finished(&self, job: &JobRef) -> Result<Finished, Error>;
}

/// The answer for one job of an `enqueue`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Enqueued {
    /// The job's id.
    pub id: JobId,
    /// Whether this call made it.
    pub outcome: EnqueueOutcome,
}

impl Enqueued {
    /// Puts the two together.
    pub fn new(id: JobId, outcome: EnqueueOutcome) -> Self {
        Self { id, outcome }
    }
}

/// Whether an add made the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnqueueOutcome {
    /// This call made it.
    Created,
    /// It was there before; nothing was changed.
    Existing,
}

/// What `cancel` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// The job was not active and has ended as Cancelled.
    Cancelled,
    /// The job is active; its worker is told.
    Requested,
    /// It had ended before, in this state.
    AlreadyFinished(JobState),
    /// There is no such job.
    NotFound,
}

/// How a job ended, for somebody who waited for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finished {
    /// With this result.
    Completed(Encoded),
    /// For good, with this failure.
    Failed(JobFailure),
    /// Because somebody asked for it; the reason.
    Cancelled(String),
    /// There is no record of it: it never was, or is not kept.
    Gone,
}

impl Finished {
    /// Reads it off a record; `None` while the job has not ended. The same in every backend.
    pub fn of(record: Option<&JobRecord>) -> Option<Self> {
        let Some(record) = record else {
            return Some(Self::Gone);
        };
        match record.state {
            JobState::Scheduled | JobState::Waiting | JobState::Active => None,
            JobState::Completed => Some(match &record.result {
                Some(result) => Self::Completed(result.clone()),
                None => Self::Gone,
            }),
            JobState::Failed => Some(Self::Failed(record.error.clone().unwrap_or_else(|| {
                JobFailure::new(crate::FailureKind::Error, "failed; the record does not say why")
            }))),
            JobState::Cancelled => Some(Self::Cancelled(
                record
                    .timeline
                    .iter()
                    .rfind(|event| event.kind == crate::TimelineKind::Cancelled)
                    .map_or_else(String::new, |event| event.reason.clone()),
            )),
        }
    }
}
