//! `overload --full --backend redis`: every flood in full size, on a server of its own, as a table. And what the scenarios
//! start: `overload work …`, `overload publish …`, `overload crowd …`.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

use std::process::ExitCode;

use clap::Parser;
use oqron_overload::place::{Backend, Place};
use oqron_overload::role::{Failure, Role};
use oqron_overload::scenario::{SCENARIOS, Size};
use oqron_overload::table;
use tracing_subscriber::EnvFilter;

/// More than anybody should ask for.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    role: Option<Role>,
    /// In full size, and not in that of the tests
    #[arg(long)]
    full: bool,
    /// Where the jobs are
    #[arg(long, value_enum)]
    backend: Option<Backend>,
    /// Only the scenario of this name
    #[arg(long)]
    only: Option<String>,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")))
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let options = Options::parse();
    let ended = match options.role {
        Some(role) => played(role),
        None => flooded(&options),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn played(role: Role) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(role.play())
}

fn flooded(options: &Options) -> Result<(), Failure> {
    let backend = options
        .backend
        .ok_or("--backend says where: sqlite, redis, postgres")?;
    let program = std::env::current_exe()?;
    let size = match options.full {
        true => Size::Full,
        false => Size::Test,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    println!("{}", table::head());
    for scenario in SCENARIOS {
        if options.only.as_deref().is_some_and(|only| only != scenario.name) {
            continue;
        }
        let row = runtime.block_on(async {
            let place = Place::alone(backend, &program).await;
            scenario.run(&place, size).await
        });
        println!("{}", table::line(scenario.name, &row));
    }
    Ok(())
}
