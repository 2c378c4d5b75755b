//! Random sequences of what the traits can do, side by side on a backend and on the in-memory model: the same answers, and
//! the same records after every step. A sequence that fails is made shorter until nothing can be left out.
//!
//! No step depends on how fast time passes: leases and delays last longer than a test. It starts no worker, and knows
//! nothing of any backend; `tests/` brings them.
//!
//! - `step`: what can be done, and how it is drawn;
//! - `side`: does it on a backend, and tells the answer without what may differ from backend to backend;
//! - `records`: what is kept of every job;
//! - `machine`: both sides, and their comparison.

#![allow(
    clippy::unwrap_used,
    reason = "all of it is a test: an error of a backend fails it"
)]

mod machine;
mod records;
mod side;
mod step;

pub use machine::{Backend, Opened, Pair};
