//! For tests: the in-memory backend, the conformance suite, private servers, a network to break. It knows no other
//! backend and no worker.
//!
//! - [`memory`]: a backend without a server, in one process and gone with it. It is the readable model of what every
//!   backend does, and what users test their own handlers with;
//! - [`mod@conformance`]: what the traits of `oqron-core` mean, one function a behaviour, run by every backend;
//! - [`history`]: what every process of a test did, and the proof that it is what was promised;
//! - [`servers`]: a Redis and a PostgreSQL of one's own for the time of a test;
//! - [`fleets`]: several servers of Redis that watch over each other;
//! - [`proxy`]: a network in front of a server, that delays, loses, cuts and refuses.

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "fleets")]
pub mod fleets;
#[cfg(feature = "history")]
pub mod history;
#[cfg(feature = "memory")]
pub mod memory;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(feature = "servers")]
pub mod servers;
