//! `cargo xtask ci`: what has to hold besides the tests. All steps run, also after one has failed, so that one run shows
//! everything that is wrong.

mod deny;
mod features;
mod markers;
mod separation;

use std::{
    process::Command,
    time::{Duration, Instant},
};

use clap::ValueEnum;

use crate::{
    cargo::{Workspace, cargo},
    error::Error,
    interrupt::Interrupt,
    run::run as run_program,
};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only these steps; all of them without any
    steps: Vec<Step>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Step {
    /// Formatting
    Fmt,
    /// Lints, for all features and targets together
    Clippy,
    /// The documentation builds without a warning
    Doc,
    /// Licences, banned crates and sources of all dependencies
    Deny,
    /// Every feature of every library on its own, and the sets that users choose
    Features,
    /// A program that only publishes holds nothing that consumes
    Separation,
}

pub(crate) fn run(options: &Options, workspace: &Workspace, interrupt: &Interrupt) -> Result<(), Error> {
    let steps = match options.steps.as_slice() {
        [] => Step::value_variants(),
        some => some,
    };
    let mut failed = Vec::new();
    let mut times = Vec::new();
    for step in steps {
        let name = step.name();
        eprintln!("\n==> {name}");
        let started = Instant::now();
        let result = step.run(workspace, interrupt);
        let time = started.elapsed();
        times.push(format!("{name} {}", seconds(time)));
        match result {
            Ok(()) => eprintln!("    {name}: passed in {}", seconds(time)),
            Err(interrupted @ Error::Interrupted(_)) => return Err(interrupted),
            Err(error) => {
                eprintln!(
                    "    {name}: FAILED in {}\n    {error}\n    again: cargo xtask ci {name}",
                    seconds(time)
                );
                failed.push(name);
            }
        }
    }
    eprintln!("\n==> {}", times.join(", "));
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Error::found(format!(
            "failed: {}; again: cargo xtask ci {}",
            failed.join(", "),
            failed.join(" ")
        ))),
    }
}

impl Step {
    fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_string())
            .unwrap_or_default()
    }

    fn run(self, workspace: &Workspace, interrupt: &Interrupt) -> Result<(), Error> {
        match self {
            Self::Fmt => in_root(workspace, cargo().args(["fmt", "--all", "--check"]), interrupt),
            Self::Clippy => in_root(
                workspace,
                cargo().args([
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--all-features",
                    "--",
                    "--deny=warnings",
                ]),
                interrupt,
            ),
            Self::Doc => in_root(
                workspace,
                cargo()
                    .args(["doc", "--workspace", "--all-features", "--no-deps"])
                    .env("RUSTDOCFLAGS", "--deny=warnings"),
                interrupt,
            ),
            Self::Deny => deny::check(workspace, interrupt),
            Self::Features => features::check(workspace, interrupt),
            Self::Separation => separation::check(workspace, interrupt),
        }
    }
}

fn in_root(workspace: &Workspace, command: &mut Command, interrupt: &Interrupt) -> Result<(), Error> {
    run_program(command.current_dir(&workspace.root), interrupt)
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
