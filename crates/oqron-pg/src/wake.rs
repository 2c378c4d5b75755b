//! Waking workers that wait, after the transaction that gave them work.

use std::sync::PoisonError;

use oqron_core::Error;
use tokio_postgres::Row;

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

impl Wake {
    /// How many, whether only for a time, and whose key does not count.
    fn terms(self) -> (i32, Option<i64>, Option<i64>) {
        match self {
            Self::Jobs(jobs) => (jobs, None, None),
            #[cfg(feature = "publish")]
            Self::At(time) => (1, Some(time), None),
            #[cfg(feature = "consume")]
            Self::Leases { until, holder } => (1, Some(until), holder),
        }
    }
}

/// A wake-up as parameters of its statement.
pub(crate) struct WakeUp {
    topic: i32,
    jobs: i32,
    run_at: Option<i64>,
    since: i64,
    but: Option<i64>,
}

impl WakeUp {
    pub(crate) fn params(&self) -> [Param<'_>; 5] {
        [&self.topic, &self.jobs, &self.run_at, &self.since, &self.but]
    }
}

impl Database {
    pub(crate) fn wake_up(&self, topic: i32, wake: Wake) -> WakeUp {
        let marks = self.wake_marks.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = marks.get(&topic).copied().unwrap_or(0);
        let (jobs, run_at, but) = wake.terms();
        WakeUp {
            topic,
            jobs,
            run_at,
            // Waiters registered in a transaction that committed late stand below the mark for a moment.
            since: (mark - 1_000).max(0),
            but,
        }
    }

    /// A lost hint costs time and never a job, so a failure is only logged.
    pub(crate) async fn wake(&self, connection: &Connection<'_>, topic: i32, wake: Wake) {
        let wake_up = self.wake_up(topic, wake);
        let answer = connection.query(&WAKE, &wake_up.params()).await;
        self.woke(&wake_up, answer).await;
    }

    /// What came of a wake-up.
    pub(crate) async fn woke(&self, wake_up: &WakeUp, mut answer: Result<Vec<Row>, Error>) {
        if answer.as_ref().is_err_and(Error::is_transient) {
            // Somebody may wait for this one: once more, over another connection.
            answer = self.query("wake a worker", &WAKE, &wake_up.params()).await;
        }
        match answer {
            Ok(rows) => {
                let next = rows.first().and_then(|row| row.try_get(0).ok().flatten());
                if let (None, Some(next)) = (wake_up.run_at, next) {
                    let mut marks = self.wake_marks.lock().unwrap_or_else(PoisonError::into_inner);
                    marks.insert(wake_up.topic, next);
                }
            }
            Err(error) => tracing::debug!(%error, "a wake-up was lost"),
        }
    }
}
