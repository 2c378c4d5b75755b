//! Tests that start real processes, on every backend, and hold what they did against what the backend recorded: each
//! test under load ends with `World::proven`.
//!
//! - [`each_backend`]: each test on each backend;
//! - [`refusal`]: what a program is told that cannot connect;
//! - [`postgres`], [`redis`]: servers that fail under load;
//! - the rest: one file a behaviour.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

#[macro_use]
mod each_backend;
mod refusal;

mod blocked;
mod broken_url;
mod cancelled;
mod chaos;
mod clocks;
mod configuration;
mod freezes;
mod frozen;
mod killed;
mod line;
mod memory;
mod order;
mod password;
mod poison;
mod postgres;
mod race;
mod redis;
mod result;
mod rolling;
mod rough;
mod schema;
mod server_down;
mod shutdown;
mod undecodable;
