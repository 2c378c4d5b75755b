//! How the rest of the process tells the watcher that there may be something to watch.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Hints that coalesce, so nothing can pile up.
#[derive(Default)]
pub(crate) struct Lookout {
    called: Notify,
    breaks: AtomicU64,
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
        self.breaks.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that happened.
    pub(crate) fn breaks(&self) -> u64 {
        self.breaks.load(Ordering::Relaxed)
    }
}
