//! The end of a job: the record of it, or its removal where it is not kept, and the news to those who wait for it.

use oqron_core::{Encoded, JobFailure, JobState, TimelineEvent};
use rusqlite::params;

use crate::error::Failed;
use crate::history::{to_json, with_events};
use crate::slot::Slot;
use crate::step::{Step, Topic};

/// How a job ends.
pub(crate) struct End {
    /// Completed, Failed or Cancelled.
    pub(crate) state: JobState,
    pub(crate) result: Option<Encoded>,
    pub(crate) error: Option<JobFailure>,
    pub(crate) events: Vec<TimelineEvent>,
    pub(crate) attempts: u32,
    pub(crate) stalls: u32,
    /// By a settlement with the token of its lease, which may be repeated.
    pub(crate) settled: bool,
}

impl End {
    /// An end that leaves the counters as they are.
    pub(crate) fn of(slot: &Slot, state: JobState) -> Self {
        Self {
            state,
            result: None,
            error: None,
            events: Vec::new(),
            attempts: slot.attempts,
            stalls: slot.stalls,
            settled: false,
        }
    }
}

/// Ends the job. Those who wait for it are told by the caller, see [`Step::tell_watchers`].
pub(crate) fn end(step: &Step<'_>, topic: &Topic, slot: &Slot, end: End) -> Result<(), Failed> {
    if slot.retention.is_none() && end.state != JobState::Failed {
        return remove(step, topic, slot);
    }
    let now = step.now.wall;
    let timeline = (!end.events.is_empty()).then(|| with_events(slot.timeline.as_deref(), end.events));
    step.connection
        .prepare_cached(include_str!("sql/end.sql"))?
        .execute(params![
            slot.seq,
            end.state as i64,
            now.as_millis(),
            slot.expires_at(end.state, now),
            end.result.as_ref().map(|result| result.format.number()),
            end.result.as_ref().map(|result| &result.bytes[..]),
            end.error.as_ref().map(to_json),
            timeline,
            end.attempts,
            end.stalls,
            end.settled,
            step.next_end(),
        ])?;
    Ok(())
}

/// Removes a job's record and remembers its id until the end of the id's window.
pub(crate) fn remove(step: &Step<'_>, topic: &Topic, slot: &Slot) -> Result<(), Failed> {
    step.connection
        .prepare_cached("DELETE FROM jobs WHERE seq = ?1")?
        .execute(params![slot.seq])?;
    if slot.id_until > step.now.wall {
        step.connection
            .prepare_cached(include_str!("sql/remember_id.sql"))?
            .execute(params![topic.number, slot.id, slot.id_until.as_millis()])?;
    }
    Ok(())
}
