//! Pushes jobs into Oqron and follows them. A web service depends on this crate and a backend's feature `publish`, and
//! compiles no code that claims, runs or settles.
//!
//! In the order of a job: [`Publisher`] holds the backend, a [`Queue`] adds to one topic, an [`Add`] collects what is
//! said beside the payload, the batcher lets adds of many tasks share round trips, a [`JobHandle`] follows the job.
//!
//! There is no background task, no timer and no polling: when nobody adds or waits, nothing happens.

mod add;
mod batcher;
mod error;
mod handle;
mod queue;

pub use add::{Add, IntoAdd};
pub use error::Error;
pub use handle::JobHandle;
pub use queue::{Publisher, Queue};
