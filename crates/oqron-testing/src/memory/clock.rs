//! The clock of a store: tokio's, so that paused time drives it, on top of the wall clock at its start.

use oqron_core::Timestamp;
use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct Clock {
    wall_at_start: Timestamp,
    start: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            wall_at_start: Timestamp::now(),
            start: Instant::now(),
        }
    }

    /// Rounded down to a millisecond, so that what is due in N milliseconds is due when a sleep of N is over.
    pub(super) fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.wall_at_start.as_millis().saturating_add(elapsed))
    }
}
