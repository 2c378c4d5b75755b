//! Leases that ran out, or whose worker is gone.

use oqron_core::limits::PROMOTE_JOBS_MAX;
use oqron_core::{JobFailure, JobState, LEASE_EXPIRED, TimelineEvent, TimelineKind, WORKER_LOST};
use rusqlite::params;

use super::requeue::{Order, Requeue, requeue};
use super::settle::{Effects, cancelled_on_request};
use crate::end::{End, end};
use crate::error::Failed;
use crate::slot::{Slot, read_slots};
use crate::step::{Step, Topic};

/// Takes back the leases that are over, a bounded number.
pub(super) fn reclaim_expired(step: &Step<'_>, topic: &Topic, effects: &mut Effects) -> Result<(), Failed> {
    let expired = read_slots(
        step,
        include_str!("../sql/consume/expired.sql"),
        params![topic.number, step.now.boot_ms, PROMOTE_JOBS_MAX as i64],
    )?;
    for slot in expired {
        stall(step, topic, &slot, LEASE_EXPIRED, effects)?;
    }
    Ok(())
}

/// Ends a lease before its worker did, for this reason.
pub(super) fn stall(
    step: &Step<'_>,
    topic: &Topic,
    slot: &Slot,
    reason: &str,
    effects: &mut Effects,
) -> Result<(), Failed> {
    let event = |kind, reason: &str| TimelineEvent::new(step.now.wall, kind, slot.worker.clone(), reason);
    let stalls = slot.stalls.saturating_add(1);
    let ended = if slot.at_most_once {
        End {
            error: Some(JobFailure::worker_lost()),
            events: vec![event(TimelineKind::Failed, WORKER_LOST)],
            ..End::of(slot, JobState::Failed)
        }
    } else if slot.cancel_requested {
        cancelled_on_request(step, slot)
    } else if stalls > slot.max_stalls {
        let failure = JobFailure::stalled(stalls);
        End {
            events: vec![
                event(TimelineKind::Stalled, reason),
                event(TimelineKind::Failed, &failure.message),
            ],
            error: Some(failure),
            stalls,
            ..End::of(slot, JobState::Failed)
        }
    } else {
        let back = Requeue {
            run_at: None,
            attempts: slot.attempts_before(),
            stalls,
            error: None,
            event: event(TimelineKind::Stalled, reason),
            settled: false,
            order: Order::First,
        };
        requeue(step, slot, back)?;
        effects.requeued += 1;
        return Ok(());
    };
    end(step, topic, slot, ended)?;
    effects.ended.push(slot.id.clone());
    Ok(())
}
