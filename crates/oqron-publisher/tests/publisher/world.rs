//! A backend of its own for each test, with everything between it and the publisher counted.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use oqron_core::{
    CancelOutcome, Claim, Config, Consume, Counts, Delivery, Encoded, Enqueued, Error, Finished, JobId,
    JobRecord, JobRef, NewJob, Operate, Outcome, Publish, Records, Settled, Settlement, Topic, TopicName,
    Turn, WorkerId,
};
use oqron_publisher::{Publisher, Queue};
use oqron_testing::memory::{MemoryConsume, MemoryOperate, MemoryPublish};

pub(crate) const JOBS: Topic<String, u32> = Topic::new("jobs");

pub(crate) struct World {
    pub(crate) wire: Arc<Wire>,
    pub(crate) publisher: Publisher,
    pub(crate) queue: Queue<String, u32>,
    operate: MemoryOperate,
    consume: MemoryConsume,
    requests: AtomicU32,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_toml("").await
    }

    pub(crate) async fn with_toml(toml: &str) -> Self {
        let url = format!("memory:{}", JobId::generate());
        let config = Config::from_toml(&format!("url = \"{url}\"\n{toml}")).unwrap();
        let wire = Arc::new(Wire {
            inner: MemoryPublish::connect(&config).await.unwrap(),
            enqueued: Mutex::default(),
            failures: Mutex::default(),
            round_trip: Mutex::default(),
            finds: AtomicU32::new(0),
            cancels: AtomicU32::new(0),
            waits: AtomicU32::new(0),
        });
        let publisher = Publisher::new(wire.clone(), config.clone());
        Self {
            queue: publisher.queue(JOBS),
            publisher,
            operate: MemoryOperate::connect(&config).await.unwrap(),
            consume: MemoryConsume::connect(&config).await.unwrap(),
            requests: AtomicU32::new(0),
            wire,
        }
    }

    pub(crate) async fn counts(&self) -> Counts {
        self.operate.counts(&topic()).await.unwrap()
    }

    /// Claims the next job that waits, and is done with it unless there is nothing to settle.
    pub(crate) async fn work(&self, outcome: Option<Outcome>) -> JobId {
        let worker = WorkerId::new("worker").unwrap();
        let claim = Claim {
            max: 1,
            lease_ttl: Duration::from_secs(30),
            delivery: Delivery::AtLeastOnce,
            max_stalls: 3,
        };
        let turned = self.turn(&worker, self.next_request(), &[], Some(claim)).await;
        let lease = turned.leases.into_iter().next().expect("no job waits");
        if let Some(outcome) = outcome {
            let settlement = Settlement::new(lease.id.clone(), lease.token, outcome);
            let turned = self.turn(&worker, self.next_request(), &[settlement], None).await;
            assert_eq!(turned.settled, [Settled::Accepted]);
        }
        lease.id
    }

    fn next_request(&self) -> u64 {
        u64::from(self.requests.fetch_add(1, Ordering::SeqCst)) + 1
    }

    async fn turn(
        &self,
        worker: &WorkerId,
        request: u64,
        settlements: &[Settlement],
        claim: Option<Claim>,
    ) -> oqron_core::Turned {
        let turn = Turn {
            worker,
            topic: &topic(),
            line: 0,
            request,
            settlements,
            claim,
        };
        self.consume.turn(&turn).await.unwrap()
    }
}

pub(crate) fn topic() -> TopicName {
    JOBS.name().unwrap()
}

pub(crate) fn completes(result: &str) -> Option<Outcome> {
    Some(Outcome::Complete(Encoded::new(
        oqron_core::Format::JSON,
        result.to_owned(),
    )))
}

/// What is between the publisher and its backend.
pub(crate) struct Wire {
    inner: MemoryPublish,
    /// The ids of each call, in their order, whether it succeeded or not.
    enqueued: Mutex<Vec<Vec<JobId>>>,
    /// What the next calls of `enqueue` answer.
    failures: Mutex<VecDeque<Failure>>,
    /// How long an `enqueue` takes.
    round_trip: Mutex<Duration>,
    finds: AtomicU32,
    cancels: AtomicU32,
    waits: AtomicU32,
}

pub(crate) enum Failure {
    /// The request is lost.
    Before(Error),
    /// The answer is.
    After(Error),
}

impl Wire {
    /// The calls of `enqueue` so far.
    pub(crate) fn enqueues(&self) -> Vec<Vec<JobId>> {
        self.enqueued.lock().unwrap().clone()
    }

    /// All calls so far.
    pub(crate) fn calls(&self) -> u32 {
        let others = [&self.finds, &self.cancels, &self.waits].map(|calls| calls.load(Ordering::SeqCst));
        self.enqueues().len() as u32 + others.iter().sum::<u32>()
    }

    pub(crate) fn waits(&self) -> u32 {
        self.waits.load(Ordering::SeqCst)
    }

    pub(crate) fn fail(&self, failures: impl IntoIterator<Item = Failure>) {
        self.failures.lock().unwrap().extend(failures);
    }

    pub(crate) fn take_for_each_round_trip(&self, time: Duration) {
        *self.round_trip.lock().unwrap() = time;
    }
}

pub(crate) fn unavailable() -> Error {
    Error::Unavailable {
        backend: "the test's wire".into(),
        action: "add jobs",
        problem: "it is cut".into(),
    }
}

pub(crate) fn timeout() -> Error {
    Error::Timeout {
        backend: "the test's wire".into(),
        action: "add jobs",
        after: Duration::from_secs(10),
    }
}

#[async_trait]
impl Records for Wire {
    async fn find(&self, job: &JobRef) -> Result<Option<JobRecord>, Error> {
        self.finds.fetch_add(1, Ordering::SeqCst);
        self.inner.find(job).await
    }

    async fn cancel(&self, job: &JobRef) -> Result<CancelOutcome, Error> {
        self.cancels.fetch_add(1, Ordering::SeqCst);
        self.inner.cancel(job).await
    }
}

#[async_trait]
impl Publish for Wire {
    async fn enqueue(&self, topic: &TopicName, jobs: &[NewJob]) -> Result<Vec<Enqueued>, Error> {
        self.enqueued
            .lock()
            .unwrap()
            .push(jobs.iter().map(|job| job.id.clone()).collect());
        let failure = self.failures.lock().unwrap().pop_front();
        let round_trip = *self.round_trip.lock().unwrap();
        if !round_trip.is_zero() {
            tokio::time::sleep(round_trip).await;
        }
        match failure {
            None => self.inner.enqueue(topic, jobs).await,
            Some(Failure::Before(error)) => Err(error),
            Some(Failure::After(error)) => {
                self.inner.enqueue(topic, jobs).await?;
                Err(error)
            }
        }
    }

    async fn finished(&self, job: &JobRef) -> Result<Finished, Error> {
        self.waits.fetch_add(1, Ordering::SeqCst);
        self.inner.finished(job).await
    }
}
