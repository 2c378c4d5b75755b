//! The clock of a store: tokio's, so that paused time drives it, on top of the wall clock at its start.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use oqron_core::Timestamp;
use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct Clock {
    wall_at_start: Timestamp,
    start: Instant,
    /// Milliseconds that it was put forward.
    ahead: AtomicI64,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            wall_at_start: Timestamp::now(),
            start: Instant::now(),
            ahead: AtomicI64::new(0),
        }
    }

    /// Rounded down to a millisecond, so that what is due in N milliseconds is due when a sleep of N is over.
    pub(super) fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX);
        let passed = elapsed.saturating_add(self.ahead.load(Ordering::Relaxed));
        Timestamp::from_millis(self.wall_at_start.as_millis().saturating_add(passed))
    }

    pub(super) fn put_forward(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.ahead.fetch_add(by, Ordering::Relaxed);
    }
}
