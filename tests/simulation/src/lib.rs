//! A whole fleet in simulated time: the real publisher and the real runtime of workers against the in-memory backend, in
//! one thread whose time is paused, while everything fails that can fail. A seed is a history: the same seed fails the same
//! way again. It knows nothing of Redis, PostgreSQL or SQLite, and of no real process; other tests do.
//!
//! In the order in which a simulation goes:
//! - `chance`, `plan`, `task`: what follows from the seed alone;
//! - `world`, `events`, `node`, `publisher`, `handler`: who takes part, and what is done to them;
//! - `weather`, `line`, `faulty`, `faulty_presence`: what goes wrong between them and the backend;
//! - `history`, `seen`, `verdict`, `trace`, `panics`: what was seen, what must hold, and what is told.
//!
//! `cargo xtask simulate` runs many seeds, and replays one.

mod chance;
mod events;
mod faulty;
mod faulty_presence;
mod handler;
mod history;
mod line;
mod node;
mod panics;
mod plan;
mod publisher;
mod seen;
mod task;
mod trace;
mod verdict;
mod weather;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::plan::Plan;
use crate::trace::Reader;
use crate::world::World;

/// What came of one seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What must not happen and did. Empty: the seed passes.
    pub violations: Vec<String>,
    /// What happened, one line an event; empty unless it was asked for.
    pub trace: Vec<String>,
}

/// Runs one seed and says what was violated.
pub fn simulate(seed: u64) -> Outcome {
    run(seed, Reader::Nobody)
}

/// The same with a trace. It is the same at every run of the same program.
pub fn simulate_with_trace(seed: u64) -> Outcome {
    run(seed, Reader::Test(Mutex::default()))
}

/// The same, and tells the trace line by line while it happens.
pub fn replay(seed: u64, tell: fn(&str)) -> Outcome {
    run(seed, Reader::Person(tell))
}

fn run(seed: u64, reader: Reader) -> Outcome {
    /// Every run has a store of its own.
    static RUNS: AtomicU64 = AtomicU64::new(0);
    panics::listen();
    let number = RUNS.fetch_add(1, Ordering::Relaxed);
    let url = format!("memory:simulation-{number}");
    oqron_worker::seed_chance(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime of one thread starts wherever a thread can");
    let (mut violations, trace) = runtime.block_on(async {
        match World::new(seed, &url, Plan::new(seed), reader).await {
            Ok(world) => world.run().await,
            Err(error) => (vec![format!("the world does not begin: {error}")], Vec::new()),
        }
    });
    // What is still under way is dropped here, and may panic as well.
    drop(runtime);
    violations.extend(panics::heard());
    Outcome {
        seed,
        violations,
        trace,
    }
}
