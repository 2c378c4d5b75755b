//! What a backend gives to be tested, and how a case is run on it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oqron_core::{Config, Consume, Error, Operate, Publish};

use super::Bench;

/// A case that takes longer hangs. Generous: other tests may keep the machine busy.
const CASE_TIMEOUT: Duration = Duration::from_secs(180);

/// A backend under test.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// What one case needs: a folder of its own, or nothing but a server's URL. It goes when the case is over.
    async fn prepare() -> Self
    where
        Self: Sized;

    /// The URL of the backend.
    fn url(&self) -> String;

    /// Connects anew, as another process would.
    async fn open(&self, config: &Config) -> Result<Handles, Error>;
}

/// One process's connections to a backend.
#[derive(Clone)]
pub struct Handles {
    /// As a web service has it.
    pub publish: Arc<dyn Publish>,
    /// As a compute node has it.
    pub consume: Arc<dyn Consume>,
    /// As a person has it.
    pub operate: Arc<dyn Operate>,
}

/// Runs one case in a fresh namespace, on a runtime of its own with several threads.
///
/// # Panics
/// When the case fails or hangs.
pub fn run<B, C, F>(case: C)
where
    B: Backend,
    C: FnOnce(Bench) -> F,
    F: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime starts wherever threads can");
    runtime.block_on(async {
        let bench = Bench::new(B::prepare().await).await;
        if tokio::time::timeout(CASE_TIMEOUT, case(bench)).await.is_err() {
            panic!(
                "the case has not ended within {CASE_TIMEOUT:?}: something is waited for that does not come"
            );
        }
    });
}
