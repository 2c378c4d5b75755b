use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oqron_core::{Config, Enqueued, JobId, JobIds, JobRef, NewJob, Publish, Topic, TopicName};
use serde::Serialize;

use crate::batcher::Batcher;
use crate::{Add, Error, IntoAdd, JobHandle};

/// The way into a backend. Cheap to clone; all clones share connections and round trips.
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
}

struct Shared {
    backend: Arc<dyn Publish>,
    config: Config,
    /// One for each topic, so that queues of the same topic share round trips, however many of them are made.
    batchers: Mutex<HashMap<TopicName, Arc<Batcher>>>,
}

impl Publisher {
    /// A publisher on a backend that is connected already. The facade's `oqron::publisher` connects.
    pub fn new(backend: Arc<dyn Publish>, config: Config) -> Self {
        Self {
            shared: Arc::new(Shared {
                backend,
                config,
                batchers: Mutex::default(),
            }),
        }
    }

    /// The queue of a topic. A topic's name that is not valid is an error of the first `add`.
    pub fn queue<T, R>(&self, topic: Topic<T, R>) -> Queue<T, R> {
        let name = topic.name();
        let batcher = name.as_ref().ok().map(|name| {
            let mut batchers = self
                .shared
                .batchers
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let batcher = batchers
                .entry(name.clone())
                .or_insert_with(|| Arc::new(Batcher::new(self.shared.backend.clone(), name.clone())));
            Arc::clone(batcher)
        });
        Queue {
            publisher: self.clone(),
            topic,
            name,
            batcher,
            retry_for: Duration::ZERO,
        }
    }

    pub(crate) fn backend(&self) -> &Arc<dyn Publish> {
        &self.shared.backend
    }

    pub(crate) fn config(&self) -> &Config {
        &self.shared.config
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Publisher({} in {})",
            self.shared.config.url, self.shared.config.namespace
        )
    }
}

/// Adds jobs to one topic. Cheap to clone.
pub struct Queue<T, R> {
    publisher: Publisher,
    topic: Topic<T, R>,
    name: Result<TopicName, oqron_core::Error>,
    batcher: Option<Arc<Batcher>>,
    retry_for: Duration,
}

impl<T, R> Queue<T, R> {
    /// Keeps on trying to add for this long while the backend cannot be reached. Default: one immediate repeat, so
    /// that a connection that was cut costs nobody anything, and then the error.
    #[must_use]
    pub fn retry_for(mut self, time: Duration) -> Self {
        self.retry_for = time;
        self
    }

    /// Adds a job; await what is returned, after saying more about it if there is more to say.
    ///
    /// When the answer has arrived, the job is stored as safely as the backend stores anything. Adds of many tasks
    /// share round trips; no add waits for others to come.
    ///
    /// # Errors
    /// [`Error::Core`]: a value over a limit, a name that is not valid, a payload that the codec cannot write (in
    /// all of these nothing was written), or a backend that cannot be reached or does not answer. Then the job may have
    /// been added: adding it again is safe with a [`job_id`](Add::job_id), and by [`retry_for`](Self::retry_for) without
    /// one; a second `add` without a `job_id` is a second job.
    ///
    /// # Cancel safety
    /// If the future is dropped, the job may or may not have been added. Adding it again with the same
    /// [`job_id`](Add::job_id) is safe.
    pub fn add(&self, payload: &T) -> Add<T, R>
    where
        T: Serialize,
    {
        let encoded = self.topic.codec_in_use().encode(payload);
        Add::new(self.clone(), encoded)
    }

