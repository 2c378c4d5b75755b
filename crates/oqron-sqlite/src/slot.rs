//! What a step needs to know of a job to move it on.

#[cfg(feature = "consume")]
use oqron_core::Error;
use oqron_core::{JobState, Retention, Timestamp, Token, WorkerId};
use rusqlite::{OptionalExtension, Row, params};

use crate::column::{id_text, number, retention, state, text, token, worker_id};
use crate::error::Failed;
use crate::step::{Step, Topic};

/// A record without a limit of time expires after all that have one, in the order of the ends. As in `complete.sql`.
const NEVER_MS: i64 = 9_000_000_000_000_000_000;

/// The narrow part of a job's row.
#[derive(Clone, Debug)]
#[cfg_attr(
    not(feature = "consume"),
    allow(dead_code, reason = "what a lease needs is only read where leases end")
)]
pub(crate) struct Slot {
    pub(crate) seq: i64,
    pub(crate) id: String,
    pub(crate) state: JobState,
    pub(crate) priority: i64,
    pub(crate) attempts: u32,
    pub(crate) stalls: u32,
    pub(crate) cancel_requested: bool,
    pub(crate) max_stalls: u32,
    pub(crate) at_most_once: bool,
    pub(crate) token: Option<Token>,
    /// The token has settled its attempt.
    pub(crate) settled: bool,
    pub(crate) worker: Option<WorkerId>,
    pub(crate) id_until: Timestamp,
    pub(crate) retention: Retention,
    pub(crate) timeline: Option<String>,
    pub(crate) logs: Option<String>,
}

impl Slot {
    /// From the columns in the order of `sql/slot.sql`. What cannot be read counts as nothing: one row that was edited by
    /// hand must not hold up a turn, a heartbeat or a sweep, which are about many. A state that is none counts as failed, so
    /// that the job can be discarded or tried again.
    pub(crate) fn read(row: &Row<'_>) -> Result<Self, Failed> {
        let count = |what, value| number(what, value).unwrap_or(0);
        Ok(Self {
            seq: row.get(0)?,
            id: id_text(row, 1)?,
            state: state(row.get(2)?).unwrap_or(JobState::Failed),
            priority: row.get(3)?,
            attempts: count("attempts", row.get(4)?),
            stalls: count("stalls", row.get(5)?),
            cancel_requested: row.get(6)?,
            max_stalls: count("max_stalls", row.get::<_, Option<i64>>(7)?.unwrap_or(0)),
            at_most_once: row.get::<_, Option<bool>>(8)?.unwrap_or(false),
            token: row
                .get::<_, Option<i64>>(9)?
                .and_then(|number| token(number).ok()),
            settled: row.get(10)?,
            worker: text(row, 11)?.and_then(|worker| worker_id(worker).ok()),
            id_until: Timestamp::from_millis(row.get(12)?),
            retention: retention(row.get(13)?, row.get(14)?).unwrap_or_default(),
            timeline: text(row, 15)?,
            logs: text(row, 16)?,
        })
    }

    /// The job with this id, if there is one.
    pub(crate) fn find(step: &Step<'_>, topic: &Topic, id: &str) -> Result<Option<Self>, Failed> {
        let mut statement = step.connection.prepare_cached(include_str!("sql/slot.sql"))?;
        let found = statement
            .query_row(params![topic.number, id], |row| Ok(Self::read(row)))
            .optional()?;
        found.transpose()
    }

    /// Attempts without the one that is given up.
    #[cfg(feature = "consume")]
    pub(crate) fn attempts_before(&self) -> u32 {
        self.attempts.saturating_sub(1)
    }

    /// When a record that ends now goes; `None` for one that stays until somebody decides.
    pub(crate) fn expires_at(&self, end: JobState, now: Timestamp) -> Option<i64> {
        match end {
            JobState::Completed | JobState::Cancelled => Some(
                self.retention
                    .max_age
                    .map_or(NEVER_MS.saturating_add(now.as_millis()), |age| {
                        now.after(age).as_millis()
                    }),
            ),
            _ => None,
        }
    }
}

/// Reads every row of a statement whose columns are those of `sql/slot.sql`.
#[cfg(any(feature = "consume", feature = "operate"))]
pub(crate) fn read_slots(
    step: &Step<'_>,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<Slot>, Failed> {
    let mut statement = step.connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut slots = Vec::new();
    while let Some(row) = rows.next()? {
        slots.push(Slot::read(row)?);
    }
    Ok(slots)
}

/// A token as the file keeps it.
#[cfg(feature = "consume")]
pub(crate) fn stored_token(token: Token) -> Result<i64, Error> {
    i64::try_from(token.0).map_err(|_| Error::Invalid {
        what: "token",
        problem: format!("{token} was given out by no SQLite file"),
    })
}
