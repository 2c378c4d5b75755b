//! The conformance suite: what the traits of `oqron-core` mean. A behaviour that is not in it does not exist.
//!
//! One function a behaviour, named as a sentence, in files by subject; the list is in [`mod@cases`]. A backend runs all of
//! them with [`conformance!`](crate::conformance!):
//!
//! ```
//! use oqron_core::{Config, Error};
//! use oqron_testing::conformance::{Backend, Handles};
//! use oqron_testing::memory::{MemoryConsume, MemoryOperate, MemoryPublish};
//! use std::sync::Arc;
//!
//! struct Memory;
//!
//! #[async_trait::async_trait]
//! impl Backend for Memory {
//!     async fn prepare() -> Self {
//!         Self
//!     }
//!     fn url(&self) -> String {
//!         "memory:".into()
//!     }
//!     async fn open(&self, config: &Config) -> Result<Handles, Error> {
//!         Ok(Handles {
//!             publish: Arc::new(MemoryPublish::connect(config).await?),
//!             consume: Arc::new(MemoryConsume::connect(config).await?),
//!             operate: Arc::new(MemoryOperate::connect(config).await?),
//!         })
//!     }
//! }
//!
//! oqron_testing::conformance!(Memory);
//! ```
#![allow(
    clippy::unwrap_used,
    reason = "a case is a test: an error of the backend fails it"
)]

pub mod backend;
pub mod bench;
pub mod cases;
pub mod worker;

pub mod adding;
pub mod cancelling;
pub mod claiming;
pub mod dead_letters;
pub mod finished;
pub mod heartbeats;
pub mod histories;
pub mod ids;
pub mod limits;
pub mod lists;
pub mod locks;
pub mod namespaces;
pub mod pausing;
pub mod payloads;
pub mod purging;
pub mod retention;
pub mod settling;
pub mod sights;
pub mod stalls;
pub mod turns;
pub mod wakeups;
pub mod workers;

pub use backend::{Backend, Handles, run};
pub use bench::Bench;
pub use cases::CASES;
pub use worker::BenchWorker;
