//! The worker against the in-memory backend, in paused time where nothing blocks.

mod blocking;
mod failures;
mod hooks;
mod leases;
mod options;
mod outages;
mod reports;
mod shutdown;
mod slots;
mod spy;
mod traffic;
mod world;
