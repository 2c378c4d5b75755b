//! The in-memory backend: for tests in one process, and gone with it.
//!
//! `memory:` and `memory:name` choose a store; everything in this process that is connected to the same name and
//! namespace shares it, so a publisher and a worker meet there. Time is tokio's, so a test with paused time decides
//! how it passes.
//!
//! `model` is the state machine of `docs/state-machine.md`: plain structs, `&mut self` steps that take the time, no
//! I/O and no locks. Around it stand `store`, which runs one step at a time and delivers the hints that it leaves, and
//! the implementations of the traits, which do nothing of their own.

mod clock;
mod consume;
mod model;
mod operate;
mod presence;
mod publish;
mod store;

use std::sync::Arc;
use std::time::Duration;

use oqron_core::{Config, Error};

use store::Store;

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident $(with $limits:ident)?) => {
        $(#[$doc])*
        ///
        /// Cheap to clone.
        #[derive(Clone, Debug)]
        pub struct $name {
            store: Arc<Store>,
            $($limits: oqron_core::Limits,)?
        }

        impl $name {
            /// Opens the store that the URL and the namespace name, or makes it.
            ///
            /// # Errors
            /// [`Error::Invalid`] for a URL that chooses another backend.
            pub async fn connect(config: &Config) -> Result<Self, Error> {
                Ok(Self {
                    store: Store::open(config)?,
                    $($limits: config.limits.clone(),)?
                })
            }
        }
    };
}

handle!(
    /// What a web service needs, in memory.
    MemoryPublish with limits
);
handle!(
    /// What a compute node needs, in memory.
    MemoryConsume
);
handle!(
    /// What a person needs, in memory.
    MemoryOperate
);

impl MemoryOperate {
    /// Puts the store's clock forward, as a server's clock that is set: leases end, delays are over, and the clocks of the
    /// workers know nothing of it.
    pub fn put_clock_forward(&self, by: Duration) {
        self.store.put_clock_forward(by);
    }
}
