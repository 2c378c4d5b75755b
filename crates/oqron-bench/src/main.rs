//! Measures Oqron with the programs and settings that a user would have. `cargo xtask bench` builds it, starts the servers
//! and calls it; by hand it takes the URLs of yours.
//!
//! - `recovery`: how long a killed worker's job waits for the next attempt;
//! - `fleet`: worker processes that say when a job starts, and can be killed;
//! - `worker`: what these processes run;
//! - `speed`: jobs a second, and how long one waits;
//! - `figures`: percentiles.

#![allow(clippy::print_stdout, reason = "it prints what it measured")]

mod error;
mod figures;
mod fleet;
mod recovery;
mod speed;
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
    /// Add, drain and pick up jobs as fast as it goes
    Speed(speed::Options),
    /// What the other tasks start: a worker configured by OQRON_*, whose jobs end when a line comes on its input
    #[command(hide = true)]
    Worker,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new("error"))
        .with_writer(std::io::stderr)
        .init();
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(error::Error::Io)
        .and_then(|runtime| {
            runtime.block_on(async {
                match Arguments::parse().task {
                    Task::Recovery(options) => recovery::run(&options).await,
                    Task::Speed(options) => speed::run(&options).await,
                    Task::Worker => worker::run().await,
                }
            })
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
