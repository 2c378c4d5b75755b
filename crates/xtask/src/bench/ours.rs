//! What Oqron does, section by section; each is measured by a process of its own on a clean database.

use std::{process::Command, time::Duration};

use clap::ValueEnum;
use oqron_testing::servers::{PostgresOptions, PostgresServer, RedisOptions, RedisServer};
use serde::Deserialize;

use super::{
    Backend,
    program::{self, Ran},
    sample::{OURS, Sample, Samples},
    service,
    stage::Stage,
};
use crate::{cargo::Workspace, error::Error, interrupt::Interrupt};

/// More than the longest section needs.
const AT_MOST: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    /// Adding: one by one, from 100 tasks, 1,000 at once
    Adds,
    /// Prefilled jobs at concurrency 1, 10 and 100, with and without a history
    Drains,
    /// From the add to the handler of an idle worker
    Pickup,
    /// RAM of a publisher and of a worker
    Memory,
    /// Three priorities, 5 % retried, 5 % delayed
    Mixed,
    /// Two, four and eight worker processes
    Processes,
    /// Drain with a million jobs waiting
    Backlog,
    /// An fsync, beside SQLite
    Fsync,
    /// Backend calls of an idle worker and an idle publisher; once
    Idle,
    /// What a waiting job costs in the backend; once
    Bytes,
    /// The history of a drain, held against the promises; once
    Proof,
    /// Crates, build time and size of a web service with and without a worker; once
    Service,
    /// Drain while a transaction holds PostgreSQL's xmin horizon; a quarter of an hour, only if asked for; once
    Pinned,
}

/// How much is measured.
pub(crate) struct Sizes {
    arguments: Vec<(&'static str, &'static str)>,
    /// For the sections that watch for minutes.
    long: Duration,
}

impl Sizes {
    pub(crate) fn new(quick: bool) -> Self {
        let arguments = match quick {
            true => vec![
                ("--jobs", "2000"),
                ("--samples", "10"),
                ("--backlog", "20000"),
                ("--idle", "3s"),
                ("--pinned", "5s"),
            ],
            false => Vec::new(),
        };
        let long = if quick { 60 } else { 20 * 60 };
        Self {
            arguments,
            long: Duration::from_secs(long),
        }
    }
}

/// A line of what `oqron-bench measure` prints.
#[derive(Deserialize)]
struct Line {
    figure: String,
    value: f64,
    unit: String,
}

impl Section {
    /// Those named; or all but the long one, which has to be asked for.
    pub(crate) fn chosen(only: &[Self], long: bool) -> Vec<Self> {
        let all = Self::value_variants().iter().copied();
        all.filter(|section| match section {
            Self::Pinned => long || only.contains(section),
            _ => only.is_empty() || only.contains(section),
        })
        .collect()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Adds => "adds",
            Self::Drains => "drains",
            Self::Pickup => "pickup",
            Self::Memory => "memory",
            Self::Mixed => "mixed",
            Self::Processes => "processes",
            Self::Backlog => "backlog",
            Self::Fsync => "fsync",
            Self::Idle => "idle",
            Self::Bytes => "bytes",
            Self::Proof => "proof",
            Self::Service => "service",
            Self::Pinned => "pinned",
        }
    }

    /// What does not depend on how busy the machine is, or takes too long for rounds.
    pub(crate) fn is_measured_once(self) -> bool {
        matches!(
            self,
            Self::Idle | Self::Bytes | Self::Proof | Self::Service | Self::Pinned
        )
    }

    /// Whether it starts the program of [`process`](super::process).
    pub(crate) fn starts_processes(self) -> bool {
        matches!(self, Self::Memory | Self::Processes)
    }

    /// Whether it is measured there in each round.
    pub(crate) fn belongs_to(self, backend: Backend) -> bool {
        match self {
            section if section.is_measured_once() => false,
            Self::Fsync => backend == Backend::Sqlite,
            Self::Adds | Self::Drains | Self::Pickup => true,
            _ => backend != Backend::RedisEverysec,
        }
    }

    pub(crate) fn measure(
        self,
        backend: Backend,
        round: u32,
        stage: &Stage,
        sizes: &Sizes,
        samples: &mut Samples,
        interrupt: &Interrupt,
    ) -> Result<(), Error> {
        let url = stage.clean(backend)?;
        let mut command = command(stage, sizes, self.name(), &url);
        if self.starts_processes() {
            command.arg("--process").arg(stage.process(backend));
        }
        let at_most = if self == Self::Pinned { sizes.long } else { AT_MOST };
        let ran = program::run(&command, at_most, &stage.folder, interrupt)?;
        note(backend, round, self.name(), &ran, samples);
        Ok(())
    }

    pub(crate) fn measure_once(
        self,
        stage: &Stage,
        backends: &[Backend],
        sizes: &Sizes,
        workspace: &Workspace,
        samples: &mut Samples,
        interrupt: &Interrupt,
    ) -> Result<(), Error> {
        let of_it: Vec<Backend> = backends
            .iter()
            .copied()
            .filter(|backend| match self {
                Self::Pinned => *backend == Backend::Postgres,
                _ => *backend != Backend::RedisEverysec,
            })
            .collect();
        match self {
            Self::Idle => idle(&of_it, stage, sizes, samples, interrupt),
            Self::Service => service::measure(stage, workspace, samples, interrupt),
            _ => of_it
                .into_iter()
                .try_for_each(|backend| self.measure(backend, 1, stage, sizes, samples, interrupt)),
        }
    }
}

