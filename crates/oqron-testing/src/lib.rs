//! For tests: the in-memory backend, the conformance suite, private servers.

#[cfg(feature = "servers")]
pub mod servers;
