use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use oqron_core::{CancelOutcome, Codec, EnqueueOutcome, Finished, JobId, JobRecord, JobRef, Publish};
use serde::de::DeserializeOwned;

use crate::Error;

/// Follows one job, whose result is an `R`. Cheap to clone.
pub struct JobHandle<R> {
    backend: Arc<dyn Publish>,
    job: JobRef,
    outcome: EnqueueOutcome,
    codec: Codec,
    result: PhantomData<fn() -> R>,
}

impl<R> JobHandle<R> {
    pub(crate) fn new(backend: Arc<dyn Publish>, job: JobRef, outcome: EnqueueOutcome, codec: Codec) -> Self {
        Self {
            backend,
            job,
            outcome,
            codec,
            result: PhantomData,
        }
    }

    /// The job's id.
    pub fn id(&self) -> &JobId {
        &self.job.id
    }

    /// The job's topic and id.
    pub fn job(&self) -> &JobRef {
        &self.job
    }

    /// Whether the add made the job, or found it there. A handle that was not made by an add says `Existing`.
    pub fn outcome(&self) -> EnqueueOutcome {
        self.outcome
    }

    /// Everything that is kept of the job; `None` if nothing is (any more).
    ///
    /// # Errors
    /// [`Error::Core`] if the backend cannot be reached.
    pub async fn status(&self) -> Result<Option<JobRecord>, Error> {
        Ok(self.backend.find(&self.job).await?)
    }

    /// Waits for the end of the job, at most for `timeout`, by a notification of the backend.
    ///
    /// # Errors
    /// [`Error::JobFailed`], [`Error::JobCancelled`] and [`Error::JobGone`] say how else it ended,
    /// [`Error::NotFinished`] that it has not, [`Error::Core`] that the backend cannot be reached or that the result
    /// is not an `R`.
    ///
    /// # Cancel safety
    /// Dropping the future stops the waiting and has no other effect.
    pub async fn result(&self, timeout: Duration) -> Result<R, Error>
    where
        R: DeserializeOwned,
    {
        let job = self.job.clone();
        match tokio::time::timeout(timeout, self.backend.finished(&self.job)).await {
            Err(_) => Err(Error::NotFinished { job, waited: timeout }),
            Ok(finished) => match finished? {
                Finished::Completed(result) => Ok(self.codec.decode(&result)?),
                Finished::Failed(failure) => Err(Error::JobFailed { job, failure }),
                Finished::Cancelled(reason) => Err(Error::JobCancelled { job, reason }),
                _ => Err(Error::JobGone { job }),
            },
        }
    }

    /// Asks for the end of the job: at once if it has not begun; else its worker is told, and the handler's signal
    /// fires.
    ///
    /// # Errors
    /// [`Error::Core`] if the backend cannot be reached.
    pub async fn cancel(&self) -> Result<CancelOutcome, Error> {
        Ok(self.backend.cancel(&self.job).await?)
    }
}

impl<R> Clone for JobHandle<R> {
    fn clone(&self) -> Self {
        Self {
            backend: self.backend.clone(),
            job: self.job.clone(),
            outcome: self.outcome,
            codec: self.codec,
            result: PhantomData,
        }
    }
}

impl<R> fmt::Debug for JobHandle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobHandle({}, {:?})", self.job, self.outcome)
    }
}
