//! How many jobs a second, and how long one job waits: through the public API, with default settings, a payload of about a
//! hundred bytes and a handler that does nothing. The same work as the peers' programs do, in the same order.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use oqron::{Config, Context, JobId, Publisher, Queue, Retention, Topic, Worker};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::error::Error;
use crate::figures::Figures;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where: sqlite:…, redis://…, postgres://…
    #[arg(long)]
    url: String,
    /// Jobs that are drained at concurrency 10 and 100; a tenth of it at 1
    #[arg(long, default_value_t = 50_000)]
    jobs: u64,
    /// Jobs whose way from the add to the handler is timed
    #[arg(long, default_value_t = 100)]
    samples: u64,
    /// Write the figures to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Video {
    video_id: String,
    s3_resource_uri: String,
    codec: String,
    bitrate: u32,
}

/// One measured figure.
#[derive(Serialize)]
struct Row {
    what: String,
    value: f64,
    unit: &'static str,
}

type Videos = Queue<Video, ()>;

const TASKS: u64 = 100;
const BULK: u64 = 1_000;

pub(crate) async fn run(options: &Options) -> Result<(), Error> {
    let mut rows = Vec::new();
    let mut add = |what: &str, value: f64, unit: &'static str| {
        println!("{what:<36} {value:>12.2} {unit}");
        rows.push(Row {
            what: what.to_owned(),
            value,
            unit,
        });
    };
    let bench = Bench::new(&options.url).await?;

    add(
        "add one by one, one task",
        bench.add_one_by_one(3_000).await?,
        "jobs/s",
    );
    add(
        "add from 100 tasks",
        bench.add_from_tasks(60_000).await?,
        "jobs/s",
    );
    add(
        "add in bulk of 1,000",
        bench.add_in_bulk(options.jobs.max(BULK)).await?,
        "jobs/s",
    );
    for (name, retention) in [("kept", Retention::default()), ("removed", Retention::none())] {
        for concurrency in [1, 10, 100] {
            let jobs = if concurrency == 1 {
                options.jobs / 10
            } else {
                options.jobs
            };
            let rate = bench.drain(jobs.max(BULK), concurrency, retention).await?;
            add(&format!("drain at {concurrency}, history {name}"), rate, "jobs/s");
        }
    }
    let pickup = bench.pick_up(options.samples).await?;
    add("pickup p50", pickup.p50 * 1e3, "ms");
    add("pickup p99", pickup.p99 * 1e3, "ms");
    add("pickup max", pickup.max * 1e3, "ms");

    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&rows)? + "\n")?;
    }
    Ok(())
}

struct Bench {
    config: Config,
    publisher: Publisher,
}

impl Bench {
    async fn new(url: &str) -> Result<Self, Error> {
        let environment = JobId::generate();
        let config = Config::new(url)?.namespace("bench", environment.as_str())?;
        let publisher = oqron::publisher(config.clone()).await?;
        Ok(Self { config, publisher })
    }

    fn queue(&self, topic: &'static str) -> Videos {
        self.publisher.queue(Topic::new(topic))
    }

    async fn add_one_by_one(&self, jobs: u64) -> Result<f64, Error> {
        let queue = self.queue("one-by-one");
        queue.add(&video(0)).await?;
        let began = Instant::now();
        for number in 0..jobs {
            queue.add(&video(number)).await?;
        }
        Ok(rate(jobs, began))
    }

    async fn add_from_tasks(&self, jobs: u64) -> Result<f64, Error> {
        let queue = self.queue("from-tasks");
        queue.add(&video(0)).await?;
        let began = Instant::now();
        let tasks = (0..TASKS).map(|task| {
            let queue = queue.clone();
            tokio::spawn(async move {
                for number in 0..jobs / TASKS {
                    queue.add(&video(task * jobs + number)).await?;
                }
                Ok::<(), Error>(())
            })
        });
        for joined in tasks.collect::<Vec<_>>() {
            joined.await.map_err(|error| Error::Found(error.to_string()))??;
        }
        Ok(rate(jobs / TASKS * TASKS, began))
    }

    async fn add_in_bulk(&self, jobs: u64) -> Result<f64, Error> {
        let queue = self.queue("in-bulk");
        queue.add(&video(0)).await?;
        let began = Instant::now();
        fill(&queue, jobs, Retention::default()).await?;
        Ok(rate(jobs, began))
    }

    async fn drain(&self, jobs: u64, concurrency: u32, retention: Retention) -> Result<f64, Error> {
        let topic = "drain";
        let queue = self.queue(topic);
        fill(&queue, jobs, retention).await?;
        let (done, all_done) = oneshot::channel();
        let left = Arc::new(AtomicU64::new(jobs));
        let done = Arc::new(std::sync::Mutex::new(Some(done)));
        let worker = Worker::new(Topic::<Video, ()>::new(topic), async |_: Context<Video>| Ok(()))
            .concurrency(concurrency)
            .on_success(move |_, ()| {
                let (left, done) = (Arc::clone(&left), Arc::clone(&done));
                async move {
                    // Counted after the result is stored.
                    if left.fetch_sub(1, Ordering::Relaxed) == 1
                        && let Some(done) = done.lock().ok().and_then(|mut done| done.take())
                    {
                        let _ = done.send(Instant::now());
                    }
                }
            });
        let runtime = oqron::runtime(self.config.clone()).await?.worker(worker)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let began = Instant::now();
        let working = tokio::spawn(runtime.run(async move {
            let _ = stopped.await;
        }));
        let ended = all_done
            .await
            .map_err(|_| Error::Found("the worker ended before its jobs".into()))?;
        drop(stop);
        working.await.map_err(|error| Error::Found(error.to_string()))??;
        Ok(jobs as f64 / (ended - began).as_secs_f64())
    }

    async fn pick_up(&self, samples: u64) -> Result<Figures, Error> {
        let topic = "pickup";
        let (started, mut starts) = mpsc::channel(samples as usize + 1);
        let worker = Worker::new(Topic::<Video, ()>::new(topic), move |_: Context<Video>| {
            let started = started.clone();
            async move {
                let _ = started.send(Instant::now()).await;
                Ok(())
            }
        })
        .concurrency(10);
        let runtime = oqron::runtime(self.config.clone()).await?.worker(worker)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let working = tokio::spawn(runtime.run(async move {
            let _ = stopped.await;
        }));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let queue = self.queue(topic);
        let mut times = Vec::new();
        for number in 0..samples {
            let began = Instant::now();
            queue.add(&video(number)).await?;
            let start = starts.recv().await;
            times.extend(start.map(|start| start - began));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        drop(stop);
        working.await.map_err(|error| Error::Found(error.to_string()))??;
        Figures::of(&times).ok_or_else(|| Error::Found("give at least one sample".into()))
    }
}

/// Adds so many jobs, a thousand at once.
async fn fill(queue: &Videos, jobs: u64, retention: Retention) -> Result<(), Error> {
    for first in (0..jobs).step_by(BULK as usize) {
        let numbers = first..(first + BULK).min(jobs);
        let adds: Vec<_> = numbers
            .map(|number| queue.add(&video(number)).retention(retention))
            .collect();
        queue.add_many(adds).await?;
    }
    Ok(())
}

fn video(number: u64) -> Video {
    Video {
        video_id: format!("vid_{number}"),
        s3_resource_uri: "s3://bucket/source/file.mov".into(),
        codec: "hevc".into(),
        bitrate: 4_500,
    }
}

fn rate(jobs: u64, began: Instant) -> f64 {
    jobs as f64 / began.elapsed().as_secs_f64()
}
