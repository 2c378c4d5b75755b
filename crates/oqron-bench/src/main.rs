//! Measures Oqron with the programs and settings that a user would have. `cargo xtask bench` builds it, starts the servers
//! and calls it; by hand it takes the URLs of yours.
//!
//! - `recovery`: how long a killed worker's job waits for the next attempt;
//! - `fleet`: worker processes that say when a job starts, and can be killed;
//! - `worker`: what these processes run;
//! - `measure`: everything else, in sections: `adds`, `drain`, `pickup`, `memory`, `idle`, `bytes`, `backlog`, `pinned`, `mixed`,
//!   `processes`, `fsync`, `proof`, on what is in `bench`;
//! - `children`: who starts the program `oqron-bench-process`, whose memory is its own; `recorded`: every call written down;
//! - `figures`, `row`: percentiles, and one measured figure.

#![allow(clippy::print_stdout, reason = "it prints what it measured")]

mod adds;
mod backlog;
mod bench;
mod bytes;
mod children;
mod drain;
mod error;
mod figures;
mod fleet;
mod fsync;
mod idle;
mod measure;
mod memory;
mod mixed;
mod pickup;
mod pinned;
mod processes;
mod proof;
mod recorded;
mod recovery;
mod row;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "oqron-bench", about = "Measures Oqron")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Kill workers in the middle of a job, and measure until another one has begun the next attempt
    Recovery(recovery::Options),
    /// How fast, how much memory, how often
    #[command(alias = "speed")]
    Measure(measure::Options),
    /// The version of the SQLite that is compiled in
    SqliteVersion,
    /// What `recovery` starts: a worker configured by OQRON_*, whose jobs end when a line comes on its input
    #[command(hide = true)]
    Worker,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::ERROR)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(error::Error::Io)
        .and_then(|runtime| {
            // On a thread of the runtime, where a program's requests are served too, and not beside them.
            let running = runtime.spawn(run(Arguments::parse().task));
            runtime
                .block_on(running)
                .map_err(|error| error::Error::Found(error.to_string()))?
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(task: Task) -> Result<(), error::Error> {
    match task {
        Task::Recovery(options) => recovery::run(&options).await,
        Task::Measure(options) => measure::run(&options).await,
        Task::SqliteVersion => {
            println!("{}", rusqlite::version());
            Ok(())
        }
        Task::Worker => worker::run().await,
    }
}
