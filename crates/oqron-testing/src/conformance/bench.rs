//! One case's namespace and what it does to it.

use std::sync::Arc;
use std::time::Duration;

use oqron_core::{
    Codec, Config, Consume, Counts, Encoded, EnqueueOutcome, Enqueued, FailureKind, JobFailure, JobId,
    JobOptions, JobRecord, JobRef, JobState, NewJob, Operate, Publish, Records, TimelineEvent, TimelineKind,
    TopicName,
};

use super::{Backend, BenchWorker, Handles};

/// How long a condition may take to come true on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// For leases that must not run out during a case.
pub const LONG: Duration = Duration::from_secs(60);
/// For leases, delays and windows that must run out during a case.
pub const SHORT: Duration = Duration::from_millis(150);

/// A fresh namespace, connected as one process would be.
#[derive(Clone)]
pub struct Bench {
    backend: Arc<dyn Backend>,
    config: Config,
    /// As a web service has it.
    pub publish: Arc<dyn Publish>,
    /// As a compute node has it.
    pub consume: Arc<dyn Consume>,
    /// As a person has it.
    pub operate: Arc<dyn Operate>,
    /// The topic that the methods below are about.
    pub topic: TopicName,
}

impl Bench {
    pub(super) async fn new(backend: impl Backend) -> Self {
        let environment = JobId::generate();
        let config = Config::new(backend.url())
            .and_then(|config| config.namespace("conformance", environment.as_str()))
            .expect("the URL of the backend under test is valid");
        let backend: Arc<dyn Backend> = Arc::new(backend);
        let handles = backend.open(&config).await.expect("the backend under test opens");
        Self::with(backend, config, handles)
    }

    fn with(backend: Arc<dyn Backend>, config: Config, handles: Handles) -> Self {
        Self {
            backend,
            config,
            publish: handles.publish,
            consume: handles.consume,
            operate: handles.operate,
            topic: TopicName::new("jobs").expect("it is a valid name"),
        }
    }

    /// The same namespace, as another process has it.
    pub async fn reopened(&self) -> Self {
        self.reopened_as(self.config.clone()).await
    }

    /// The same backend with another configuration.
    pub async fn reopened_as(&self, config: Config) -> Self {
        let handles = self.backend.open(&config).await.expect("the backend opens again");
        Self::with(Arc::clone(&self.backend), config, handles)
    }

    /// The same namespace, about another topic.
    #[must_use]
    pub fn topic(&self, name: &str) -> Self {
        Self {
            topic: TopicName::new(name).expect("cases use valid topics"),
            ..self.clone()
        }
    }

    /// What this namespace was opened with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A worker that has not joined.
    pub fn worker(&self, label: &str) -> BenchWorker {
        BenchWorker::new(self.clone(), label)
    }

    /// Adds one job, which must be new.
    pub async fn add(&self, id: &str) -> JobId {
        self.add_with(id, |_| {}).await
    }

    /// Adds one job with options, which must be new.
    pub async fn add_with(&self, id: &str, change: impl FnOnce(&mut JobOptions)) -> JobId {
        let job = job_with(id, change);
        let id = job.id.clone();
        assert_eq!(
            self.enqueue(&[job]).await,
            [EnqueueOutcome::Created],
            "{id} is new"
        );
        id
    }

    /// Adds jobs with default options, named by their numbers: `0000`, `0001`, ….
    pub async fn add_numbered(&self, count: usize) -> Vec<JobId> {
        let jobs: Vec<NewJob> = (0..count).map(|number| job(&format!("{number:04}"))).collect();
        let outcomes = self.enqueue(&jobs).await;
        assert!(outcomes.iter().all(|outcome| *outcome == EnqueueOutcome::Created));
        jobs.into_iter().map(|job| job.id).collect()
    }

