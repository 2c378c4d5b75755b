//! Claiming: what is due becomes waiting, what was given up is taken back, and the first in the order become active.

use oqron_core::limits::PROMOTE_JOBS_MAX;
use oqron_core::time::millis;
use oqron_core::{Claim, Delivery, JobOptions, Lease, Timestamp, Token};
use rusqlite::{Row, params};

use super::settle::Effects;
use super::stall::reclaim_expired;
use super::turn::Request;
use super::unreadable::fail_unreadable;
use crate::column::{encoded, id_text, job_id, number, text, token};
use crate::error::{Failed, fault_of_row};
use crate::step::{Step, Topic};

/// Claims, unless the topic is paused.
pub(super) fn claim(
    step: &Step<'_>,
    topic: &Topic,
    request: &Request,
    terms: &Claim,
    effects: &mut Effects,
) -> Result<Vec<Lease>, Failed> {
    let (paused, last_token) = topic_row(step, topic)?;
    if paused {
        return Ok(Vec::new());
    }
    promote_due(step, topic)?;
    reclaim_expired(step, topic, effects)?;
    let waiting = first_readable(step, topic, terms.max, effects)?;
    lease(step, topic, request, terms, waiting, last_token)
}

/// Whether the topic is paused, and its last token.
pub(super) fn topic_row(step: &Step<'_>, topic: &Topic) -> Result<(bool, i64), Failed> {
    Ok(step
        .connection
        .prepare_cached("SELECT paused, last_token FROM topics WHERE id = ?1")?
        .query_row(params![topic.number], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

fn promote_due(step: &Step<'_>, topic: &Topic) -> Result<(), Failed> {
    step.connection
        .prepare_cached(include_str!("../sql/consume/promote.sql"))?
        .execute(params![
            topic.number,
            step.now.wall.as_millis(),
            PROMOTE_JOBS_MAX as i64
        ])?;
    Ok(())
}

/// What is first in the order and cannot be read becomes a dead letter, so that it does not stay first for ever. A bounded
/// number in one turn.
fn first_readable(
    step: &Step<'_>,
    topic: &Topic,
    max: u32,
    effects: &mut Effects,
) -> Result<Vec<(i64, Lease)>, Failed> {
    let mut unreadable = 0;
    loop {
        let (readable, faults) = first_waiting(step, topic, max)?;
        for (seq, fault) in &faults {
            fail_unreadable(step, topic, *seq, fault, effects)?;
        }
        unreadable += faults.len();
        if faults.is_empty() || unreadable >= PROMOTE_JOBS_MAX {
            return Ok(readable);
        }
    }
}

type Waiting<T> = Vec<(i64, T)>;

/// Those that can be read, and what is wrong with the others.
fn first_waiting(
    step: &Step<'_>,
    topic: &Topic,
    max: u32,
) -> Result<(Waiting<Lease>, Waiting<String>), Failed> {
    let mut statement = step
        .connection
        .prepare_cached(include_str!("../sql/consume/first_waiting.sql"))?;
    let mut rows = statement.query(params![topic.number, max])?;
    let (mut readable, mut faults) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        match fault_of_row(read_lease(row))? {
            Ok(lease) => readable.push((seq, lease)),
            Err(fault) => faults.push((seq, fault)),
        }
    }
    Ok((readable, faults))
}

/// A lease from the columns of `first_waiting.sql` and `leases_of.sql`.
fn read_lease(row: &Row<'_>) -> Result<Lease, Failed> {
    let payload = encoded(row.get(7)?, row.get(8)?)?;
    let created_at = Timestamp::from_millis(row.get(6)?);
    // A claim gives a new one.
    let last_token = token(row.get::<_, Option<i64>>(9)?.unwrap_or(0)).unwrap_or(Token(0));
    let id = job_id(id_text(row, 1)?)?;
    let mut lease = Lease::new(id, last_token, payload, created_at);
    lease.attempt = number("attempts", row.get(2)?)?;
    lease.stalls = number("stalls", row.get(3)?)?;
    let mut options = JobOptions {
        priority: number("priority", row.get(4)?)?,
        ..JobOptions::default()
    };
    options.set_extras(text(row, 5)?.as_deref())?;
    lease.options = options;
    Ok(lease)
}

fn lease(
    step: &Step<'_>,
    topic: &Topic,
    request: &Request,
    terms: &Claim,
    waiting: Vec<(i64, Lease)>,
    last_token: i64,
) -> Result<Vec<Lease>, Failed> {
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    let mut activate = step
        .connection
        .prepare_cached(include_str!("../sql/consume/activate.sql"))?;
    let ends = step.now.boot_ms.saturating_add(millis(terms.lease_ttl));
    let mut newest = last_token;
    let mut leases = Vec::with_capacity(waiting.len());
    for (seq, mut lease) in waiting {
        newest += 1;
        lease.attempt = lease.attempt.saturating_add(1);
        lease.token = token(newest)?;
        activate.execute(params![
            seq,
            lease.attempt,
            ends,
            terms.max_stalls,
            terms.delivery == Delivery::AtMostOnce,
            request.number,
            newest,
            step.now.wall.as_millis(),
            request.worker.as_str(),
        ])?;
        leases.push(lease);
    }
    step.connection
        .prepare_cached("UPDATE topics SET last_token = ?2 WHERE id = ?1 /* oqron:consume:tokens */")?
        .execute(params![topic.number, newest])?;
    Ok(leases)
}

/// The leases that a request gave and that are still held.
pub(super) fn leases_of(step: &Step<'_>, topic: &Topic, request: &Request) -> Result<Vec<Lease>, Failed> {
    let mut statement = step
        .connection
        .prepare_cached(include_str!("../sql/consume/leases_of.sql"))?;
    let mut rows = statement.query(params![topic.number, request.worker.as_str(), request.number])?;
    let mut leases = Vec::new();
    while let Some(row) = rows.next()? {
        // One that was edited meanwhile is unknown to its worker, and so goes back with the next heartbeat.
        if let Ok(lease) = fault_of_row(read_lease(row))? {
            leases.push(lease);
        }
    }
    Ok(leases)
}
