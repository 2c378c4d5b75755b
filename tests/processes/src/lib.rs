//! Programs that a user could have written, what starts, kills and freezes them, and what holds their deeds against the
//! backend's records.
//!
//! - [`script`]: the payload, what a job does step by step, and the gates that jobs wait at; [`load`]: many of them;
//! - [`programs`]: a worker and a publisher, whose every call is recorded; [`connect`]: their backends;
//! - [`process`]: a program that runs, with its signals; [`fleet`]: several workers; [`faketime`]: wrong clocks;
//! - [`world`]: a backend with a namespace of its own, a folder, and the proof; [`history`]: what happened so far;
//! - [`siege`]: workers and a publisher at work while the test breaks what they stand on;
//! - [`chance`]: what happens at random, with its seed.
//!
//! The tests are in `tests/processes`; the program `soak` ([`soak`]) does the same at random for as long as it is told.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

pub mod chance;
pub mod connect;
pub mod faketime;
pub mod fleet;
pub mod history;
pub mod load;
pub mod process;
pub mod programs;
pub mod script;
pub mod siege;
pub mod soak;
pub mod world;

use oqron::Topic;

use crate::script::{Ran, Script};

/// What the worker program works on.
pub const PLAY: Topic<Script, Ran> = Topic::new("play");

/// Names the folder of the histories to the programs.
pub const HISTORY_VARIABLE: &str = "PROCESSES_HISTORY";
/// Names the process: a short word for gates and messages.
pub const LABEL_VARIABLE: &str = "PROCESSES_LABEL";
/// Threads of the worker program's runtime.
pub const THREADS_VARIABLE: &str = "PROCESSES_THREADS";

/// What a program was started with.
///
/// # Panics
/// If the variable is missing: the programs are started by tests only.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; this program is started by the tests"))
}
