//! Settling: what became of an attempt, if the token is still the one of the job's lease.

use std::time::Duration;

use oqron_core::{
    CANCELLED_ON_REQUEST, Encoded, JobState, Outcome, Settled, Settlement, TimelineEvent, TimelineKind,
    WorkerId,
};
use rusqlite::params;

use super::requeue::{Order, Requeue, requeue};
use crate::end::{End, end};
use crate::error::Failed;
use crate::history::{to_json, with_lines};
use crate::slot::{Slot, stored_token};
use crate::step::{Step, Topic};

/// What a turn or a heartbeat did that others need to learn.
#[derive(Default)]
pub(super) struct Effects {
    /// Ids of jobs that have ended.
    pub(super) ended: Vec<String>,
    /// Jobs that went back to waiting.
    pub(super) requeued: usize,
    /// Jobs that were scheduled.
    pub(super) scheduled: usize,
}

pub(super) fn settle(
    step: &Step<'_>,
    topic: &Topic,
    worker: &WorkerId,
    settlement: &Settlement,
    effects: &mut Effects,
) -> Result<Settled, Failed> {
    let Ok(token) = stored_token(settlement.token) else {
        return Ok(Settled::LeaseLost);
    };
    if let Outcome::Complete(result) = &settlement.outcome
        && complete_at_once(step, topic, worker, settlement, token, result)?
    {
        effects.ended.push(settlement.id.as_str().to_owned());
        return Ok(Settled::Accepted);
    }
    let Some(slot) = Slot::find(step, topic, settlement.id.as_str())? else {
        return Ok(Settled::LeaseLost);
    };
    if slot.token != Some(settlement.token) || slot.worker.as_ref() != Some(worker) {
        return Ok(Settled::LeaseLost);
    }
    if slot.state != JobState::Active {
        return Ok(match slot.settled {
            true => Settled::Accepted,
            false => Settled::LeaseLost,
        });
    }
    report(step, &slot, settlement)?;
    carry_out(step, topic, &slot, &settlement.outcome, effects)?;
    Ok(Settled::Accepted)
}

/// The common case in one statement: a job that completes, whose record is kept, and that logged nothing.
fn complete_at_once(
    step: &Step<'_>,
    topic: &Topic,
    worker: &WorkerId,
    settlement: &Settlement,
    token: i64,
    result: &Encoded,
) -> Result<bool, Failed> {
    if !settlement.logs.is_empty() {
        return Ok(false);
    }
    let completed = step
        .connection
        .prepare_cached(include_str!("../sql/consume/complete.sql"))?
        .execute(params![
            topic.number,
            settlement.id.as_str(),
            token,
            worker.as_str(),
            step.now.wall.as_millis(),
            result.format.number(),
            &result.bytes[..],
            settlement.progress.as_ref().map(to_json),
            step.next_end(),
        ])?;
    Ok(completed == 1)
}

fn report(step: &Step<'_>, slot: &Slot, settlement: &Settlement) -> Result<(), Failed> {
    if settlement.progress.is_none() && settlement.logs.is_empty() {
        return Ok(());
    }
    step.connection
        .prepare_cached(include_str!("../sql/consume/report.sql"))?
        .execute(params![
            slot.seq,
            settlement.progress.as_ref().map(to_json),
            with_lines(slot.logs.as_deref(), &settlement.logs),
        ])?;
    Ok(())
}

/// The arrows out of Active that its worker takes.
fn carry_out(
    step: &Step<'_>,
    topic: &Topic,
    slot: &Slot,
    outcome: &Outcome,
    effects: &mut Effects,
) -> Result<(), Failed> {
    let event = |kind, reason: &str| TimelineEvent::new(step.now.wall, kind, slot.worker.clone(), reason);
    let ended = match outcome {
        Outcome::Complete(result) => End {
            result: Some(result.clone()),
            ..End::of(slot, JobState::Completed)
        },
        Outcome::Fail(failure) => End {
            error: Some(failure.clone()),
            events: vec![event(TimelineKind::Failed, &failure.message)],
            ..End::of(slot, JobState::Failed)
        },
        Outcome::Cancel { reason } => End {
            events: vec![event(TimelineKind::Cancelled, reason)],
            ..End::of(slot, JobState::Cancelled)
        },
        Outcome::Retry { .. } | Outcome::Snooze { .. } | Outcome::Release { .. } if slot.cancel_requested => {
            cancelled_on_request(step, slot)
        }
        Outcome::Retry { delay, failure } => {
            let back = Requeue {
                error: Some(failure.clone()),
                ..settled_requeue(step, slot, Some(*delay), slot.attempts, {
                    event(TimelineKind::AttemptFailed, &failure.message)
                })
            };
            return go_back(step, slot, back, effects);
        }
        Outcome::Snooze { delay } => {
            let event = event(TimelineKind::Snoozed, "");
            let back = settled_requeue(step, slot, Some(*delay), slot.attempts_before(), event);
            return go_back(step, slot, back, effects);
        }
        Outcome::Release { reason } => {
            let event = event(TimelineKind::Released, reason);
            let back = settled_requeue(step, slot, None, slot.attempts_before(), event);
            return go_back(step, slot, back, effects);
        }
    };
    let settled = End {
        settled: true,
        ..ended
    };
    end(step, topic, slot, settled)?;
    effects.ended.push(slot.id.clone());
    Ok(())
}

/// The end, in place of another attempt, of a job that somebody asked to cancel.
pub(super) fn cancelled_on_request(step: &Step<'_>, slot: &Slot) -> End {
    End {
        events: vec![TimelineEvent::new(
            step.now.wall,
            TimelineKind::Cancelled,
            slot.worker.clone(),
            CANCELLED_ON_REQUEST,
        )],
        ..End::of(slot, JobState::Cancelled)
    }
}

fn settled_requeue(
    step: &Step<'_>,
    slot: &Slot,
    delay: Option<Duration>,
    attempts: u32,
    event: TimelineEvent,
) -> Requeue {
    Requeue {
        run_at: delay.map(|delay| step.now.wall.after(delay)),
        attempts,
        stalls: slot.stalls,
        error: None,
        event,
        settled: true,
        order: Order::ByPriority,
    }
}

fn go_back(step: &Step<'_>, slot: &Slot, back: Requeue, effects: &mut Effects) -> Result<(), Failed> {
    match requeue(step, slot, back)? {
        JobState::Scheduled => effects.scheduled += 1,
        _ => effects.requeued += 1,
    }
    Ok(())
}