    /// Adds jobs and tells which were new.
    pub async fn enqueue(&self, jobs: &[NewJob]) -> Vec<EnqueueOutcome> {
        let answers: Vec<Enqueued> = self
            .publish
            .enqueue(&self.topic, jobs)
            .await
            .expect("the backend adds jobs");
        let ids: Vec<&JobId> = answers.iter().map(|answer| &answer.id).collect();
        let asked: Vec<&JobId> = jobs.iter().map(|job| &job.id).collect();
        assert_eq!(ids, asked, "one answer for each job, in their order");
        answers.into_iter().map(|answer| answer.outcome).collect()
    }

    /// The job's full name.
    pub fn job_ref(&self, id: &JobId) -> JobRef {
        JobRef::new(self.topic.clone(), id.clone())
    }

    /// The record, if there is one. Publisher and operator must see the same.
    pub async fn find(&self, id: &JobId) -> Option<JobRecord> {
        let found = Records::find(&*self.publish, &self.job_ref(id)).await;
        found.expect("the backend finds jobs")
    }

    /// The record, which must be there.
    pub async fn record(&self, id: &JobId) -> JobRecord {
        match self.find(id).await {
            Some(record) => record,
            None => panic!("{id} has no record"),
        }
    }

    /// The state of a job that must be there.
    pub async fn state(&self, id: &JobId) -> JobState {
        self.record(id).await.state
    }

    /// How many jobs there are in each state.
    pub async fn counts(&self) -> Counts {
        self.operate
            .counts(&self.topic)
            .await
            .expect("the backend counts jobs")
    }

    /// Brings a new job into a state, by a worker of its own.
    pub async fn add_in_state(&self, id: &str, state: JobState) -> JobId {
        self.add_in_state_with(id, state, |_| {}).await
    }

    /// The same with options, `start` apart. No other job may be waiting.
    pub async fn add_in_state_with(
        &self,
        id: &str,
        state: JobState,
        change: impl FnOnce(&mut JobOptions),
    ) -> JobId {
        let start = match state {
            JobState::Scheduled => oqron_core::Start::After(Duration::from_secs(3600)),
            _ => oqron_core::Start::Now,
        };
        let id = self
            .add_with(id, |options| {
                change(options);
                options.start = start;
            })
            .await;
        let mut worker = self.worker("setup");
        match state {
            JobState::Scheduled | JobState::Waiting => {}
            JobState::Active => {
                worker.claim_one().await;
            }
            JobState::Completed => {
                let lease = worker.claim_one().await;
                worker.complete(&lease).await;
            }
            JobState::Failed => {
                let lease = worker.claim_one().await;
                let outcome = oqron_core::Outcome::Fail(failure("broken"));
                worker.settle(&lease, outcome).await;
            }
            JobState::Cancelled => {
                let job = self.job_ref(&id);
                self.publish.cancel(&job).await.expect("the backend cancels jobs");
            }
        }
        id
    }
}

/// A valid id.
pub fn id(text: &str) -> JobId {
    JobId::new(text).expect("cases use valid ids")
}

/// A job with an id of the user's, whose payload is its id.
pub fn job(text: &str) -> NewJob {
    NewJob::new(json(text)).with_id(id(text))
}

/// The same with options.
pub fn job_with(text: &str, change: impl FnOnce(&mut JobOptions)) -> NewJob {
    let mut job = job(text);
    change(&mut job.options);
    job
}

/// A text in JSON.
pub fn json(text: &str) -> Encoded {
    Codec::Json.encode(&text).expect("a text is always JSON")
}

/// A failure of a handler, without a cause.
pub fn failure(message: &str) -> JobFailure {
    JobFailure::new(FailureKind::Error, message)
}

/// What a timeline says, without its times and workers.
pub fn told(timeline: &[TimelineEvent]) -> Vec<(TimelineKind, &str)> {
    timeline
        .iter()
        .map(|event| (event.kind, event.reason.as_str()))
        .collect()
}

/// Asks again and again until there is an answer: only for what the clock of a server must bring about.
///
/// # Panics
/// When there is none within [`DEADLINE`].
pub async fn eventually<R>(what: &str, mut ask: impl AsyncFnMut() -> Option<R>) -> R {
    let start = std::time::Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Lets the backend's clock pass [`SHORT`] for sure.
pub async fn pass_short() {
    tokio::time::sleep(SHORT * 2).await;
}
