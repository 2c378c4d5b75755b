//! What a process has in RAM after some work.

use std::path::Path;

use oqron::Retention;

use crate::bench::{Bench, DRAIN, fill};
use crate::children::Process;
use crate::error::Error;
use crate::row::Row;

pub(crate) async fn measure(bench: &Bench, program: &Path, jobs: u64) -> Result<Vec<Row>, Error> {
    let variables = bench.variables();
    let mut publisher = Process::start(program, &["publish", "1000"], &variables).await?;
    let published = publisher.stop().await?;
    fill(&bench.queue(DRAIN), jobs, Retention::default()).await?;
    let mut worker = Process::start(program, &["drain", "100"], &variables).await?;
    while worker.done_more().await? < jobs {}
    let worked = worker.stop().await?;
    Ok(vec![
        Row::new("memory of an idle publisher", published, "MB"),
        Row::new("memory of a worker at 100", worked, "MB"),
    ])
}
