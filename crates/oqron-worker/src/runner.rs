//! Runs one attempt from its payload to its outcome, in a task of its own.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use oqron_core::{Codec, Encoded, JobError, Limits, Outcome};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use tracing::{Instrument, error, info_span, warn};

use crate::attempt::{Attempt, JobInfo};
use crate::backoff::chance;
use crate::decide::{End, Terms, decide};
use crate::hooks::{After, Hooks, after, guarded};
use crate::panics::panic_text;
use crate::report::Report;
use crate::{Context, Handler};

/// What a topic's task knows of a handler: nothing of its types.
pub(crate) trait Runner: Send + Sync {
    /// Runs the attempt in a task of `jobs`. The task never panics, and ends only when nothing of the handler runs
    /// any more.
    fn start(&self, jobs: &mut JoinSet<Ended>, attempt: Arc<Attempt>, payload: Encoded);
}

/// An attempt that has ended.
pub(crate) struct Ended {
    pub(crate) attempt: Arc<Attempt>,
    /// `None`: there is nothing to settle.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) report: Report,
    /// To be done once the outcome is stored.
    pub(crate) after: Option<After>,
}

/// A handler with all that belongs to its topic.
pub(crate) struct TypedRunner<T, R, H> {
    inner: Arc<Inner<R, H>>,
    types: std::marker::PhantomData<fn(T) -> R>,
}

struct Inner<R, H> {
    handler: H,
    hooks: Hooks<R>,
    codec: Codec,
    limits: Limits,
}

impl<T, R, H> TypedRunner<T, R, H> {
    pub(crate) fn new(handler: H, hooks: Hooks<R>, codec: Codec, limits: Limits) -> Self {
        Self {
            inner: Arc::new(Inner {
                handler,
                hooks,
                codec,
                limits,
            }),
            types: std::marker::PhantomData,
        }
    }
}

impl<T, R, H> Runner for TypedRunner<T, R, H>
where
    T: DeserializeOwned + Send + Sync + 'static,
    R: Serialize + Send + 'static,
    H: Handler<T, R>,
{
    fn start(&self, jobs: &mut JoinSet<Ended>, attempt: Arc<Attempt>, payload: Encoded) {
        let span = info_span!(
            "job", topic = %attempt.shared.topic, job = %attempt.id, attempt = attempt.number,
            worker = %attempt.shared.worker
        );
        let inner = Arc::clone(&self.inner);
        jobs.spawn(async move { inner.run::<T>(attempt, payload).await }.instrument(span));
    }
}

impl<R, H> Inner<R, H>
where
    R: Serialize + Send + 'static,
{
    async fn run<T>(self: Arc<Self>, attempt: Arc<Attempt>, payload: Encoded) -> Ended
    where
        T: DeserializeOwned + Send + Sync + 'static,
        H: Handler<T, R>,
    {
        let job = JobInfo(Arc::clone(&attempt));
        let bounded = async {
            tokio::select! {
                biased;
                ended = self.handle::<T>(&attempt, payload) => ended,
                why = attempt.signal.until_cut_off() => (End::CutOff(why), None),
            }
        };
        // Around the select, because dropping a handler's future can panic as well as polling it.
        let (end, result) = match AssertUnwindSafe(bounded).catch_unwind().await {
            Ok(ended) => ended,
            Err(panic) => (End::Panicked(panic_text(&*panic)), None),
        };
        if let Some(blocking) = attempt.blocking.get() {
            blocking.close();
            blocking.wait().await;
        }
        attempt.end();
        let report = attempt.report.last().await;
        let outcome = decide(
            end,
            &Terms {
                retries: &attempt.retries(),
                attempt: attempt.number,
                delivery: attempt.shared.options.delivery,
                timeout: attempt.timeout(),
                why: attempt.signal.why(),
                chance: chance(),
            },
        );
        log(outcome.as_ref(), &job);
        let after = match &outcome {
            Some(Outcome::Complete(_)) => {
                result.and_then(|result| after(self.hooks.on_success.as_ref(), "on_success", job, result))
            }
            Some(Outcome::Retry { failure, .. }) => {
                after(self.hooks.on_retry.as_ref(), "on_retry", job, failure.clone())
            }
            Some(Outcome::Fail(failure)) => {
                after(self.hooks.on_fail.as_ref(), "on_fail", job, failure.clone())
            }
            _ => None,
        };
        Ended {
            attempt,
            outcome,
            report,
            after,
        }
    }

    /// The value of a success comes along for `on_success`.
    async fn handle<T>(&self, attempt: &Arc<Attempt>, payload: Encoded) -> (End, Option<R>)
    where
        T: DeserializeOwned + Send + Sync + 'static,
        H: Handler<T, R>,
    {
        let data: T = match self.codec.decode(&payload) {
            Ok(data) => data,
            Err(error) => return (End::NotCoded("the payload does not decode", error), None),
        };
        drop(payload);
        if let Err(refusal) = self.before_run(attempt).await {
            return (End::Failed(refusal), None);
        }
        let result = match self.handler.run(Context::new(data, Arc::clone(attempt))).await {
            Ok(result) => result,
            Err(error) => return (End::Failed(error), None),
        };
        let encoded = self.codec.encode(&result).and_then(|encoded| {
            self.limits.check_result(encoded.bytes.len())?;
            Ok(encoded)
        });
        match encoded {
            Ok(encoded) => (End::Succeeded(encoded), Some(result)),
            Err(error) => (End::NotCoded("the result cannot be stored", error), None),
        }
    }

    async fn before_run(&self, attempt: &Arc<Attempt>) -> Result<(), JobError> {
        let Some(hook) = &self.hooks.before_run else {
            return Ok(());
        };
        let job = JobInfo(Arc::clone(attempt));
        let argument = job.clone();
        let answer = guarded("before_run", &job, async { hook(argument, ()).await }).await;
        answer.unwrap_or(Ok(()))
    }
}

fn log(outcome: Option<&Outcome>, job: &JobInfo) {
    match outcome {
        Some(Outcome::Fail(failure)) => error!(%job, %failure, "the job failed for good"),
        Some(Outcome::Retry { delay, failure }) => {
            warn!(%job, %failure, retry_in = ?delay, "an attempt failed")
        }
        _ => {}
    }
}
