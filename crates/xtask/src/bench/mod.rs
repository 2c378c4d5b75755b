//! `cargo xtask bench`: what Oqron measures, on servers that are started for it, beside its peers and the limits of the
//! servers.
//!
//! - `stage`: the servers, and a clean database for each process that measures;
//! - `ours`, `peers`, `limits`, `service`: who is measured; `process`: what some of ours start; `program`: how what they start is
//!   kept in bounds;
//! - `sample`: what was measured, over the rounds; `targets`: what is to be reached;
//! - `earlier`: values of a run before; `table`, `plot`, `machine`, `report`: what comes out;
//! - `recovery`: a command of its own.

mod earlier;
mod limits;
mod machine;
mod ours;
mod peer_output;
mod peers;
mod plot;
mod process;
mod program;
mod recovery;
mod report;
mod sample;
mod service;
mod stage;
mod table;
mod targets;

use std::path::PathBuf;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};

use self::{
    earlier::Earlier, limits::Limits, machine::Machine, ours::Section, peers::Peers, report::Report,
    sample::Samples, stage::Stage,
};
use crate::{
    cargo::{Workspace, cargo},
    error::Error,
    interrupt::Interrupt,
    run::run as run_program,
};

pub(crate) use self::stage::Backend;

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    task: Option<Task>,
    /// Everything is measured so often, in turn; the table has the medians
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Only on this backend; may be given several times
    #[arg(long)]
    backend: Vec<Backend>,
    /// Only this section; may be given several times
    #[arg(long)]
    only: Vec<Section>,
    /// With the section `pinned`, which takes a quarter of an hour
    #[arg(long)]
    long: bool,
    /// Small sizes: to see that everything runs, not for figures
    #[arg(long)]
    quick: bool,
    /// Measure other job queues in turn with ours, from this folder, by default `../shared/peers` beside the checkout
    #[arg(long, value_name = "FOLDER", num_args = 0..=1)]
    peers: Option<Option<PathBuf>>,
    /// Measure bare reads and writes with redis-benchmark and pgbench
    #[arg(long)]
    limits: bool,
    /// Show the values of an earlier run as well, out of the file that it wrote with --json; may be given several times
    #[arg(long, value_name = "FILE")]
    with: Vec<PathBuf>,
    /// Write every measured value to this file, as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Draw the most important figures into this file
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Write the tables into docs/benchmarks.md, and JSON and plot into docs/benchmarks/
    #[arg(long)]
    write: bool,
}

#[derive(Subcommand)]
enum Task {
    /// Kill workers in the middle of a job, and measure until another one has begun the next attempt
    Recovery(recovery::Options),
}

pub(crate) fn run(options: &Options, workspace: &Workspace, interrupt: &Interrupt) -> Result<(), Error> {
    match &options.task {
        Some(Task::Recovery(options)) => recovery::run(options, workspace, interrupt),
        None => measure(options, workspace, interrupt),
    }
}

fn measure(options: &Options, workspace: &Workspace, interrupt: &Interrupt) -> Result<(), Error> {
    let backends = match options.backend.is_empty() {
        true => Backend::ALL.to_vec(),
        false => options.backend.clone(),
    };
    let sections = Section::chosen(&options.only, options.long);
    // What is missing is said before anything is built or started.
    let peers = options.peers.as_ref().map(|folder| {
        Peers::find(
            folder
                .clone()
                .unwrap_or_else(|| workspace.root.join("../shared/peers")),
            workspace.scratch("bench").join("peers"),
            options.quick,
        )
    });
    let peers = peers.transpose()?;
    let limits = options
        .limits
        .then(|| Limits::find(workspace, options.quick))
        .transpose()?;
    let earlier = options.with.iter().map(|path| Earlier::read(path));
    let earlier = earlier.collect::<Result<Vec<_>, _>>()?;
    build(workspace, interrupt)?;
    if let Some(peers) = &peers {
        peers.prepare(interrupt)?;
    }
    let stage = Stage::set(&backends, workspace, interrupt)?;
    process::build(&sections, &backends, &stage, workspace, interrupt)?;
    let mut machine = Machine::look(&stage, workspace, peers.as_ref());

    let mut samples = Samples::default();
    let bar = bar();
    let sizes = ours::Sizes::new(options.quick);
    for section in sections.iter().filter(|section| section.is_measured_once()) {
        bar.set_message(format!("once: {}", section.name()));
        section.measure_once(&stage, &backends, &sizes, workspace, &mut samples, interrupt)?;
    }
    for round in 1..=options.rounds {
        for backend in &backends {
            for section in sections.iter().filter(|section| section.belongs_to(*backend)) {
                bar.set_message(format!(
                    "round {round} of {}: {}, {}",
                    options.rounds,
                    backend.name(),
                    section.name()
                ));
                section.measure(*backend, round, &stage, &sizes, &mut samples, interrupt)?;
            }
            let say = |what: &str| {
                bar.set_message(format!(
                    "round {round} of {}: {}, {what}",
                    options.rounds,
                    backend.name()
                ));
            };
            if let Some(peers) = &peers {
                peers.measure(*backend, round, &stage, &mut samples, &say, interrupt)?;
            }
            if let Some(limits) = &limits {
                limits.measure(*backend, round, &stage, &mut samples, &say, interrupt)?;
            }
        }
    }
    bar.finish_and_clear();
    let earlier = earlier
        .into_iter()
        .map(|run| run.add_to(&mut samples, &mut machine.versions))
        .collect();
    let report = Report {
        samples: &samples,
        machine: &machine,
        rounds: options.rounds,
        took: bar.elapsed(),
        earlier,
    };
    println!("{}", report.markdown());
    report.save(options.json.as_deref(), options.svg.as_deref())?;
    match options.write {
        true => report.write_into(&workspace.root.join("docs")),
        false => Ok(()),
    }
}

fn build(workspace: &Workspace, interrupt: &Interrupt) -> Result<(), Error> {
    let mut build = cargo();
    build.args(["build", "--release", "--package", "oqron-bench"]);
    run_program(build.current_dir(&workspace.root), interrupt)
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    match ProgressStyle::with_template("{elapsed_precise} {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
