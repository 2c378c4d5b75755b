//! The only build tool of the workspace: `cargo xtask --help`. One file or folder a subcommand; what several of them need
//! (running cargo, being interrupted, the servers) stands beside them.
//!
//! Whatever a subcommand starts has ended when it ends, also on Ctrl-C, SIGTERM and, on Linux, SIGKILL.

#![allow(
    clippy::print_stdout,
    reason = "a build tool talks to the person in front of it"
)]

mod bench;
mod cargo;
mod ci;
mod demo;
mod error;
mod interrupt;
mod run;
mod servers;
mod simulate;
mod soak;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{cargo::Workspace, error::Error, interrupt::Interrupt};

#[derive(Parser)]
#[command(
    name = "xtask",
    bin_name = "cargo xtask",
    about = "Builds, checks, tests and shows Oqron"
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Encode six clips with two workers, kill one of them in the middle, and see that nothing is lost
    Demo(demo::Options),
    /// Run all tests against private Redis and PostgreSQL servers
    Test(test::Options),
    /// Check formatting, lints, docs, dependencies, features and the separation of publisher and worker
    Ci(ci::Options),
    /// Measure on private servers
    Bench(bench::Options),
    /// Run thousands of simulated histories in which everything fails, or replay one
    Simulate(simulate::Options),
    /// Kill, freeze and starve real processes at random, for minutes or hours
    Soak(soak::Options),
    /// Start private Redis and PostgreSQL servers and keep them until Ctrl-C
    Servers,
}

fn main() -> ExitCode {
    let task = Arguments::parse().task;
    match run_task(task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(text) = error.for_people() {
                eprintln!("error: {text}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}

fn run_task(task: Task) -> Result<(), Error> {
    let interrupt = Interrupt::watch()?;
    match task {
        Task::Demo(options) => demo::run(&options, &Workspace::read()?, &interrupt),
        Task::Test(options) => test::run(&options, &Workspace::read()?, &interrupt),
        Task::Ci(options) => ci::run(&options, &Workspace::read()?, &interrupt),
        Task::Bench(options) => bench::run(&options, &Workspace::read()?, &interrupt),
        Task::Simulate(options) => simulate::run(&options, &Workspace::read()?, &interrupt),
        Task::Soak(options) => soak::run(&options, &Workspace::read()?, &interrupt),
        Task::Servers => servers::keep(&interrupt),
    }
}
