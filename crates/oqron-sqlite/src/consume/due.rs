//! What happens next in a topic.

use std::time::Duration;

use rusqlite::params;

use crate::error::Failed;
use crate::step::{Step, Topic};

/// The next events of a topic, each by its own clock.
pub(super) struct Events {
    /// The next scheduled job, by the wall clock.
    pub(super) run_at: Option<i64>,
    /// The next end of a lease, by the boot clock; `None` where there is no lease.
    pub(super) lease_ends: Option<i64>,
}

impl Events {
    pub(super) fn time_until_first(&self, step: &Step<'_>) -> Option<Duration> {
        let until =
            |at: Option<i64>, now: i64| at.map(|at| u64::try_from(at.saturating_sub(now)).unwrap_or(0));
        let waits = [
            until(self.run_at, step.now.wall.as_millis()),
            until(self.lease_ends, step.now.boot_ms),
        ];
        waits.into_iter().flatten().min().map(Duration::from_millis)
    }
}

pub(super) fn next_events(step: &Step<'_>, topic: &Topic) -> Result<Events, Failed> {
    Ok(step
        .connection
        .prepare_cached(include_str!("../sql/consume/next_due.sql"))?
        .query_row(params![topic.number], |row| {
            Ok(Events {
                run_at: row.get(0)?,
                lease_ends: row.get(1)?,
            })
        })?)
}
