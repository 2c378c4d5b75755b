//! A backend of its own for each test, and the few things that all tests do with it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use oqron_core::{
    Codec, Config, Consume, Finished, JobId, JobRecord, JobRef, JobState, ListQuery, NewJob, Operate,
    Publish, TopicName, WorkerId,
};
use oqron_testing::memory::{MemoryConsume, MemoryOperate, MemoryPublish};
use oqron_worker::{Connector, Error, Runtime, RuntimeHandle, Topic, Worker};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::spy::{Spy, Watch};

pub(crate) const JOBS: Topic<u32, u32> = Topic::new("jobs");
/// No test waits longer; in paused time it costs nothing.
const PATIENCE: Duration = Duration::from_secs(3600);

pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) publish: MemoryPublish,
    pub(crate) operate: MemoryOperate,
    pub(crate) watch: Arc<Watch>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_toml("").await
    }

    pub(crate) async fn with_toml(toml: &str) -> Self {
        let url = format!("memory:{}", JobId::generate());
        let config = Config::from_toml(&format!("url = \"{url}\"\n{toml}")).unwrap();
        Self {
            publish: MemoryPublish::connect(&config).await.unwrap(),
            operate: MemoryOperate::connect(&config).await.unwrap(),
            watch: Arc::default(),
            config,
        }
    }

    /// The same backend over another network.
    pub(crate) async fn elsewhere(&self) -> Self {
        Self {
            publish: MemoryPublish::connect(&self.config).await.unwrap(),
            operate: MemoryOperate::connect(&self.config).await.unwrap(),
            watch: Arc::default(),
            config: self.config.clone(),
        }
    }

    pub(crate) fn connector(&self) -> Connector {
        let (config, watch) = (self.config.clone(), Arc::clone(&self.watch));
        Arc::new(move || {
            let (config, watch) = (config.clone(), Arc::clone(&watch));
            Box::pin(async move {
                let inner: Arc<dyn Consume> = Arc::new(MemoryConsume::connect(&config).await?);
                Ok(Arc::new(Spy { inner, watch }) as Arc<dyn Consume>)
            })
        })
    }

    /// With its heart in this runtime, so that time can be paused.
    pub(crate) async fn runtime(&self) -> Runtime {
        let runtime = Runtime::connect(self.connector(), self.config.clone()).await;
        runtime.unwrap().heart_in_this_runtime()
    }

    /// Runs one worker until it is stopped.
    pub(crate) async fn start<T, R>(&self, worker: Worker<T, R>) -> Started
    where
        T: DeserializeOwned + Send + Sync + 'static,
        R: Serialize + Send + 'static,
    {
        Started::new(self.runtime().await.worker(worker).unwrap())
    }

    pub(crate) async fn add(&self, payload: u32) -> JobRef {
        self.add_with(payload, |_| {}).await
    }

    pub(crate) async fn add_with(&self, payload: u32, change: impl FnOnce(&mut NewJob)) -> JobRef {
        let mut job = NewJob::new(Codec::Json.encode(&payload).unwrap());
        change(&mut job);
        self.enqueue("jobs", job).await
    }

    pub(crate) async fn enqueue(&self, topic: &str, job: NewJob) -> JobRef {
        let topic = TopicName::new(topic).unwrap();
        let added = self.publish.enqueue(&topic, &[job]).await.unwrap();
        JobRef::new(topic, added[0].id.clone())
    }

    pub(crate) async fn record(&self, job: &JobRef) -> JobRecord {
        use oqron_core::Records;
        self.publish.find(job).await.unwrap().unwrap()
    }

    /// The record once the job has ended.
    pub(crate) async fn ended(&self, job: &JobRef) -> JobRecord {
        let finished = timeout(PATIENCE, self.publish.finished(job)).await;
        assert_ne!(finished.expect("the job does not end").unwrap(), Finished::Gone);
        self.record(job).await
    }

    pub(crate) async fn active(&self) -> Vec<JobRecord> {
        let query = ListQuery {
            topic: TopicName::new("jobs").unwrap(),
            state: JobState::Active,
            after: None,
            limit: 100,
        };
        self.operate.list(&query).await.unwrap().jobs
    }

    pub(crate) async fn waiting(&self) -> u64 {
        let topic = TopicName::new("jobs").unwrap();
        self.operate.counts(&topic).await.unwrap().waiting
    }
}

/// A runtime that works.
pub(crate) struct Started {
    pub(crate) handle: RuntimeHandle,
    pub(crate) worker: WorkerId,
    task: JoinHandle<Result<(), Error>>,
}

impl Started {
    pub(crate) fn new(runtime: Runtime) -> Self {
        Self {
            handle: runtime.handle(),
            worker: runtime.worker_id().clone(),
            task: tokio::spawn(runtime.run(std::future::pending())),
        }
    }

    /// Shuts down and waits for the end.
    pub(crate) async fn stop(self) {
        self.handle.shutdown();
        self.task.await.unwrap().unwrap();
    }

    /// As a SIGKILL would.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// Waits for something that a test relies on.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> F::Output {
    timeout(limit, future).await.expect("it takes too long")
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
