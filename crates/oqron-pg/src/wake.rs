//! Waking workers that wait, after the transaction that gave them work.

use std::sync::PoisonError;

use oqron_core::Error;

use crate::database::{Connection, Database, Param};
use crate::statement::statement;

statement!(WAKE, "sql/shared/wake.sql", [INT4, INT4, INT8, INT8, INT8]);

/// Whom to wake.
#[derive(Clone, Copy)]
pub(crate) enum Wake {
    /// So many waiters: there are as many jobs.
    Jobs(i32),
    #[cfg(feature = "publish")]
    /// One that would sleep beyond this time, if nobody comes before it.
    At(i64),
    #[cfg(feature = "consume")]
    /// The same for the end of leases, of which another than their holder should know.
    Leases { until: i64, holder: Option<i64> },
}

impl Database {
    /// A lost hint costs time and never a job, so a failure is only logged.
    pub(crate) async fn wake(&self, connection: &Connection<'_>, topic: i32, wake: Wake) {
        let mark = {
            let marks = self.wake_marks.lock().unwrap_or_else(PoisonError::into_inner);
            marks.get(&topic).copied().unwrap_or(0)
        };
        let (jobs, run_at, but): (i32, Option<i64>, Option<i64>) = match wake {
            Wake::Jobs(jobs) => (jobs, None, None),
            #[cfg(feature = "publish")]
            Wake::At(time) => (1, Some(time), None),
            #[cfg(feature = "consume")]
            Wake::Leases { until, holder } => (1, Some(until), holder),
        };
        // Waiters registered in a transaction that committed late stand below the mark for a moment.
        let since = (mark - 1_000).max(0);
        let params: [Param<'_>; 5] = [&topic, &jobs, &run_at, &since, &but];
        let mut answer = connection.query(&WAKE, &params).await;
        if answer.as_ref().is_err_and(Error::is_transient) {
            // Somebody may wait for this one: once more, over another connection.
            answer = self.query("wake a worker", &WAKE, &params).await;
        }
        match answer {
            Ok(rows) => {
                if let (None, Some(Ok(next))) = (run_at, rows.first().map(|row| row.try_get(0))) {
                    let mut marks = self.wake_marks.lock().unwrap_or_else(PoisonError::into_inner);
                    marks.insert(topic, next);
                }
            }
            Err(error) => tracing::debug!(%error, "a wake-up was lost"),
        }
    }
}
