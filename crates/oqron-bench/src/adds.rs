//! Adding: one by one, from many tasks, in bulk.

use std::time::{Duration, Instant};

use oqron::Retention;

use crate::bench::{Bench, Video, fill, rate};
use crate::error::Error;
use crate::row::Row;

const TASKS: u64 = 100;

pub(crate) async fn measure(bench: &Bench, jobs: u64) -> Result<Vec<Row>, Error> {
    let (few, many) = ((jobs / 16).max(1), jobs.max(TASKS));
    let row = |figure: &str, jobs, time| Row::new(figure, rate(jobs, time), "jobs/s");
    Ok(vec![
        row("add one by one, one task", few, one_by_one(bench, few).await?),
        row("add from 100 tasks", many, from_tasks(bench, many).await?),
        row("add in bulk of 1,000", jobs, in_bulk(bench, jobs).await?),
    ])
}

async fn one_by_one(bench: &Bench, jobs: u64) -> Result<Duration, Error> {
    let queue = bench.queue("one-by-one");
    queue.add(&Video::new(0)).await?;
    let began = Instant::now();
    for number in 0..jobs {
        queue.add(&Video::new(number)).await?;
    }
    Ok(began.elapsed())
}

async fn from_tasks(bench: &Bench, jobs: u64) -> Result<Duration, Error> {
    let queue = bench.queue("from-tasks");
    queue.add(&Video::new(0)).await?;
    let began = Instant::now();
    let tasks = (0..TASKS).map(|task| {
        let queue = queue.clone();
        tokio::spawn(async move {
            for number in (task..jobs).step_by(TASKS as usize) {
                queue.add(&Video::new(number)).await?;
            }
            Ok::<(), Error>(())
        })
    });
    for joined in tasks.collect::<Vec<_>>() {
        joined.await.map_err(|error| Error::Found(error.to_string()))??;
    }
    Ok(began.elapsed())
}

async fn in_bulk(bench: &Bench, jobs: u64) -> Result<Duration, Error> {
    let queue = bench.queue("in-bulk");
    queue.add(&Video::new(0)).await?;
    let began = Instant::now();
    fill(&queue, jobs, Retention::default()).await?;
    Ok(began.elapsed())
}
