use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use oqron::{Config, Context, JobError, Worker, shutdown_signal};

use super::Failure;
use crate::load::{FLOOD, Load, OTHER, Work as Job, now_micros, numbered};
use crate::program::Report;

/// A worker of the flooded topic, of the other one, or of both.
#[derive(Debug, clap::Args)]
pub struct Work {
    /// Jobs of the flooded topic at the same time; 0: it does not work on it
    #[arg(long, default_value_t = 0)]
    flood: usize,
    /// Works on the first so many of many flooded topics
    #[arg(long, default_value_t = 0)]
    topics: usize,
    /// Jobs of the other topic at the same time; 0: it does not work on it
    #[arg(long, default_value_t = 0)]
    other: usize,
    /// Of each lease
    #[arg(long, default_value_t = 30_000)]
    ttl_ms: u64,
}

impl Work {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let done = Arc::new(AtomicU64::new(0));
        let ttl = Duration::from_millis(self.ttl_ms);
        let mut runtime = oqron::runtime(Config::load()?).await?;
        if self.other > 0 {
            let other = Worker::new(OTHER, async |_: Context<u64>| Ok(now_micros()));
            let other = other.concurrency(self.other as u32);
            runtime = runtime.worker(other.lock_ttl(ttl).heartbeat(ttl / 5))?;
        }
        let flooded = (self.flood > 0).then_some(FLOOD);
        for topic in flooded.into_iter().chain((0..self.topics).map(numbered)) {
            let counter = Arc::clone(&done);
            let flood = Worker::new(topic, move |ctx: Context<Load>| {
                let counter = Arc::clone(&counter);
                async move {
                    let result = work(&ctx).await;
                    counter.fetch_add(1, Ordering::Relaxed);
                    result
                }
            });
            let flood = flood.concurrency(self.flood.max(1) as u32);
            runtime = runtime.worker(flood.lock_ttl(ttl).heartbeat(ttl / 5))?;
        }
        runtime.run(shutdown_signal()).await?;
        Report::write(done.load(Ordering::Relaxed));
        Ok(())
    }
}

async fn work(ctx: &Context<Load>) -> Result<String, JobError> {
    match ctx.data().work {
        Job::Nothing => Ok(String::new()),
        Job::Slow(millis) => {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok(String::new())
        }
        Job::Result(bytes) => Ok("r".repeat(bytes)),
        Job::Talk(millis) => Ok(talk(ctx, Duration::from_millis(millis)).await.to_string()),
    }
}

/// Says so many things without a pause, and tells how many.
async fn talk(ctx: &Context<Load>, time: Duration) -> u64 {
    let begun = Instant::now();
    let mut said = 0;
    while begun.elapsed() < time {
        for _ in 0..1_000 {
            ctx.log(format!("line {said} of somebody who does not stop"));
            ctx.progress((said % 100) as u8, "talking");
            said += 1;
        }
        // As a handler does that reads a program's output: it waits for nothing, and lets others run.
        tokio::task::yield_now().await;
    }
    said
}
