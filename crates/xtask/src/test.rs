//! `cargo xtask test`: everything, with servers of its own.

use std::process::Command;

use crate::{
    cargo::{Workspace, cargo},
    error::Error,
    interrupt::Interrupt,
    run::succeeds,
    servers::Servers,
};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Arguments for nextest (or cargo test): a filter, a package. With any, the doctests are left out
    #[arg(last = true, value_name = "ARGUMENTS")]
    for_the_runner: Vec<String>,
}

pub(crate) fn run(options: &Options, workspace: &Workspace, interrupt: &Interrupt) -> Result<(), Error> {
    let servers = Servers::start(interrupt)?;
    let part = &options.for_the_runner;
    // The doctests come first, because the last lines of all should be the summary of the many tests: cargo ends the
    // doctests with the count of the last crate, whatever that is.
    let doctests = match part.is_empty() {
        true => test(
            cargo().args(["test", "--doc", "--workspace", "--all-features"]),
            workspace,
            &servers,
            interrupt,
        ),
        false => Ok(()),
    };
    if let Err(interrupted @ Error::Interrupted(_)) = doctests {
        return Err(interrupted);
    }
    let mut command = cargo();
    if succeeds(cargo().args(["nextest", "--version"])) {
        command.args(["nextest", "run"]);
    } else {
        command.args([
            "test",
            "--lib",
            "--bins",
            "--tests",
            "--examples",
            "--no-fail-fast",
        ]);
    }
    if !part.iter().any(|word| names_a_package(word)) {
        command.arg("--workspace");
    }
    command.arg("--all-features").args(part);
    test(&mut command, workspace, &servers, interrupt)?;
    doctests.map_err(|_| {
        Error::found("doctests failed, see above; again: cargo test --doc --workspace --all-features")
    })
}

fn test(
    command: &mut Command,
    workspace: &Workspace,
    servers: &Servers,
    interrupt: &Interrupt,
) -> Result<(), Error> {
    command.envs(servers.variables()).current_dir(&workspace.root);
    crate::run::run(command, interrupt).map_err(|error| match error {
        Error::Failed { code, .. } => Error::TestsFailed { code },
        other => other,
    })
}

fn names_a_package(word: &str) -> bool {
    word.starts_with("-p") || word == "--package" || word.starts_with("--package=")
}
