//! What a user wants to do around a job. Hooks are bounded by a timeout and change nothing when they fail.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use oqron_core::{JobError, JobFailure};
use tokio::time::timeout;
use tracing::warn;

use crate::JobInfo;
use crate::panics::panic_text;

/// The longest that one call of a hook may take.
pub(crate) const HOOK_TIMEOUT: Duration = Duration::from_secs(10);

type Hook<A, O> = Arc<dyn Fn(JobInfo, A) -> BoxFuture<'static, O> + Send + Sync>;

pub(crate) struct Hooks<R> {
    pub(crate) before_run: Option<Hook<(), Result<(), JobError>>>,
    pub(crate) on_success: Option<Hook<R, ()>>,
    pub(crate) on_retry: Option<Hook<JobFailure, ()>>,
    pub(crate) on_fail: Option<Hook<JobFailure, ()>>,
}

impl<R> Default for Hooks<R> {
    fn default() -> Self {
        Self {
            before_run: None,
            on_success: None,
            on_retry: None,
            on_fail: None,
        }
    }
}

/// What is to be done once an outcome is stored.
pub(crate) type After = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// Binds a hook to what it will be called with.
pub(crate) fn after<A: Send + 'static>(
    hook: Option<&Hook<A, ()>>,
    name: &'static str,
    job: JobInfo,
    argument: A,
) -> Option<After> {
    let hook = Arc::clone(hook?);
    Some(Box::new(move || {
        let shown = job.clone();
        // Inside the future, so that a hook that panics before its first await is caught as well.
        Box::pin(async move {
            guarded(name, &shown, async { hook(job, argument).await }).await;
        })
    }))
}

/// Runs a hook's future within its time. `None`: it panicked or took too long, which is logged and has no other effect.
pub(crate) async fn guarded<O>(
    name: &'static str,
    job: &JobInfo,
    hook: impl Future<Output = O>,
) -> Option<O> {
    match timeout(HOOK_TIMEOUT, AssertUnwindSafe(hook).catch_unwind()).await {
        Ok(Ok(output)) => Some(output),
        Ok(Err(panic)) => {
            warn!(hook = name, %job, problem = panic_text(&*panic), "a hook failed; the job goes on without it");
            None
        }
        Err(_) => {
            warn!(
                hook = name, %job, timeout = ?HOOK_TIMEOUT,
                "a hook took too long and was dropped; the job goes on without it"
            );
            None
        }
    }
}
