//! What every section works with: a namespace of its own, the payload, prefilled jobs, and a worker that runs until so many
//! jobs are done.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use oqron::{Config, Context, JobError, JobId, Publisher, Queue, Retention, Runtime, Topic, Worker};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::error::Error;

/// The topic that is drained.
pub(crate) const DRAIN: &str = "drain";
/// Jobs that are added at once.
pub(crate) const BULK: u64 = 1_000;
/// A worker that has not finished one more job for so long is stuck, and that is an error and no figure.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// About a hundred bytes of JSON.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Video {
    video_id: String,
    s3_resource_uri: String,
    codec: String,
    pub(crate) bitrate: u32,
}

pub(crate) type Videos = Queue<Video, ()>;

impl Video {
    pub(crate) fn new(number: u64) -> Self {
        Self {
            video_id: format!("vid_{number}"),
            s3_resource_uri: "s3://bucket/source/file.mov".into(),
            codec: "hevc".into(),
            bitrate: 4_500,
        }
    }
}

pub(crate) struct Bench {
    pub(crate) config: Config,
    pub(crate) publisher: Publisher,
    environment: String,
}

impl Bench {
    pub(crate) async fn new(url: &str) -> Result<Self, Error> {
        let environment = JobId::generate().to_string();
        let config = Config::new(url)?.namespace("bench", &environment)?;
        let publisher = oqron::publisher(config.clone()).await?;
        Ok(Self {
            config,
            publisher,
            environment,
        })
    }

    pub(crate) fn queue(&self, topic: &'static str) -> Videos {
        self.publisher.queue(Topic::new(topic))
    }

    /// For a process of its own in the same namespace.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("OQRON_URL", self.config.url.expose().to_owned()),
            ("OQRON_PROJECT", "bench".to_owned()),
            ("OQRON_ENVIRONMENT", self.environment.clone()),
        ]
    }

    pub(crate) fn sqlite_path(&self) -> Result<PathBuf, Error> {
        let path = self.config.url.expose().strip_prefix("sqlite:");
        path.map(PathBuf::from)
            .ok_or_else(|| Error::Found("this is measured on an SQLite file only".into()))
    }

    /// The time from the start of a worker to its end, after it has done so many of the jobs that wait in [`DRAIN`] and every
    /// result is stored.
    pub(crate) async fn drain(&self, jobs: u64, concurrency: u32) -> Result<Duration, Error> {
        let counter = Counter::new(jobs);
        let worker = quick_worker(&counter).concurrency(concurrency);
        let runtime = oqron::runtime(self.config.clone()).await?.worker(worker)?;
        run_until_done(runtime, &counter).await
    }
}

/// Counts to a number.
pub(crate) struct Counter {
    wanted: u64,
    done: AtomicU64,
    reached: Notify,
}

impl Counter {
    pub(crate) fn new(wanted: u64) -> Arc<Self> {
        Arc::new(Self {
            wanted,
            done: AtomicU64::new(0),
            reached: Notify::new(),
        })
    }

    pub(crate) fn count(&self) {
        if self.done.fetch_add(1, Ordering::Relaxed) + 1 == self.wanted {
            self.reached.notify_one();
        }
    }

    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Waits until the number is reached.
    async fn reached(&self) -> Result<(), Error> {
        let mut before = 0;
        while timeout(STUCK_AFTER, self.reached.notified()).await.is_err() {
            if self.done() == before {
                return Err(Error::Found(format!(
                    "{} of {} jobs are done, and no other within {STUCK_AFTER:?}",
                    before, self.wanted
                )));
            }
            before = self.done();
        }
        Ok(())
    }
}

/// A worker whose handler does nothing but count.
pub(crate) fn quick_worker(counter: &Arc<Counter>) -> Worker<Video, ()> {
    let counter = Arc::clone(counter);
    Worker::new(Topic::new(DRAIN), move |_: Context<Video>| {
        counter.count();
        std::future::ready(Ok::<(), JobError>(()))
    })
}

/// Runs until the counter is full and the worker has stopped in order, which it does once every result is stored.
pub(crate) async fn run_until_done(runtime: Runtime, counter: &Arc<Counter>) -> Result<Duration, Error> {
    let handle = runtime.handle();
    let began = Instant::now();
    let working = tokio::spawn(runtime.run(std::future::pending()));
    let reached = counter.reached().await;
    handle.shutdown();
    working.await.map_err(|error| Error::Found(error.to_string()))??;
    reached.map(|()| began.elapsed())
}

/// Adds so many jobs, a thousand at once.
pub(crate) async fn fill(queue: &Videos, jobs: u64, retention: Retention) -> Result<(), Error> {
    for first in (0..jobs).step_by(BULK as usize) {
        let numbers = first..(first + BULK).min(jobs);
        let adds: Vec<_> = numbers
            .map(|number| queue.add(&Video::new(number)).retention(retention))
            .collect();
        queue.add_many(adds).await?;
    }
    Ok(())
}

pub(crate) fn rate(jobs: u64, time: Duration) -> f64 {
    jobs as f64 / time.as_secs_f64()
}
