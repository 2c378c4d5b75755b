use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use oqron::{Config, JobHandle, Queue, Retention};
use tokio::task::JoinSet;

use super::Failure;
use crate::load::{FLOOD, Load, Work, numbered};
use crate::place::PATIENCE;
use crate::program::Report;

/// A publisher that adds as fast as it can.
#[derive(Clone, Debug, clap::Args)]
pub struct Publish {
    /// How many, over all topics
    #[arg(long)]
    jobs: usize,
    /// Tasks that add at the same time
    #[arg(long, default_value_t = 4)]
    tasks: usize,
    /// Jobs in one add; with 1 the tasks share round trips
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Bytes in each payload beside the work
    #[arg(long, default_value_t = 0)]
    padding: usize,
    /// What each job does, in JSON
    #[arg(long, value_parser = read_work)]
    work: Work,
    /// Spreads the jobs over so many topics; 0: all into one
    #[arg(long, default_value_t = 0)]
    topics: usize,
    /// Waits for the result of each job
    #[arg(long)]
    results: Option<usize>,
}

fn read_work(text: &str) -> Result<Work, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

impl Publish {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut config = Config::load()?;
        config.retention = Retention {
            max_count: None,
            ..Retention::default()
        };
        let publisher = oqron::publisher(config).await?;
        let next = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..self.tasks {
            let (publisher, next, options) = (publisher.clone(), Arc::clone(&next), self.clone());
            tasks.spawn(async move {
                let mut count = 0;
                loop {
                    let first = next.fetch_add(options.batch, Ordering::Relaxed);
                    let batch = options.jobs.saturating_sub(first).min(options.batch);
                    if batch == 0 {
                        return Ok::<usize, Failure>(count);
                    }
                    let topic = match options.topics {
                        0 => FLOOD,
                        topics => numbered(first / options.batch % topics),
                    };
                    let jobs = options.add(&publisher.queue(topic), batch).await?;
                    count += jobs.len();
                    if let Some(bytes) = options.results {
                        read_results(&jobs, bytes).await?;
                    }
                }
            });
        }
        let mut count = 0;
        while let Some(ended) = tasks.join_next().await {
            count += ended??;
        }
        Report::write(count as u64);
        Ok(())
    }

    async fn add(
        &self,
        queue: &Queue<Load, String>,
        batch: usize,
    ) -> Result<Vec<JobHandle<String>>, Failure> {
        let load = Load::new(self.work, self.padding);
        if batch == 1 {
            return Ok(vec![queue.add(&load).await?]);
        }
        Ok(queue.add_many(&vec![load; batch]).await?)
    }
}

async fn read_results(jobs: &[JobHandle<String>], bytes: usize) -> Result<(), Failure> {
    let mut results: FuturesUnordered<_> = jobs.iter().map(|job| job.result(PATIENCE)).collect();
    while let Some(result) = results.next().await {
        let length = result?.len();
        if length != bytes {
            return Err(format!("a result has {length} bytes where {bytes} belong").into());
        }
    }
    Ok(())
}
