//! `cargo xtask bench`: what Oqron measures of itself, on servers that are started for it.

use std::{path::PathBuf, time::Duration};

use clap::Subcommand;
use oqron_testing::servers::{PostgresOptions, PostgresServer, RedisOptions, RedisServer};

use crate::{
    cargo::{Workspace, cargo},
    error::Error,
    interrupt::Interrupt,
    run::run as run_program,
    servers::{Server, install_missing},
};

/// Longer than the default `lock_ttl`.
const UP_FOR: Duration = Duration::from_secs(32);

#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Kill workers in the middle of a job, and measure until another one has begun the next attempt
    Recovery {
        /// Kills for each backend and setting
        #[arg(long, default_value_t = 50)]
        kills: usize,
        /// Write the figures to this file, as JSON
        #[arg(long)]
        json: Option<PathBuf>,
    },
}

pub(crate) fn run(options: &Options, workspace: &Workspace, interrupt: &Interrupt) -> Result<(), Error> {
    let Task::Recovery { kills, json } = &options.task;
    let mut build = cargo();
    build.args(["build", "--release", "--package", "oqron-bench"]);
    run_program(build.current_dir(&workspace.root), interrupt)?;

    install_missing(&[Server::Redis, Server::Postgres], interrupt)?;
    let redis = RedisServer::start(RedisOptions::new())?;
    let postgres = PostgresServer::start(PostgresOptions::new())?;
    eprintln!("Waiting until the servers have been up for a lease: before that, absences say nothing");
    interrupt.pause(UP_FOR)?;
    let folder = workspace.scratch("bench");
    std::fs::create_dir_all(&folder).map_err(Error::io(format!("make the folder {}", folder.display())))?;
    let file = folder.join(format!("recovery-{}.db", std::process::id()));

    let mut measure = std::process::Command::new(workspace.built_for_release("oqron-bench"));
    measure.args(["recovery", "--kills", &kills.to_string()]);
    for url in [format!("sqlite:{}", file.display()), redis.url(), postgres.url()] {
        measure.args(["--url", &url]);
    }
    if let Some(json) = json {
        measure.arg("--json").arg(json);
    }
    run_program(&measure, interrupt)
}