    /// Adds many jobs at once: all of them or none. At most 10,000 and 64 MiB.
    ///
    /// Takes payloads, or [`Add`]s with options of their own:
    ///
    /// ```
    /// # use oqron_publisher::{Queue, Error};
    /// # async fn example(queue: Queue<String, ()>) -> Result<(), Error> {
    /// queue.add_many(&["a".to_owned(), "b".to_owned()]).await?;
    /// queue.add_many([queue.add(&"c".to_owned()).priority(3), queue.add(&"d".to_owned()).job_id("d-1")]).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`add`](Self::add), for the first job that has one; then nothing was written.
    ///
    /// # Cancel safety
    /// If the future is dropped, all of the jobs or none may have been added.
    pub async fn add_many<I>(&self, jobs: I) -> Result<Vec<JobHandle<R>>, Error>
    where
        I: IntoIterator,
        I::Item: IntoAdd<T, R>,
    {
        let topic = self.name.clone()?;
        let mut ids = JobIds::new();
        let jobs: Vec<NewJob> = jobs
            .into_iter()
            .map(|job| job.into_add(self).prepare_with(|| ids.generate()))
            .collect::<Result<_, _>>()?;
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        self.publisher.config().limits.check_enqueue(&jobs)?;
        let backend = self.publisher.backend();
        let enqueued = repeated(self.retry_for, || backend.enqueue(&topic, &jobs)).await?;
        Ok(enqueued
            .into_iter()
            .map(|answer| self.handle(topic.clone(), answer))
            .collect())
    }

    /// A job that was added elsewhere, or earlier.
    ///
    /// # Errors
    /// [`Error::Core`] for an id or a topic that is not valid.
    pub fn job(&self, id: impl AsRef<str>) -> Result<JobHandle<R>, Error> {
        let enqueued = Enqueued::new(JobId::new(id)?, oqron_core::EnqueueOutcome::Existing);
        Ok(self.handle(self.name.clone()?, enqueued))
    }

    pub(crate) fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    pub(crate) async fn send(&self, job: NewJob) -> Result<JobHandle<R>, Error> {
        let topic = self.name.clone()?;
        self.publisher
            .config()
            .limits
            .check_enqueue(std::slice::from_ref(&job))?;
        let batcher = self
            .batcher
            .as_ref()
            .expect("a topic with a valid name has a batcher");
        let enqueued = repeated(self.retry_for, || batcher.add(job.clone())).await?;
        Ok(self.handle(topic, enqueued))
    }

    pub(crate) fn retry_window(&self) -> Duration {
        self.retry_for
    }

    fn handle(&self, topic: TopicName, enqueued: Enqueued) -> JobHandle<R> {
        let job = JobRef::new(topic, enqueued.id);
        JobHandle::new(
            self.publisher.backend().clone(),
            job,
            enqueued.outcome,
            self.topic.codec_in_use(),
        )
    }
}

/// Repeats a call that did not reach the backend: once at once, then with growing pauses until `retry_for` is over.
/// Safe because the ids are made before the first try.
async fn repeated<A, F>(retry_for: Duration, mut call: impl FnMut() -> F) -> Result<A, oqron_core::Error>
where
    F: Future<Output = Result<A, oqron_core::Error>>,
{
    const PAUSE_MAX: Duration = Duration::from_secs(2);
    let begun = tokio::time::Instant::now();
    let mut pause = Duration::ZERO;
    loop {
        let error = match call().await {
            Err(error @ oqron_core::Error::Unavailable { .. }) => error,
            Err(error) if error.is_transient() && begun.elapsed() < retry_for => error,
            answer => return answer,
        };
        let is_first_repeat = pause.is_zero();
        if !is_first_repeat && begun.elapsed() + pause > retry_for {
            return Err(error);
        }
        tracing::debug!(%error, "repeating an add");
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        pause = (pause * 2).clamp(Duration::from_millis(50), PAUSE_MAX);
    }
}

impl<T, R> Clone for Queue<T, R> {
    fn clone(&self) -> Self {
        Self {
            publisher: self.publisher.clone(),
            topic: self.topic.clone(),
            name: self.name.clone(),
            batcher: self.batcher.clone(),
            retry_for: self.retry_for,
        }
    }
}

impl<T, R> fmt::Debug for Queue<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queue({:?} of {:?})", self.topic, self.publisher)
    }
}