/// All at the same time, since they do nothing; each on a server that nobody else uses.
fn idle(
    backends: &[Backend],
    stage: &Stage,
    sizes: &Sizes,
    samples: &mut Samples,
    interrupt: &Interrupt,
) -> Result<(), Error> {
    let watching = backends
        .iter()
        .flat_map(|backend| ["idle-worker", "idle-publisher"].map(|who| (*backend, who)));
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = watching
            .map(|(backend, who)| {
                scope.spawn(move || {
                    let ran = watch(backend, who, stage, sizes, interrupt);
                    (backend, who, ran)
                })
            })
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect()
    });
    for (backend, who, ran) in results {
        note(backend, 1, who, &ran?, samples);
    }
    Ok(())
}

fn watch(
    backend: Backend,
    who: &'static str,
    stage: &Stage,
    sizes: &Sizes,
    interrupt: &Interrupt,
) -> Result<Ran, Error> {
    let folder = stage.folder.join(format!("{who}-{}", backend.name()));
    let run = |url: &str| {
        let command = command(stage, sizes, who, url);
        program::run(&command, sizes.long, &folder, interrupt)
    };
    match backend {
        Backend::Redis | Backend::RedisEverysec => run(&RedisServer::start(RedisOptions::new())?.url()),
        Backend::Postgres => {
            let counting = PostgresOptions::new().setting("shared_preload_libraries", "pg_stat_statements");
            run(&PostgresServer::start(counting)?.url())
        }
        Backend::Sqlite => run(&format!("sqlite:{}", folder.join("jobs.db").display())),
    }
}

fn command(stage: &Stage, sizes: &Sizes, section: &str, url: &str) -> Command {
    let mut command = Command::new(&stage.program);
    command.args(["measure", "--lines", "--only", section, "--url", url]);
    for (name, value) in &sizes.arguments {
        command.args([name, value]);
    }
    command
}

fn note(backend: Backend, round: u32, section: &str, ran: &Ran, samples: &mut Samples) {
    for line in ran.output.lines() {
        match serde_json::from_str::<Line>(line) {
            Ok(line) => samples.values.push(Sample {
                backend,
                source: OURS.into(),
                figure: line.figure,
                unit: line.unit,
                round,
                value: line.value,
            }),
            Err(_) => samples.fail(backend, OURS, round, format!("{section} printed {line:?}")),
        }
    }
    if let Some(problem) = &ran.problem {
        samples.fail(backend, OURS, round, format!("{section}: {problem}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_section_runs_only_if_it_is_asked_for() {
        assert!(!Section::chosen(&[], false).contains(&Section::Pinned));
        assert!(Section::chosen(&[], true).contains(&Section::Pinned));
        assert_eq!(Section::chosen(&[Section::Pinned], false), [Section::Pinned]);
        assert_eq!(Section::chosen(&[Section::Adds], false), [Section::Adds]);
    }

    #[test]
    fn what_a_section_prints_becomes_values_and_the_rest_is_told() {
        let ran = Ran {
            output: "{\"figure\":\"pickup p50\",\"value\":0.25,\"unit\":\"ms\"}\nhello\n".into(),
            problem: Some("exit code 1: no server".into()),
        };
        let mut samples = Samples::default();
        note(Backend::Sqlite, 2, "pickup", &ran, &mut samples);
        let series = samples.series(Backend::Sqlite, OURS, "pickup p50");
        assert_eq!(series.median(), Some(0.25));
        let told: Vec<&str> = samples
            .failures
            .iter()
            .map(|failure| failure.what.as_str())
            .collect();
        assert_eq!(
            told,
            ["pickup printed \"hello\"", "pickup: exit code 1: no server"]
        );
    }
}
