//! Tests that break the network between programs and their server, on Redis and PostgreSQL: what was acknowledged is run to
//! one recorded end, whatever is lost on the way, and no call hangs.
//!
//! - [`world`]: a namespace of its own for each test, and proxies in front of the server;
//! - [`worker`]: a runtime behind such a proxy, and what its handlers and hooks did;
//! - [`warnings`]: what was logged;
//! - the rest: one file a behaviour.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

#[macro_use]
mod world;
mod warnings;
mod worker;

mod adds;
mod claims;
mod cut_off;
mod cuts;
mod down;
mod flaky;
mod results;
mod settlements;
mod silence;
mod slow;
mod wakeups;
