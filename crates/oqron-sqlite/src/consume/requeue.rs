//! Out of Active without an end: back to waiting, or scheduled for later.

use oqron_core::{JobFailure, JobState, TimelineEvent, Timestamp};
use rusqlite::params;

use crate::error::Failed;
use crate::history::{to_json, with_events};
use crate::slot::Slot;
use crate::step::Step;

/// Below every priority: stalled jobs go first, among each other by priority.
const BEFORE_ALL_OTHERS: i64 = -(1 << 32);

/// How a job goes back.
pub(super) struct Requeue {
    /// `None`: waiting at once, with the old `run_at`.
    pub(super) run_at: Option<Timestamp>,
    pub(super) attempts: u32,
    pub(super) stalls: u32,
    pub(super) error: Option<JobFailure>,
    pub(super) event: TimelineEvent,
    /// By a settlement with the token of its lease, which may be repeated.
    pub(super) settled: bool,
    pub(super) order: Order,
}

/// Where it stands among the waiting.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    ByPriority,
    First,
}

/// Puts the job back and answers its new state.
pub(super) fn requeue(step: &Step<'_>, slot: &Slot, requeue: Requeue) -> Result<JobState, Failed> {
    let state = match requeue.run_at {
        Some(run_at) if run_at > step.now.wall => JobState::Scheduled,
        _ => JobState::Waiting,
    };
    let place = match requeue.order {
        Order::ByPriority => slot.priority,
        Order::First => slot.priority.saturating_add(BEFORE_ALL_OTHERS),
    };
    step.connection
        .prepare_cached(include_str!("../sql/consume/requeue.sql"))?
        .execute(params![
            slot.seq,
            state as i64,
            place,
            requeue.run_at.map(Timestamp::as_millis),
            requeue.attempts,
            requeue.stalls,
            requeue.error.as_ref().map(to_json),
            with_events(slot.timeline.as_deref(), vec![requeue.event]),
            requeue.settled,
        ])?;
    Ok(state)
}
