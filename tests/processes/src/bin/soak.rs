//! `soak --minutes N [--seed S] [--backend sqlite|redis|postgres]`: everything that can happen to processes, mixed at
//! random, with a new seed each round. Without a backend it takes them in turn. `cargo xtask soak` gives it servers.
//!
//! It starts itself as its workers and publishers.

use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use oqron_processes::chance::Chance;
use oqron_processes::programs;
use oqron_processes::soak::round;
use oqron_processes::world::{Backend, Programs};

const USAGE: &str = "usage: soak --minutes N [--seed S] [--backend sqlite|redis|postgres]";
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let result = match arguments.next().as_deref() {
        Some("worker") => return programs::worker::main(),
        Some("publisher") => programs::publisher::main(arguments.collect()),
        _ => Options::read().and_then(soak),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    time: Duration,
    seed: Option<u64>,
    backends: Vec<Backend>,
}

impl Options {
    fn read() -> Result<Self, Box<dyn Error>> {
        let mut arguments = std::env::args().skip(1);
        let (mut minutes, mut seed, mut backends) = (None, None, Backend::ALL.to_vec());
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(USAGE)?;
            match name.as_str() {
                "--minutes" => minutes = Some(value.parse::<f64>()?),
                "--seed" => seed = Some(value.parse()?),
                "--backend" => backends.retain(|backend| backend.as_str() == value),
                _ => return Err(USAGE.into()),
            }
        }
        if backends.is_empty() {
            return Err(USAGE.into());
        }
        Ok(Self {
            time: Duration::try_from_secs_f64(minutes.ok_or(USAGE)? * 60.0)?,
            seed,
            backends,
        })
    }
}

fn soak(options: Options) -> Result<(), Box<dyn Error>> {
    let itself = std::env::current_exe()?.into_os_string();
    let program = |role: &str| -> Vec<OsString> { vec![itself.clone(), role.into()] };
    let programs = Programs {
        worker: program("worker"),
        publisher: program("publisher"),
    };
    let mut chance = options.seed.map_or_else(Chance::new, Chance::of);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let begun = Instant::now();
    let progress = Progress::start(begun);
    let (mut rounds, mut jobs) = (0, 0);
    while rounds == 0 || begun.elapsed() < options.time {
        // A seed that is given is that of the first round, so that a round can be repeated.
        let seed = match (rounds, options.seed) {
            (0, Some(seed)) => seed,
            _ => chance.draw(),
        };
        let backend = options.backends[rounds % options.backends.len()];
        let name = backend.as_str();
        eprintln!("round {}: --backend {name} --seed {seed}", rounds + 1);
        let summary = runtime.block_on(round(backend, programs.clone(), seed));
        rounds += 1;
        jobs += summary.jobs as u64;
        progress.jobs.store(jobs, Ordering::Relaxed);
    }
    drop(progress);
    eprintln!(
        "{rounds} rounds, {jobs} jobs in {} s: every promise was kept",
        begun.elapsed().as_secs()
    );
    Ok(())
}

/// Says once in a while how far it is, until it is dropped.
struct Progress {
    jobs: Arc<AtomicU64>,
    _ends: mpsc::Sender<()>,
}

impl Progress {
    fn start(begun: Instant) -> Self {
        let jobs = Arc::new(AtomicU64::new(0));
        let (ends, ended) = mpsc::channel::<()>();
        let so_far = Arc::clone(&jobs);
        std::thread::spawn(move || {
            while ended.recv_timeout(PROGRESS_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                let jobs = so_far.load(Ordering::Relaxed);
                eprintln!("after {} s: {jobs} jobs proven", begun.elapsed().as_secs());
            }
        });
        Self { jobs, _ends: ends }
    }
}
