use std::time::Duration;

use oqron_core::{JobFailure, JobRef};

/// Why an add, or the wait for a result, did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The backend, or a value that it does not take.
    #[error(transparent)]
    Core(#[from] oqron_core::Error),
    /// The job has not ended in the time that the caller gave. It goes on.
    #[error("job {job} has not ended within {}; it goes on", humantime::format_duration(*.waited))]
    NotFinished {
        /// Which job.
        job: JobRef,
        /// How long was waited.
        waited: Duration,
    },
    /// The job failed for good: it is a dead letter.
    #[error("job {job} failed: {failure}")]
    JobFailed {
        /// Which job.
        job: JobRef,
        /// The last failure.
        failure: JobFailure,
    },
    /// The job was cancelled.
    #[error("job {job} was cancelled: {reason}")]
    JobCancelled {
        /// Which job.
        job: JobRef,
        /// Why.
        reason: String,
    },
    /// There is no record of the job: it was never added, or its retention is over.
    #[error(
        "there is no record of job {job}; if it has ended, a longer retention would have kept its result"
    )]
    JobGone {
        /// Which job.
        job: JobRef,
    },
}

impl Error {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::NotFinished { .. }) || matches!(self, Self::Core(error) if error.is_transient())
    }
}
