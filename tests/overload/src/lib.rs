//! More than anybody should ask for: a flood of jobs, of publishers, of results, of log lines, of topics, of workers. The
//! processes of each scenario are real ones, started from this package's own program, which is publisher, worker or crowd
//! as it is told.
//!
//! - [`load`]: the topics and the payload that says what a handler does;
//! - [`place`]: a backend with a namespace of its own, and what its server takes of the memory;
//! - [`memory`]: how much a process took at its peak;
//! - [`program`]: a process under test, and what it reported when it ended;
//! - [`role`]: what such a process does: work, publish, be a crowd of workers;
//! - [`probe`]: jobs of another topic, one after the other, and how long each waited;
//! - [`scenario`]: the floods, in the size of a test and in full size;
//! - [`table`]: what is printed of them.
//!
//! A scenario asserts that nothing is lost, that the counts are right, that every process stays below a bound which a leak
//! would break, and that the other topic goes on. It asserts no speed.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

pub mod load;
pub mod memory;
pub mod place;
pub mod probe;
pub mod program;
pub mod role;
pub mod scenario;
pub mod table;
