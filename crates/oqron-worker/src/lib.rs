//! The compute node's side of Oqron: it claims jobs, runs their handlers, keeps their leases and settles what came of
//! them. It cannot add jobs, and it knows no backend: it works on the traits of `oqron-core`.
//!
//! In the order in which a job goes through it:
//! - `worker`, `options`, `handler`, `hooks`: what a user says, checked with all complaints at once;
//! - `runtime`, `running`, `handle`, `shutdown`: starts and ends the tasks below, and owns them;
//! - `topic`, `demand`, `throttle`, `turn`, `inbox`: one task a topic, which claims, starts and settles;
//! - `runner`, `context`, `attempt`, `signal`, `report`: one task a job, and what it shares with the handler;
//! - `decide`: what becomes of an attempt, a pure function;
//! - `vitals`, `heart`, `ward`, `lease`, `watchdog`, `presence`, `pulse`: a thread that renews every lease of the process and
//!   keeps the worker present;
//! - `watcher`, `watch`, `lookout`, `election`: sees which other workers died, and takes their jobs;
//! - `sweeper`: removes what is over its retention, in one process of those that work on the same topics.

mod attempt;
mod backoff;
mod context;
mod decide;
mod demand;
mod election;
mod error;
mod handle;
mod handler;
mod heart;
mod hooks;
mod inbox;
mod lease;
mod lookout;
mod options;
mod panics;
mod presence;
mod pulse;
mod report;
mod runner;
mod running;
mod runtime;
mod shutdown;
mod signal;
mod sweeper;
mod throttle;
mod topic;
mod turn;
mod vitals;
mod ward;
mod watch;
mod watchdog;
mod watcher;
mod worker;

pub use attempt::JobInfo;
#[doc(hidden)]
pub use backoff::seed_chance;
pub use context::Context;
pub use error::Error;
pub use handle::RuntimeHandle;
pub use handler::Handler;
pub use oqron_core::{Delivery, JobError, Retries, Topic};
pub use runtime::Runtime;
pub use shutdown::shutdown_signal;
pub use signal::CancelReason;
pub use vitals::Connector;
pub use worker::Worker;
