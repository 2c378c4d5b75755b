//! The worker against the in-memory backend, in paused time where nothing blocks.

#![allow(
    clippy::unwrap_used,
    reason = "what cannot be had in a test is a failure of the test, also in its helpers"
)]

mod blocking;
mod chaos;
mod failures;
mod hooks;
mod leases;
mod options;
mod outages;
mod presence;
mod reports;
mod shutdown;
#[cfg(unix)]
mod signals;
mod slots;
mod spy;
mod traffic;
mod world;
