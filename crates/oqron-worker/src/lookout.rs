//! How the rest of the process tells the watcher that there may be something to watch, and that there was nothing to see.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// Hints that coalesce, so nothing can pile up.
#[derive(Default)]
pub(crate) struct Lookout {
    called: Notify,
    broke_at: Mutex<Option<Instant>>,
}

impl Lookout {
    /// A topic has leases, and this process has a slot for what may come free.
    pub(crate) fn call(&self) {
        self.called.notify_one();
    }

    pub(crate) async fn called(&self) {
        self.called.notified().await;
    }

    /// The presence of this process broke: perhaps the others' did so too.
    pub(crate) fn broke(&self) {
        *self.lock() = Some(Instant::now());
    }

    /// When that happened last.
    pub(crate) fn broke_at(&self) -> Option<Instant> {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.broke_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
