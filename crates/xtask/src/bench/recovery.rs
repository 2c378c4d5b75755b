//! `cargo xtask bench recovery`: how soon the job of a killed worker is tried again.

use std::{path::PathBuf, time::Duration};

use oqron_testing::servers::{PostgresOptions, PostgresServer, RedisOptions, RedisServer};

use super::build;
use crate::{
    cargo::Workspace,
    error::Error,
    interrupt::Interrupt,
    run::run as run_program,
    servers::{Server, install_missing},
};

/// Longer than the default `lock_ttl`.
const UP_FOR: Duration = Duration::from_secs(32);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Kills for each backend and setting
    #[arg(long, default_value_t = 50)]
    kills: usize,
    /// Write the figures to this file, as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

pub(crate) fn run(options: &Options, workspace: &Workspace, interrupt: &Interrupt) -> Result<(), Error> {
    build(workspace, interrupt)?;
    install_missing(&[Server::Redis, Server::Postgres], interrupt)?;
    let redis = RedisServer::start(RedisOptions::new())?;
    let postgres = PostgresServer::start(PostgresOptions::new())?;
    eprintln!("Waiting until the servers have been up for a lease: before that, absences say nothing");
    interrupt.pause(UP_FOR)?;
    let folder = workspace.scratch("bench");
    std::fs::create_dir_all(&folder).map_err(Error::io(format!("make the folder {}", folder.display())))?;
    let file = folder.join(format!("recovery-{}.db", std::process::id()));

    let mut measure = std::process::Command::new(workspace.built_for_release("oqron-bench"));
    measure.args(["recovery", "--kills", &options.kills.to_string()]);
    for url in [format!("sqlite:{}", file.display()), redis.url(), postgres.url()] {
        measure.args(["--url", &url]);
    }
    if let Some(json) = &options.json {
        measure.arg("--json").arg(json);
    }
    run_program(&measure, interrupt)
}
