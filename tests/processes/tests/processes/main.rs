//! Tests that start real processes and hold what they did against what the backend recorded, on every backend.
//!
//! - [`world`]: a namespace, a folder and a history of its own for each test;
//! - [`process`]: a program under test, with its signals;
//! - [`refusal`]: what a program is told that cannot connect;
//! - the rest: one file a behaviour.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

#[macro_use]
mod world;
mod process;
mod refusal;

mod blocked;
mod broken_url;
mod cancelled;
mod chaos;
mod configuration;
mod frozen;
mod killed;
mod password;
mod poison;
mod race;
mod result;
mod schema;
mod server_down;
mod shutdown;
mod undecodable;
