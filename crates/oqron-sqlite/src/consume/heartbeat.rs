//! Renewing all leases that a worker holds of a topic, and taking back those that it does not know of.

use std::collections::HashSet;

use oqron_core::limits::{TURN_JOBS_MAX, at_most};
use oqron_core::time::millis;
use oqron_core::{
    Error, Heartbeat, Held, JobState, NOT_LISTED, TimelineEvent, TimelineKind, Verdict, WorkerId,
};
use rusqlite::params;

use super::note_seen;
use super::requeue::{Order, Requeue, requeue};
use super::settle::{Effects, cancelled_on_request};
use crate::column::id_text;
use crate::end::end;
use crate::error::Failed;
use crate::file::Handle;
use crate::history::{to_json, with_lines};
use crate::slot::{Slot, stored_token};
use crate::step::{Step, Topic};

pub(super) async fn heartbeat(handle: &Handle, heartbeat: &Heartbeat<'_>) -> Result<Vec<Verdict>, Error> {
    at_most("leases in one heartbeat", heartbeat.held.len(), TURN_JOBS_MAX)?;
    let (namespace, topic_name) = (handle.namespace.clone(), heartbeat.topic.clone());
    let (worker, held) = (heartbeat.worker.clone(), heartbeat.held.to_vec());
    let through = i64::try_from(heartbeat.through).unwrap_or(i64::MAX);
    let ttl_ms = millis(heartbeat.lease_ttl);
    handle
        .write("renew leases", move |step| {
            let topic = step.topic(&namespace, &topic_name)?;
            note_seen(step, topic.namespace, &worker, 0)?;
            let ends = step.now.boot_ms.saturating_add(ttl_ms);
            let verdicts = held
                .iter()
                .map(|held| renew(step, &topic, &worker, held, ends))
                .collect::<Result<_, _>>()?;
            let mut effects = Effects::default();
            give_back_unlisted(step, &topic, &worker, &held, through, &mut effects)?;
            step.tell_watchers(&topic, effects.ended.iter().map(String::as_str))?;
            if !step.is_paused(&topic)? {
                step.wake(&topic, effects.requeued)?;
            }
            Ok(verdicts)
        })
        .await
}

fn renew(
    step: &Step<'_>,
    topic: &Topic,
    worker: &WorkerId,
    held: &Held,
    ends: i64,
) -> Result<Verdict, Failed> {
    let Some(slot) = Slot::find(step, topic, held.id.as_str())? else {
        return Ok(Verdict::Lost);
    };
    let holds = slot.state == JobState::Active
        && slot.token == Some(held.token)
        && slot.worker.as_ref() == Some(worker);
    if !holds {
        return Ok(Verdict::Lost);
    }
    step.connection
        .prepare_cached(include_str!("../sql/consume/renew.sql"))?
        .execute(params![
            slot.seq,
            ends,
            held.progress.as_ref().map(to_json),
            with_lines(slot.logs.as_deref(), &held.logs),
        ])?;
    Ok(match slot.cancel_requested {
        true => Verdict::Cancelled,
        false => Verdict::Renewed,
    })
}

/// Leases of a reply that was lost: their worker never learned of them.
fn give_back_unlisted(
    step: &Step<'_>,
    topic: &Topic,
    worker: &WorkerId,
    held: &[Held],
    through: i64,
    effects: &mut Effects,
) -> Result<(), Failed> {
    let listed: HashSet<(&str, i64)> = held
        .iter()
        .filter_map(|held| Some((held.id.as_str(), stored_token(held.token).ok()?)))
        .collect();
    let leases: Vec<(String, i64)> = step
        .connection
        .prepare_cached(include_str!("../sql/consume/held_by.sql"))?
        .query_map(params![topic.number, worker.as_str(), through], |row| {
            Ok((id_text(row, 0)?, row.get(1)?))
        })?
        .collect::<Result<_, _>>()?;
    for (id, token) in leases {
        if listed.contains(&(id.as_str(), token)) {
            continue;
        }
        let Some(slot) = Slot::find(step, topic, &id)? else {
            continue;
        };
        if slot.cancel_requested {
            end(step, topic, &slot, cancelled_on_request(step, &slot))?;
            effects.ended.push(id);
        } else {
            let event = TimelineEvent::new(
                step.now.wall,
                TimelineKind::Released,
                slot.worker.clone(),
                NOT_LISTED,
            );
            let back = Requeue {
                run_at: None,
                attempts: slot.attempts_before(),
                stalls: slot.stalls,
                error: None,
                event,
                settled: false,
                order: Order::ByPriority,
            };
            requeue(step, &slot, back)?;
            effects.requeued += 1;
        }
    }
    Ok(())
}
