use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use oqron_core::{FailureKind, JobError, LogLine, Progress, Timestamp, Token};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::JobInfo;
use crate::attempt::Attempt;
use crate::panics::panic_text;
use crate::signal::CancelReason;

/// What a handler is given: the payload, the job, and the ways to report and to be stopped. Cheap to clone, so that a
/// part of the work can have its own.
///
/// ```
/// use oqron_worker::{Context, Topic, Worker};
/// use oqron_core::JobError;
///
/// const RESIZE: Topic<Vec<u32>, u32> = Topic::new("resize");
///
/// let resize = Worker::new(RESIZE, async |ctx: Context<Vec<u32>>| {
///     let mut sum = 0;
///     for (done, size) in ctx.data().iter().enumerate() {
///         if ctx.signal().is_cancelled() {
///             return Err(JobError::cancelled("stopped"));
///         }
///         ctx.progress((done * 100 / ctx.data().len()) as u8, format!("size {size}"));
///         sum += size;
///     }
///     Ok(sum)
/// });
/// ```
pub struct Context<T> {
    data: Arc<T>,
    job: JobInfo,
}

impl<T> Context<T> {
    pub(crate) fn new(data: T, attempt: Arc<Attempt>) -> Self {
        Self {
            data: Arc::new(data),
            job: JobInfo(attempt),
        }
    }

    /// The payload.
    pub fn data(&self) -> &T {
        &self.data
    }

    /// The job: its id, tags, priority and so on.
    pub fn job(&self) -> &JobInfo {
        &self.job
    }

    /// The number of this attempt, from 1.
    pub fn attempt(&self) -> u32 {
        self.job.attempt()
    }

    /// Attempts at most: one more than the retries of the policy that counts for this job.
    pub fn max_attempts(&self) -> u32 {
        self.attempt_ref().retries().max_attempts()
    }

    /// Since the job was given to this worker.
    pub fn elapsed(&self) -> Duration {
        self.attempt_ref().begun_at.elapsed()
    }

    /// Fires when the handler should stop: somebody cancelled the job, the lease is lost, the time is over, or the
    /// worker shuts down. A handler that stops returns [`JobError::cancelled`]; one that is done anyway returns what
    /// it has.
    pub fn signal(&self) -> CancellationToken {
        self.attempt_ref().signal.token().clone()
    }

    /// Why the signal fired; `None` while it has not.
    pub fn cancelled_because(&self) -> Option<CancelReason> {
        self.attempt_ref().signal.reason()
    }

    /// Says how far it is, in percent, and what it is doing. Never waits: what was said last is sent at most twice a
    /// second, for all jobs of the process together, and when the attempt ends.
    pub fn progress(&self, percent: u8, label: impl AsRef<str>) {
        let attempt = self.attempt_ref();
        attempt
            .report
            .progress(Progress::new(percent, label), &attempt.shared.bell);
    }

    /// Writes a line into the job's log, which keeps the newest 100. Never waits, as [`progress`](Self::progress).
    pub fn log(&self, line: impl AsRef<str>) {
        let attempt = self.attempt_ref();
        attempt
            .report
            .log(LogLine::new(Timestamp::now(), line), &attempt.shared.bell);
    }

    /// A number that is greater than that of every earlier attempt in the topic. Give it to systems that can refuse
    /// an older one: so a frozen attempt cannot write over what a later one wrote.
    pub fn fencing_token(&self) -> Token {
        self.job.fencing_token()
    }

    /// To be returned: the job comes back after `delay`, and this attempt does not count.
    pub fn snooze(&self, delay: Duration) -> JobError {
        JobError::snooze(delay)
    }

    /// To be returned: the job is no longer wanted. It ends as Cancelled, without a retry and without a dead letter.
    pub fn discard(&self, reason: impl Into<String>) -> JobError {
        JobError::cancelled(reason)
    }

    /// Runs blocking code on a thread for it and gives it the signal, which it should look at often: blocking code
    /// cannot be stopped from outside. The job is not settled, and its slot is not free, before the code has ended,
    /// also when the handler has returned or was dropped meanwhile. Code that never ends keeps its lease while the process
    /// lives, and tokio keeps a program from ending before it.
    ///
    /// # Errors
    /// A failure of the kind `Panic` if the code panics; an error if the runtime ends before it begins.
    ///
    /// # Cancel safety
    /// The code starts at once, not with the first poll. Dropping the future does not stop it.
    pub fn spawn_blocking<X, F>(
        &self,
        code: F,
    ) -> impl Future<Output = Result<X, JobError>> + Send + use<T, X, F>
    where
        F: FnOnce(CancellationToken) -> X + Send + 'static,
        X: Send + 'static,
    {
        let tracker = self.attempt_ref().blocking.get_or_init(TaskTracker::new);
        let signal = self.signal();
        let span = tracing::Span::current();
        let running = tracker.spawn_blocking(move || span.in_scope(|| code(signal)));
        async move {
            running.await.map_err(|error| match error.try_into_panic() {
                Ok(panic) => JobError::of_kind(FailureKind::Panic, panic_text(&*panic)),
                Err(_) => JobError::new("the runtime ended before the blocking code began"),
            })
        }
    }

    fn attempt_ref(&self) -> &Attempt {
        &self.job.0
    }
}

impl<T> Clone for Context<T> {
    fn clone(&self) -> Self {
        Self {
            data: Arc::clone(&self.data),
            job: self.job.clone(),
        }
    }
}

impl<T> fmt::Debug for Context<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The payload may be large or secret.
        f.debug_struct("Context")
            .field("job", &self.job)
            .field("cancelled_because", &self.cancelled_because())
            .finish_non_exhaustive()
    }
}
