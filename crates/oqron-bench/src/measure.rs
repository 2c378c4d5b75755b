//! What is measured: sections, each of which belongs into a process and a database of its own, so that no section finds the
//! memory or the rows of another.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use oqron::core::BackendKind;

use crate::bench::Bench;
use crate::error::Error;
use crate::row::{Printer, Row};
use crate::{adds, backlog, bytes, drain, fsync, idle, memory, mixed, pickup, pinned, processes, proof};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// In this order
    #[arg(long, default_values = ["adds", "drains", "pickup"])]
    only: Vec<Section>,
    /// Where: sqlite:…, redis://…, postgres://…
    #[arg(long)]
    url: String,
    /// Jobs that are added in bulk, and drained at concurrency 10 and 100; a tenth of it at 1
    #[arg(long, default_value_t = 50_000)]
    jobs: u64,
    /// Jobs whose way from the add to the handler is timed
    #[arg(long, default_value_t = 100)]
    samples: u64,
    /// Jobs that wait in the section `backlog`
    #[arg(long, default_value_t = 1_000_000)]
    backlog: u64,
    /// How long the section `pinned` runs in each of its settings
    #[arg(long, default_value = "5m", value_parser = humantime::parse_duration)]
    pinned: Duration,
    /// How long the idle ones are watched, after three fifths of it in which they settle
    #[arg(long, default_value = "5m", value_parser = humantime::parse_duration)]
    idle: Duration,
    /// The program `oqron-bench-process`, built with the backend of the URL; the sections `memory` and `processes` start it
    #[arg(long, value_name = "PATH")]
    process: Option<PathBuf>,
    /// Print a JSON object a line
    #[arg(long)]
    lines: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    /// One by one, from 100 tasks, 1,000 at once
    Adds,
    /// Prefilled jobs at concurrency 1, 10 and 100, with and without a history
    Drains,
    /// From the add to the handler of an idle worker
    Pickup,
    /// An idle publisher and a worker at concurrency 100
    Memory,
    /// Calls that reach the backend while a worker has nothing to do
    IdleWorker,
    /// The same for a publisher
    IdlePublisher,
    /// What a waiting job costs in the backend
    Bytes,
    /// Drain at 100 with few and with a million jobs waiting
    Backlog,
    /// Drain over time while a transaction of somebody else holds the xmin horizon (PostgreSQL)
    Pinned,
    /// Priorities, retries and delays at once
    Mixed,
    /// Two, four and eight worker processes
    Processes,
    /// A write and an fsync beside the SQLite file
    Fsync,
    /// A drain with every call recorded, held against the promises
    Proof,
}

pub(crate) async fn run(options: &Options) -> Result<(), Error> {
    let printer = match options.lines {
        true => Printer::Lines,
        false => Printer::Text,
    };
    // What is missing is said before anything is measured.
    if options.only.iter().any(|section| section.starts_processes()) {
        options.process()?;
    }
    for section in &options.only {
        for row in section.measure(options).await? {
            printer.print(&row)?;
        }
    }
    Ok(())
}

impl Options {
    fn process(&self) -> Result<&Path, Error> {
        let program = self.process.as_deref().filter(|path| path.is_file());
        program.ok_or_else(|| {
            Error::Found(
                "the sections `memory` and `processes` start a program with one backend: build it by `cargo build --release \
                 --package oqron-bench-process --features redis` (or postgres, or sqlite: the backend of the URL), and say \
                 where it is by `--process PATH`"
                    .into(),
            )
        })
    }
}

impl Section {
    fn starts_processes(self) -> bool {
        matches!(self, Self::Memory | Self::Processes)
    }

    async fn measure(self, options: &Options) -> Result<Vec<Row>, Error> {
        let bench = Bench::new(&options.url).await?;
        let kind = bench.config.url.kind();
        match self {
            Self::Adds => adds::measure(&bench, options.jobs).await,
            Self::Drains => drain::measure(&bench, options.jobs).await,
            Self::Pickup => pickup::measure(&bench, options.samples).await,
            Self::Memory => memory::measure(&bench, options.process()?, options.jobs / 2).await,
            Self::IdleWorker => idle::worker(&bench, options.idle).await,
            Self::IdlePublisher => idle::publisher(&bench, options.idle).await,
            Self::Bytes => bytes::measure(&bench, options.jobs * 2).await,
            Self::Backlog => backlog::measure(&bench, options.jobs, options.backlog).await,
            Self::Pinned if kind == BackendKind::Postgres => pinned::measure(&bench, options.pinned).await,
            Self::Mixed => mixed::measure(&bench, options.jobs).await,
            Self::Processes => processes::measure(&bench, options.process()?, options.jobs).await,
            Self::Fsync if kind == BackendKind::Sqlite => fsync::measure(bench.sqlite_path()?).await,
            Self::Proof => proof::measure(&bench, options.jobs / 10).await,
            Self::Pinned | Self::Fsync => Ok(Vec::new()),
        }
    }
}
