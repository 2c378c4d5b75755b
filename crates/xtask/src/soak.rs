//! `cargo xtask soak`: everything that can happen to processes, mixed at random for as long as you like.

use crate::{
    cargo::{Workspace, cargo},
    error::Error,
    interrupt::Interrupt,
    run::run as run_program,
    servers::Servers,
};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// For how long; a round that has begun is ended
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// The seed of the first round; by default a new one
    #[arg(long)]
    seed: Option<u64>,
    /// Only on this backend: sqlite, redis or postgres
    #[arg(long)]
    backend: Option<String>,
}

pub(crate) fn run(options: &Options, workspace: &Workspace, interrupt: &Interrupt) -> Result<(), Error> {
    let mut build = cargo();
    build.args(["build", "--package", "oqron-processes", "--bins"]);
    run_program(build.current_dir(&workspace.root), interrupt)?;
    let servers = Servers::start(interrupt)?;
    let mut soak = std::process::Command::new(workspace.built("soak"));
    soak.args(["--minutes", &options.minutes.to_string()])
        .envs(servers.variables());
    if let Some(seed) = options.seed {
        soak.args(["--seed", &seed.to_string()]);
    }
    if let Some(backend) = &options.backend {
        soak.args(["--backend", backend]);
    }
    run_program(&soak, interrupt)
}
