//! A worker behind a line that can be broken, and what it did.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oqron::{CancelReason, Config, Context, JobError, JobId, Runtime, RuntimeHandle, Worker, WorkerError};
use tokio::task::JoinHandle;

use crate::world::JOBS;

/// So long that a test which waits for a lease to end fails by its patience.
pub(crate) const LOCK_TTL: Duration = Duration::from_secs(60);
/// Short, so that heartbeats meet what a test breaks.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// Longer than a reconnection takes on a busy machine.
const PRESENCE_GRACE: Duration = Duration::from_secs(5);

/// How often each payload was run, and how often each hook ran for each job.
#[derive(Clone, Default)]
pub(crate) struct Tally(Arc<Mutex<HashMap<(&'static str, String), u32>>>);

impl Tally {
    fn count(&self, what: &'static str, whose: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((what, whose.to_owned())).or_default() += 1;
    }

    fn of(&self, what: &'static str, whose: &str) -> u32 {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&(what, whose.to_owned())).copied().unwrap_or(0)
    }

    pub(crate) fn runs(&self, payload: &str) -> u32 {
        self.of("run", payload)
    }

    pub(crate) fn successes(&self, job: &JobId) -> u32 {
        self.of("success", job.as_str())
    }
}

/// A worker that takes so long for each job, and stops when it is told to.
pub(crate) fn takes(time: Duration, tally: &Tally) -> Worker<String, String> {
    let (runs, successes) = (tally.clone(), tally.clone());
    Worker::new(JOBS, move |ctx: Context<String>| {
        runs.count("run", ctx.data());
        async move {
            tokio::select! {
                () = tokio::time::sleep(time) => Ok(result_of(ctx.data())),
                () = ctx.signal().cancelled_owned() => match ctx.cancelled_because() {
                    Some(CancelReason::Requested) => Err(JobError::cancelled("as was asked for")),
                    other => Err(JobError::new(format!("told to stop: {other:?}"))),
                }
            }
        }
    })
    .lock_ttl(LOCK_TTL)
    .heartbeat(HEARTBEAT)
    .on_success(move |job, _| {
        successes.count("success", job.id().as_str());
        async {}
    })
}

/// What the handler makes of a payload.
pub(crate) fn result_of(payload: &str) -> String {
    format!("result of {payload}")
}

/// A runtime that works until it is stopped.
pub(crate) struct Started {
    pub(crate) handle: RuntimeHandle,
    task: JoinHandle<Result<(), WorkerError>>,
}

impl Started {
    pub(crate) async fn new(config: &Config, worker: Worker<String, String>) -> Self {
        Self::with_grace(config, worker, Duration::from_secs(25)).await
    }

    /// One that does not tell its handlers to stop because nobody answered it for a while.
    pub(crate) async fn patient(config: &Config, worker: Worker<String, String>) -> Self {
        Self::with_graces(config, worker, LOCK_TTL, Duration::from_secs(25)).await
    }

    /// With so long for the handlers to finish when it is stopped.
    pub(crate) async fn with_grace(config: &Config, worker: Worker<String, String>, grace: Duration) -> Self {
        Self::with_graces(config, worker, PRESENCE_GRACE, grace).await
    }

    async fn with_graces(
        config: &Config,
        worker: Worker<String, String>,
        presence: Duration,
        shutdown: Duration,
    ) -> Self {
        let runtime: Runtime = oqron::runtime(config.clone()).await.unwrap();
        let runtime = runtime.presence_grace(presence).shutdown_grace(shutdown);
        let runtime = runtime.worker(worker).unwrap();
        Self {
            handle: runtime.handle(),
            task: tokio::spawn(runtime.run(std::future::pending())),
        }
    }

    /// Shuts down and waits for the end.
    pub(crate) async fn stop(self) {
        self.handle.shutdown();
        self.task.await.unwrap().unwrap();
    }
}
