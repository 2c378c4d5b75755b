//! Runs many seeds on all cores, or replays one. `cargo xtask simulate` builds and starts it.

#![allow(clippy::print_stdout, reason = "it talks to the person in front of it")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use oqron_simulation::{Outcome, replay, simulate};

/// A seed takes milliseconds. One that takes so long goes on without its time going on.
const SEED_TIME_MAX: Duration = Duration::from_secs(120);
/// More failures say nothing new.
const FAILURES_MAX: usize = 10;
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(Parser)]
#[command(about = "Lets a fleet of workers live through everything that can fail, in simulated time")]
struct Options {
    /// How many seeds to run
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first one
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run this one only, and tell what happens
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// With --seed: also what the worker logs
    #[arg(long, requires = "seed")]
    log: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match options.seed {
        Some(seed) => replay_one(seed, options.log),
        None => run_all(options.from, options.seeds),
    }
}

fn replay_one(seed: u64, log: bool) -> ExitCode {
    if log {
        tracing_subscriber::fmt()
            .without_time()
            .with_writer(std::io::stdout)
            .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
            .init();
    }
    let outcome = replay(seed, |line| println!("{line}"));
    tell(&outcome);
    code(outcome.violations.is_empty())
}

/// What the threads share.
struct Run {
    next: AtomicU64,
    end: u64,
    done: AtomicU64,
    is_enough: AtomicBool,
    failed: Mutex<Vec<Outcome>>,
}

fn run_all(from: u64, seeds: u64) -> ExitCode {
    let run = Run {
        next: AtomicU64::new(from),
        end: from.saturating_add(seeds),
        done: AtomicU64::new(0),
        is_enough: AtomicBool::new(false),
        failed: Mutex::default(),
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let under_way: Vec<Mutex<Option<(u64, Instant)>>> = (0..cores).map(|_| Mutex::default()).collect();
    let bar = ProgressBar::new(seeds).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let begun = Instant::now();
    thread::scope(|scope| {
        let threads: Vec<_> = under_way
            .iter()
            .map(|mine| scope.spawn(|| run.work(mine)))
            .collect();
        while !threads.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(LOOK_EVERY);
            bar.set_position(run.done.load(Ordering::Relaxed));
            if let Some(seed) = under_way.iter().find_map(stuck) {
                bar.abandon();
                println!(
                    "seed {seed} does not end: its time stands still\n  {}",
                    again(seed)
                );
                // Its thread cannot be ended in any other way.
                std::process::exit(1);
            }
        }
    });
    bar.finish_and_clear();
    let mut failed = run.failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.sort_by_key(|outcome| outcome.seed);
    for outcome in &failed {
        tell(outcome);
    }
    let done = run.done.load(Ordering::Relaxed);
    println!(
        "{done} seeds from {from} on in {:.1} s: {} failed",
        begun.elapsed().as_secs_f64(),
        failed.len()
    );
    code(failed.is_empty())
}

impl Run {
    fn work(&self, mine: &Mutex<Option<(u64, Instant)>>) {
        while !self.is_enough.load(Ordering::Relaxed) {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.end {
                break;
            }
            set(mine, Some((seed, Instant::now())));
            let outcome = simulate(seed);
            set(mine, None);
            self.done.fetch_add(1, Ordering::Relaxed);
            if !outcome.violations.is_empty() {
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.push(outcome);
                if failed.len() >= FAILURES_MAX {
                    self.is_enough.store(true, Ordering::Relaxed);
                }
            }
        }
    }
}

fn set(mine: &Mutex<Option<(u64, Instant)>>, to: Option<(u64, Instant)>) {
    *mine.lock().unwrap_or_else(PoisonError::into_inner) = to;
}

fn stuck(under_way: &Mutex<Option<(u64, Instant)>>) -> Option<u64> {
    let under_way = *under_way.lock().unwrap_or_else(PoisonError::into_inner);
    under_way
        .filter(|(_, since)| since.elapsed() > SEED_TIME_MAX)
        .map(|(seed, _)| seed)
}

fn tell(outcome: &Outcome) {
    let seed = outcome.seed;
    if outcome.violations.is_empty() {
        println!("seed {seed} passes");
        return;
    }
    println!("seed {seed} fails:");
    for violation in &outcome.violations {
        println!("  - {violation}");
    }
    println!("  {}", again(seed));
}

fn again(seed: u64) -> String {
    format!("again: cargo xtask simulate --seed {seed}")
}

fn code(passes: bool) -> ExitCode {
    if passes {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
