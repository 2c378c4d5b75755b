//! A namespace for each test on the shared server, and the shortest ways to call the traits.

#![allow(clippy::unwrap_used, reason = "a test ends where its set-up fails")]
// Not every test file uses all of it.
#![allow(dead_code)]

pub(crate) mod log;
pub(crate) mod smoke;

use std::time::Duration;

use deadpool_redis::redis::{self, aio::MultiplexedConnection};
use oqron_core::{
    Claim, Config, Consume, Delivery, Encoded, EnqueueOutcome, Format, JobId, JobOptions, JobRecord, JobRef,
    Lease, NewJob, Outcome, Publish, Records, Settlement, TopicName, Turn, Turned, WorkerId,
};
use oqron_redis::{RedisConsume, RedisOperate, RedisPublish};

/// The three types on one namespace.
pub(crate) struct Bench {
    pub(crate) config: Config,
    pub(crate) publish: RedisPublish,
    pub(crate) consume: RedisConsume,
    pub(crate) operate: RedisOperate,
    pub(crate) topic: TopicName,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::at(&oqron_testing::servers::redis_url()).await
    }

    pub(crate) async fn at(url: &str) -> Self {
        let unique = JobId::generate();
        let config = Config::new(url)
            .unwrap()
            .namespace("test", unique.as_str())
            .unwrap();
        Self {
            publish: RedisPublish::connect(&config).await.unwrap(),
            consume: RedisConsume::connect(&config).await.unwrap(),
            operate: RedisOperate::connect(&config).await.unwrap(),
            topic: TopicName::new("mail").unwrap(),
            config,
        }
    }

    /// The topic's key.
    pub(crate) fn key(&self, suffix: &str) -> String {
        format!("oqron:{{{}:{}}}{suffix}", self.config.namespace, self.topic)
    }

    pub(crate) async fn add(&self, id: &str) -> EnqueueOutcome {
        self.add_with(id, JobOptions::default()).await
    }

    pub(crate) async fn add_with(&self, id: &str, options: JobOptions) -> EnqueueOutcome {
        let added = self
            .publish
            .enqueue(&self.topic, &[job(id, options)])
            .await
            .unwrap();
        added[0].outcome
    }

    pub(crate) async fn claim(&self, worker: &str, request: u64, max: u32) -> Vec<Lease> {
        self.turn(worker, request, &[], Some(max)).await.leases
    }

    pub(crate) async fn turn(
        &self,
        worker: &str,
        request: u64,
        settlements: &[Settlement],
        max: Option<u32>,
    ) -> Turned {
        self.consume
            .turn(&Turn {
                worker: &worker_id(worker),
                topic: &self.topic,
                line: 0,
                request,
                settlements,
                claim: max.map(|max| claim(max, Duration::from_secs(30))),
            })
            .await
            .unwrap()
    }

    pub(crate) async fn find(&self, id: &str) -> Option<JobRecord> {
        self.publish.find(&self.job(id)).await.unwrap()
    }

    pub(crate) fn job(&self, id: &str) -> JobRef {
        JobRef::new(self.topic.clone(), JobId::new(id).unwrap())
    }

    /// A connection beside the adapter's, to edit by hand.
    pub(crate) async fn by_hand(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.config.url.expose()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }
}

pub(crate) fn worker_id(name: &str) -> WorkerId {
    WorkerId::new(name).unwrap()
}

pub(crate) fn job(id: &str, options: JobOptions) -> NewJob {
    let mut job = NewJob::new(json("{}"));
    job.id = JobId::new(id).unwrap();
    job.options = options;
    job
}

pub(crate) fn json(text: &str) -> Encoded {
    Encoded::new(Format::JSON, text.to_owned())
}

pub(crate) fn claim(max: u32, lease_ttl: Duration) -> Claim {
    Claim {
        max,
        lease_ttl,
        delivery: Delivery::AtLeastOnce,
        max_stalls: 3,
    }
}

pub(crate) fn complete(lease: &Lease) -> Settlement {
    Settlement::new(lease.id.clone(), lease.token, Outcome::Complete(json("1")))
}

/// Asks until there is an answer, for ten seconds at most.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(Duration::from_secs(10), what, &mut ask).await
}

/// Asks until there is an answer, with a breath between.
pub(crate) async fn within<T>(limit: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(limit, asking).await {
        Ok(answer) => answer,
        Err(_) => panic!("not within {limit:?}: {what}"),
    }
}
