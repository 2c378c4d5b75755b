//! Whether many waiting jobs make each of them slower: the same number drained at 100, of a few and of a million that wait.

use oqron::Retention;

use crate::bench::{Bench, DRAIN, fill, rate};
use crate::error::Error;
use crate::row::Row;

/// Waiting behind the jobs of the first drain.
const FEW: u64 = 10_000;

pub(crate) async fn measure(bench: &Bench, jobs: u64, many: u64) -> Result<Vec<Row>, Error> {
    let queue = bench.queue(DRAIN);
    let (few, many) = (jobs + FEW, many.max(jobs + FEW));
    let mut rates = Vec::new();
    // The second time, what the first has left is still there.
    for more in [few, many - FEW] {
        fill(&queue, more, Retention::default()).await?;
        rates.push(rate(jobs, bench.drain(jobs, 100).await?));
    }
    Ok(vec![
        Row::new("drain at 100, 60,000 waiting", rates[0], "jobs/s"),
        Row::new("drain at 100, a million waiting", rates[1], "jobs/s"),
        Row::new("part of the rate that a million leaves", rates[1] / rates[0], ""),
    ])
}
