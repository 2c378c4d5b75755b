//! Those who add jobs, wait for their results, and cancel some.

use std::sync::Arc;
use std::time::Duration;

use oqron_core::{Config, Error as CoreError};
use oqron_publisher::{Error, JobHandle, Publisher, Queue};
use oqron_testing::memory::MemoryPublish;
use tokio::time::{Instant, sleep, timeout};

use crate::faulty::FaultyPublish;
use crate::history::History;
use crate::line::Line;
use crate::node::{ONCE, STEADY};
use crate::plan::{Planned, Terms};
use crate::task::{Done, Task};

/// After an error.
const PAUSE: Duration = Duration::from_millis(700);
/// Nobody waits longer for a result, or for anything else. In simulated time it costs nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// How long a queue repeats an add by itself.
const RETRY_FOR: Duration = Duration::from_secs(3);

/// A web service.
pub(crate) struct Service {
    pub(crate) line: Arc<Line>,
    history: Arc<History>,
    publisher: Publisher,
    terms: Terms,
}

impl Service {
    pub(crate) fn new(
        line: Arc<Line>,
        history: Arc<History>,
        inner: MemoryPublish,
        config: Config,
        terms: Terms,
    ) -> Arc<Self> {
        let backend = FaultyPublish {
            inner,
            line: Arc::clone(&line),
            history: Arc::clone(&history),
        };
        Arc::new(Self {
            line,
            history,
            publisher: Publisher::new(Arc::new(backend), config),
            terms,
        })
    }

    fn queue(&self, at_most_once: bool) -> Queue<Task, Done> {
        let queue = self.publisher.queue(if at_most_once { ONCE } else { STEADY });
        // Some repeat by themselves, and some leave it to their caller.
        match self.line.who().ends_with('1') {
            true => queue,
            false => queue.retry_for(RETRY_FOR),
        }
    }

    /// Adds a job until that is acknowledged, and then waits for its end.
    pub(crate) async fn add_and_wait(self: Arc<Self>, job: Planned) {
        let handle = self.add(&job).await;
        let number = job.task.number;
        let how = self.result(&handle).await;
        self.line.say(format_args!("is told that {} {how}", handle.id()));
        self.history.of(number, |seen| seen.told.push(how));
    }

    pub(crate) async fn add(&self, job: &Planned) -> JobHandle<Done> {
        let queue = self.queue(job.at_most_once);
        loop {
            self.history.adding(job.task.number);
            let sent_at = self.history.trace.now();
            let mut add = queue
                .add(&job.task)
                .job_id(job.task.id())
                .priority(job.priority)
                .delay(job.delay);
            if let Some(retries) = job.retries {
                add = add.retries(oqron_core::Retries::fixed(retries, self.terms.retry_delay));
            }
            if let Some(limit) = job.timeout {
                add = add.timeout(limit);
            }
            if job.is_not_kept {
                add = add.retention(oqron_core::Retention::none());
            }
            match self.bounded("an add", add.into_future()).await {
                Ok(handle) => {
                    self.history
                        .acknowledged(job.task.number, handle.outcome(), sent_at);
                    return handle;
                }
                Err(error) => self.failed("an add", &error).await,
            }
        }
    }

    /// Asks for the end of a job until that is answered.
    pub(crate) async fn cancel(self: Arc<Self>, job: Planned) {
        let number = job.task.number;
        let Ok(handle) = self.queue(job.at_most_once).job(job.task.id()) else {
            return;
        };
        self.history.of(number, |seen| seen.cancel_tried = true);
        loop {
            match self.bounded("a cancel", handle.cancel()).await {
                Ok(_) => return,
                Err(error) => self.failed("a cancel", &error).await,
            }
        }
    }

    /// How the job ended, in a word.
    async fn result(&self, handle: &JobHandle<Done>) -> String {
        loop {
            match handle.result(PATIENCE).await {
                Ok(done) => return format!("completed by #{}", done.token),
                Err(Error::JobFailed { .. }) => return "failed".into(),
                Err(Error::JobCancelled { .. }) => return "cancelled".into(),
                Err(Error::JobGone { .. }) => return "gone".into(),
                Err(error @ Error::NotFinished { .. }) => {
                    self.history.violated(format!("a result does not come: {error}"));
                    return "unknown".into();
                }
                Err(error) => self.failed("a wait for a result", &error).await,
            }
        }
    }

    async fn failed(&self, what: &str, error: &Error) {
        let is_expected = matches!(
            error,
            Error::Core(CoreError::Unavailable { .. } | CoreError::Timeout { .. })
        );
        if !is_expected || self.history.is_calm() {
            self.history.violated(format!("{what} failed: {error}"));
        }
        sleep(PAUSE).await;
    }

    /// A call that ends long after all its parts should have ended, hangs.
    async fn bounded<A>(&self, what: &str, call: impl Future<Output = A>) -> A {
        let limit = (RETRY_FOR + self.terms.call_timeout) * 8;
        let begun = Instant::now();
        let answer = timeout(PATIENCE, call).await;
        if begun.elapsed() > limit {
            self.history
                .violated(format!("{what} took {:?}", begun.elapsed()));
        }
        match answer {
            Ok(answer) => answer,
            // It is a violation already; nothing can be done without an answer.
            Err(_) => std::future::pending().await,
        }
    }
}
