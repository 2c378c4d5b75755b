//! What the test programs and the tests of this package share: two programs that a user could have written, a worker
//! whose jobs say what it does and a publisher, and the history that both write.
//!
//! - [`script`]: the payload, and the gates that jobs wait at;
//! - [`history`]: one file to which every process of a test appends what it does.
//!
//! The tests are in `tests/processes`: they start these programs, kill and freeze them, and hold the history against
//! the records in the backend.

pub mod history;
pub mod script;

use oqron::Topic;

use crate::script::{Ran, Script};

/// What the worker program works on.
pub const PLAY: Topic<Script, Ran> = Topic::new("play");

/// Names the history file to the programs.
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
