//! A load that is not all alike: three priorities, every twentieth job fails once, every twentieth is delayed.

use std::sync::Arc;
use std::time::Duration;

use oqron::{Context, JobError, Retries, Topic, Worker};

use crate::bench::{BULK, Bench, Counter, Video, rate, run_until_done};
use crate::error::Error;
use crate::row::Row;

const TOPIC: &str = "mixed";
const RETRY_AFTER: Duration = Duration::from_millis(100);
const DELAY: Duration = Duration::from_millis(250);
/// A bitrate that says: fail the first time.
const FAILS_ONCE: u32 = 0;

pub(crate) async fn measure(bench: &Bench, jobs: u64) -> Result<Vec<Row>, Error> {
    let queue = bench.queue(TOPIC);
    for first in (0..jobs).step_by(BULK as usize) {
        let adds: Vec<_> = (first..(first + BULK).min(jobs))
            .map(|number| {
                let mut video = Video::new(number);
                if number % 20 == 7 {
                    video.bitrate = FAILS_ONCE;
                }
                let add = queue.add(&video).priority((number % 3) as u32);
                match number % 20 {
                    13 => add.delay(DELAY),
                    _ => add,
                }
            })
            .collect();
        queue.add_many(adds).await?;
    }
    let counter = Counter::new(jobs);
    let counting = Arc::clone(&counter);
    let worker = Worker::new(Topic::<Video, ()>::new(TOPIC), move |ctx: Context<Video>| {
        std::future::ready(match ctx.data().bitrate == FAILS_ONCE && ctx.attempt() == 1 {
            true => Err(JobError::new("the first attempt")),
            false => {
                counting.count();
                Ok(())
            }
        })
    })
    .retries(Retries::fixed(1, RETRY_AFTER))
    .concurrency(100);
    let runtime = oqron::runtime(bench.config.clone()).await?.worker(worker)?;
    let time = run_until_done(runtime, &counter).await?;
    Ok(vec![Row::new("mixed load at 100", rate(jobs, time), "jobs/s")])
}
