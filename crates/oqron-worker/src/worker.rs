use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use oqron_core::{Delivery, JobError, JobFailure, Limits, Retries, Topic};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::hooks::Hooks;
use crate::options::Options;
use crate::runner::{Runner, TypedRunner};
use crate::throttle::Throttle;
use crate::{Handler, JobInfo};

/// A handler for a topic, and how it is to be run. [`Runtime::worker`](crate::Runtime::worker) checks it.
///
/// Every option can also be said in TOML, for all workers in `[worker]` and for one in `[topics."the-topic"]`; what is
/// said there goes over what is said in code.
///
/// ```
/// use std::time::Duration;
/// use oqron_core::Retries;
/// use oqron_worker::{Context, Topic, Worker};
/// use tracing::{error, info};
///
/// const THUMBNAIL: Topic<String, u64> = Topic::new("thumbnail");
///
/// let worker = Worker::new(THUMBNAIL, async |ctx: Context<String>| {
///         ctx.progress(50, "reading");
///         let size = std::fs::metadata(ctx.data())?.len();           // any error: a failed attempt
///         Ok(size)
///     })
///     .concurrency(4)
///     .retries(Retries::exponential(3))
///     .timeout(Duration::from_secs(60))
///     .on_success(async |job, size| info!(%job, size, "done"))
///     .on_fail(async |job, failure| error!(%job, %failure, "failed for good"));
/// ```
pub struct Worker<T, R> {
    topic: Topic<T, R>,
    pub(crate) options: Options,
    hooks: Hooks<R>,
    build: Box<dyn FnOnce(Hooks<R>, Limits) -> Arc<dyn Runner> + Send>,
}

impl<T, R> Worker<T, R>
where
    T: DeserializeOwned + Send + Sync + 'static,
    R: Serialize + Send + 'static,
{
    /// A worker with the default options.
    pub fn new(topic: Topic<T, R>, handler: impl Handler<T, R>) -> Self {
        let codec = topic.codec_in_use();
        Self {
            topic,
            options: Options::default(),
            hooks: Hooks::default(),
            build: Box::new(move |hooks, limits| {
                Arc::new(TypedRunner::<T, R, _>::new(handler, hooks, codec, limits))
            }),
        }
    }

    /// Jobs that this process runs at the same time, 1 to 1000. Default 1.
    #[must_use]
    pub fn concurrency(mut self, jobs: u32) -> Self {
        self.options.concurrency = jobs;
        self
    }

    /// What the death of a worker means for its jobs. Default: they are run again. In TOML also
    /// `guaranteed_worker = true`.
    #[must_use]
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.options.delivery = delivery;
        self
    }

    /// Time between renewals of the leases, at most half of `lock_ttl`. Default 5 s.
    #[must_use]
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.options.heartbeat = every;
        self
    }

    /// How long a lease lasts without a heartbeat, at least 100 ms. Default 30 s.
    #[must_use]
    pub fn lock_ttl(mut self, ttl: Duration) -> Self {
        self.options.lock_ttl = ttl;
        self
    }

    /// What follows a failed attempt, unless the job has a policy of its own. Default: no retries.
    #[must_use]
    pub fn retries(mut self, retries: Retries) -> Self {
        self.options.retries = retries;
        self
    }

    /// The longest that one attempt may take, unless the job says otherwise. Then its signal fires, and a second
    /// later its future is dropped; that is a failed attempt. Default: none.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Stalls that a job survives: one more makes it a dead letter. Default 3.
    #[must_use]
    pub fn max_stalls(mut self, stalls: u32) -> Self {
        self.options.max_stalls = stalls;
        self
    }

    /// At most so many starts in any time as long as `per`, for this process. Default: no limit.
    #[must_use]
    pub fn throttle(mut self, starts: u32, per: Duration) -> Self {
        self.options.throttle = Some(Throttle { starts, per });
        self
    }

    /// Takes no jobs until [`RuntimeHandle::resume`](crate::RuntimeHandle::resume).
    #[must_use]
    pub fn paused(mut self) -> Self {
        self.options.paused = true;
        self
    }

    /// Called before the handler, with its slot, lease and timeout. An error refuses the attempt, as if the handler
    /// had returned it. A panic, or 10 s without an end, is logged, and the handler runs.
    #[must_use]
    pub fn before_run<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(JobInfo) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        self.hooks.before_run = Some(Arc::new(move |job, ()| Box::pin(hook(job))));
        self
    }

    /// Called after the result is stored. As all hooks it is dropped after 10 s, may be lost in a crash, and changes
    /// nothing when it fails.
    #[must_use]
    pub fn on_success<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(JobInfo, R) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.on_success = Some(Arc::new(move |job, result| Box::pin(hook(job, result))));
        self
    }

    /// Called after an attempt failed that will be retried.
    #[must_use]
    pub fn on_retry<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(JobInfo, JobFailure) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.on_retry = Some(Arc::new(move |job, failure| Box::pin(hook(job, failure))));
        self
    }

    /// Called after a job failed for good: it is a dead letter. Not for a failure that the backend records, since no worker
    /// has the job then: one that stalled more than `max_stalls` times, and one that was lost with its worker
    /// (`Delivery::AtMostOnce`).
    #[must_use]
    pub fn on_fail<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(JobInfo, JobFailure) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.on_fail = Some(Arc::new(move |job, failure| Box::pin(hook(job, failure))));
        self
    }

    pub(crate) fn topic(&self) -> &Topic<T, R> {
        &self.topic
    }

    pub(crate) fn build(self, limits: Limits) -> Arc<dyn Runner> {
        (self.build)(self.hooks, limits)
    }
}

impl<T, R> fmt::Debug for Worker<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("topic", &self.topic)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
