//! Several worker processes on one topic. They are up before the topic is resumed, so their start costs nothing.

use std::path::Path;
use std::time::Instant;

use futures::future::{select_all, try_join_all};
use oqron::{Retention, TopicName};

use crate::bench::{Bench, DRAIN, fill, rate};
use crate::children::Process;
use crate::error::Error;
use crate::row::Row;

/// Of each process, whatever their number.
const CONCURRENCY: &str = "25";

pub(crate) async fn measure(bench: &Bench, program: &Path, jobs: u64) -> Result<Vec<Row>, Error> {
    let operator = oqron::operator(&bench.config).await?;
    let topic = TopicName::new(DRAIN)?;
    let mut rows = Vec::new();
    for count in [2, 4, 8] {
        fill(&bench.queue(DRAIN), jobs, Retention::default()).await?;
        operator.pause(&topic).await?;
        let variables = bench.variables();
        let starts = (0..count).map(|_| Process::start(program, &["drain", CONCURRENCY], &variables));
        let mut workers = try_join_all(starts).await?;
        let began = Instant::now();
        operator.resume(&topic).await?;
        while workers.iter().map(Process::done).sum::<u64>() < jobs {
            let next = workers.iter_mut().map(|worker| Box::pin(worker.done_more()));
            let (done, _, _) = select_all(next).await;
            done?;
        }
        try_join_all(workers.iter_mut().map(Process::stop)).await?;
        let figure = format!("{count} worker processes at {CONCURRENCY}");
        rows.push(Row::new(figure, rate(jobs, began.elapsed()), "jobs/s"));
    }
    Ok(rows)
}
