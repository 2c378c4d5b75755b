//! Prefilled jobs at three concurrencies, their history kept (as by default) or removed.

use oqron::Retention;

use crate::bench::{Bench, DRAIN, fill, rate};
use crate::error::Error;
use crate::row::Row;

pub(crate) async fn measure(bench: &Bench, jobs: u64) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for (name, retention) in [("kept", Retention::default()), ("removed", Retention::none())] {
        for concurrency in [1, 10, 100] {
            let jobs = match concurrency {
                1 => (jobs / 10).max(1),
                _ => jobs,
            };
            fill(&bench.queue(DRAIN), jobs, retention).await?;
            let time = bench.drain(jobs, concurrency).await?;
            let figure = format!("drain at {concurrency}, history {name}");
            rows.push(Row::new(figure, rate(jobs, time), "jobs/s"));
        }
    }
    Ok(rows)
}
