//! The one call of a working worker: settle what has ended and claim what is free, in one transaction.

use oqron_core::limits::{TURN_JOBS_MAX, at_most};
use oqron_core::{Claim, Error, Namespace, Settled, Settlement, TopicName, Turn, Turned, WorkerId};
use rusqlite::{OptionalExtension, params};

use super::claim::{claim, leases_of, topic_row};
use super::due::next_events;
use super::settle::{Effects, settle};
use super::wait::{is_anything_waiting, stop_waiting, wait};
use super::{NOTE_TURNS_EVERY_MS, note_seen};
use crate::error::Failed;
use crate::file::Handle;
use crate::step::{Step, Topic};

pub(super) async fn turn(handle: &Handle, turn: &Turn<'_>) -> Result<Turned, Error> {
    at_most("settlements in one turn", turn.settlements.len(), TURN_JOBS_MAX)?;
    if let Some(claim) = turn.claim {
        at_most("jobs in one claim", claim.max as usize, TURN_JOBS_MAX)?;
    }
    let request = Request {
        namespace: handle.namespace.clone(),
        topic: turn.topic.clone(),
        worker: turn.worker.clone(),
        line: turn.line,
        number: i64::try_from(turn.request).map_err(|_| Error::Invalid {
            what: "request",
            problem: format!("{} is too large; requests are numbered from 1", turn.request),
        })?,
        settlements: turn.settlements.to_vec(),
        claim: turn.claim,
    };
    handle
        .write("take a turn", move |step| take_turn(step, &request))
        .await
}

/// A turn that travels to the writer.
pub(super) struct Request {
    namespace: Namespace,
    topic: TopicName,
    pub(super) worker: WorkerId,
    line: u8,
    pub(super) number: i64,
    settlements: Vec<Settlement>,
    claim: Option<Claim>,
}

fn take_turn(step: &Step<'_>, request: &Request) -> Result<Turned, Failed> {
    let topic = step.topic(&request.namespace, &request.topic)?;
    note_seen(step, topic.namespace, &request.worker, NOTE_TURNS_EVERY_MS)?;
    let last = last_request(step, &topic, request)?;
    let mut turned = Turned::default();
    match last {
        Some((number, verdicts)) if number == request.number => {
            turned.settled = repeated(request, &verdicts)?;
            turned.leases = leases_of(step, &topic, request)?;
        }
        // A request before the last one: a copy that was long on its way. Nobody waits for its answer.
        Some((number, _)) if number > request.number => {
            turned.settled = vec![Settled::LeaseLost; request.settlements.len()];
            return Ok(turned);
        }
        _ => act(step, &topic, request, &mut turned)?,
    }
    let (paused, _) = topic_row(step, &topic)?;
    let is_ready = !paused && is_anything_waiting(step, &topic)?;
    let events = next_events(step, &topic)?;
    // What is due in a paused topic waits for the resume, which wakes.
    turned.due_in = match paused {
        true => None,
        false => events.time_until_first(step),
    };
    if let Some(terms) = &request.claim {
        (turned.paused, turned.more) = (paused, is_ready);
        turned.leased = events.lease_ends.is_some();
        match (turned.leases.len() as u32) < terms.max {
            true => wait(step, &topic, request, turned.due_in)?,
            false => stop_waiting(step, &topic, request)?,
        }
    }
    if is_ready {
        step.wake_another(&topic, &request.worker)?;
    }
    if let Some(terms) = &request.claim
        && !turned.leases.is_empty()
        && !paused
    {
        step.wake_for_leases(&topic, &request.worker, step.now.wall.after(terms.lease_ttl))?;
    }
    Ok(turned)
}

/// A request that was not seen before.
fn act(step: &Step<'_>, topic: &Topic, request: &Request, turned: &mut Turned) -> Result<(), Failed> {
    let due_before = next_events(step, topic)?.run_at;
    let mut effects = Effects::default();
    for settlement in &request.settlements {
        let settled = settle(step, topic, &request.worker, settlement, &mut effects)?;
        turned.settled.push(settled);
    }
    if let Some(terms) = &request.claim {
        turned.leases = claim(step, topic, request, terms, &mut effects)?;
    }
    remember(step, topic, request, &turned.settled)?;
    step.tell_watchers(topic, effects.ended.iter().map(String::as_str))?;
    if effects.scheduled > 0 {
        step.wake_for_earlier(topic, due_before)?;
    }
    Ok(())
}

fn last_request(step: &Step<'_>, topic: &Topic, request: &Request) -> Result<Option<(i64, Vec<u8>)>, Failed> {
    Ok(step
        .connection
        .prepare_cached("SELECT request, verdicts FROM turns WHERE topic = ?1 AND worker = ?2 AND line = ?3")?
        .query_row(
            params![topic.number, request.worker.as_str(), request.line],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?)
}

fn remember(step: &Step<'_>, topic: &Topic, request: &Request, settled: &[Settled]) -> Result<(), Failed> {
    let verdicts: Vec<u8> = settled
        .iter()
        .map(|settled| u8::from(*settled == Settled::Accepted))
        .collect();
    step.connection
        .prepare_cached(include_str!("../sql/consume/remember_turn.sql"))?
        .execute(params![
            topic.number,
            request.worker.as_str(),
            request.line,
            request.number,
            verdicts,
            step.now.wall.as_millis(),
        ])?;
    Ok(())
}

/// The verdicts of a request that took effect before.
fn repeated(request: &Request, verdicts: &[u8]) -> Result<Vec<Settled>, Failed> {
    if verdicts.len() != request.settlements.len() {
        return Err(Failed::Oqron(Error::Invalid {
            what: "request",
            problem: format!(
                "{} by worker {} had {} settlements, and is repeated with {}; a repeated request is the same",
                request.number,
                request.worker,
                verdicts.len(),
                request.settlements.len()
            ),
        }));
    }
    let verdict = |verdict: &u8| match verdict {
        0 => Settled::LeaseLost,
        _ => Settled::Accepted,
    };
    Ok(verdicts.iter().map(verdict).collect())
}
