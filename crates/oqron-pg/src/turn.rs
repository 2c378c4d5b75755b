//! The turn: settle and claim in one transaction whose statements are sent one behind the other, so that it costs one round
//! trip and one commit.

use std::time::{Duration, Instant};

use futures::future::OptionFuture;
use oqron_core::limits::{ERROR_BYTES_MAX, PROMOTE_JOBS_MAX, TURN_JOBS_MAX, at_most, clip};
use oqron_core::time::millis;
use oqron_core::{
    Claim, Delivery, Encoded, Error, Format, JobId, JobOptions, Lease, Outcome, Settled, Settlement,
    Timestamp, Token, Turn, Turned,
};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::afterwards::Hints;
use crate::consume::PgConsume;
use crate::database::Param;
use crate::due::Seen;
use crate::error::corrupt;
use crate::marks::{Ranges, Snapshot};
use crate::statement::statement;
use crate::wake::Wake;

statement!(REQUEST, "sql/consume/request.sql", [INT4, TEXT, INT8]);
statement!(
    SETTLE,
    "sql/consume/settle.sql",
    [
        INT4,
        TEXT,
        TEXT_ARRAY,
        INT8_ARRAY,
        INT2_ARRAY,
        INT8_ARRAY,
        BYTEA_ARRAY,
        INT4_ARRAY,
        TEXT_ARRAY,
        TEXT_ARRAY,
        TEXT_ARRAY,
        TEXT_ARRAY,
        INT8
    ]
);
statement!(
    READY,
    "sql/consume/ready.sql",
    [INT4, TEXT, INT8, INT8, INT8, INT8]
);
statement!(
    CLAIM,
    "sql/consume/claim.sql",
    [
        INT4, TEXT, INT8, INT8, INT8, BOOL, INT4, INT4_ARRAY, INT8_ARRAY, INT4_ARRAY, INT8
    ]
);
statement!(DUE, "sql/consume/due.sql", [INT4, INT8, INT8]);

pub(crate) async fn turn(consume: &PgConsume, turn: &Turn<'_>) -> Result<Turned, Error> {
    at_most("settlements in one turn", turn.settlements.len(), TURN_JOBS_MAX)?;
    let wanted = turn.claim.map_or(0, |claim| claim.max);
    at_most("jobs claimed in one turn", wanted as usize, TURN_JOBS_MAX)?;

    let action = "settle and claim jobs";
    let database = &consume.database;
    let topic = database.topic_made(action, turn.topic).await?;
    let began = Instant::now();
    let (full, ranges, from, look) = consume.memory.of_topic(topic, |memory| {
        let full = memory.marks.full_is_due(began);
        let ranges = if full {
            Ranges::all()
        } else {
            memory.marks.ranges()
        };
        (full, ranges, memory.due.from(full), memory.due.look_is_due(began))
    });

    let connection = database.connection(action).await?;
    let [request_sql, settle_sql, ready_sql, claim_sql, due_sql] = connection
        .all_ready([&REQUEST, &SETTLE, &READY, &CLAIM, &DUE])
        .await?;

    let worker = turn.worker.as_str();
    let request = i64::try_from(turn.request).unwrap_or(i64::MAX);
    let request_params: [Param<'_>; 3] = [&topic, &worker, &request];
    let columns = Columns::of(turn.settlements);
    let settle_params = columns.params(&topic, &worker, &request);
    let at_once = PROMOTE_JOBS_MAX as i64;
    let ready_params: [Param<'_>; 6] = [
        &topic,
        &worker,
        &request,
        &at_once,
        &from.lease_until,
        &from.run_at,
    ];
    let terms = Terms::of(turn.claim);
    let key = consume.memory.registrations.key_of(turn.worker);
    let claim_params: [Param<'_>; 11] = [
        &topic,
        &worker,
        &request,
        &terms.max,
        &terms.lease_ms,
        &terms.at_most_once,
        &terms.max_stalls,
        &ranges.from_priority,
        &ranges.from_seq,
        &ranges.to_priority,
        &key,
    ];
    let due_params: [Param<'_>; 3] = [&topic, &from.lease_until, &from.run_at];

    let settles = !turn.settlements.is_empty();
    let claims = turn.claim.is_some();
    let (settled, ready, claimed, due) = connection
        .within(async {
            // Polled in this order, which is the order on the wire.
            let (begun, noted, settled, ready, claimed, due, ended) = futures::join!(
                connection.begin(),
                connection.send(&request_sql, &request_params),
                OptionFuture::from(settles.then(|| connection.send(&settle_sql, &settle_params))),
                OptionFuture::from(claims.then(|| connection.send(&ready_sql, &ready_params))),
                OptionFuture::from(claims.then(|| connection.send(&claim_sql, &claim_params))),
                OptionFuture::from(look.then(|| connection.send(&due_sql, &due_params))),
                connection.commit(),
            );
            // The first that failed says why; the others only that the transaction was aborted.
            begun?;
            noted?;
            let answers = (
                settled.transpose()?,
                ready.transpose()?,
                claimed.transpose()?,
                due.transpose()?,
            );
            ended?;
            Ok(answers)
        })
        .await?;

    let mut turned = Turned::default();
    let mut went_back = 0;
    if settles {
        (turned.settled, went_back) = read_settled(turn.settlements.len(), &settled.unwrap_or_default())?;
    }
    let now = Instant::now();
    let mut somebody_waits = false;
    if let (Some(claim), Some(rows)) = (turn.claim, claimed) {
        let read = read_claimed(&rows)?;
        turned.leases = read.leases;
        turned.more = read.more;
        turned.paused = read.paused;
        somebody_waits = read.more && read.somebody_waits;
        let reclaimed_until = ready.as_deref().map(read_ready).transpose()?.flatten();
        consume.memory.of_topic(topic, |memory| {
            if !read.paused && !read.repeated {
                let took = full.then(|| now.duration_since(began));
                memory.marks.claimed(now, &read.added, &read.snapshot, took);
                if let Some(until) = reclaimed_until {
                    memory.due.ready_until(until);
                }
            }
            if !turned.leases.is_empty() {
                memory.due.leased(now, claim.lease_ttl);
            }
            if somebody_waits {
                memory.untold.told(now);
            } else if read.unwatched {
                memory.untold.owe(read.leases_until, key);
            }
        });
    }
    let looked = due.as_deref().map(read_due).transpose()?;
    (turned.due_in, turned.leased) = consume.memory.of_topic(topic, |memory| {
        match &looked {
            Some(seen) => memory.due.looked(now, seen),
            None => delays(turn.settlements).for_each(|delay| memory.due.scheduled(now, delay)),
        }
        (memory.due.due_in(now), claims && memory.due.is_leased())
    });

    let wake = if somebody_waits {
        Some(Wake::Jobs(1))
    } else {
        (went_back > 0 && !claims).then_some(Wake::Jobs(went_back))
    };
    let is_short = turned.leases.len() < wanted as usize;
    let hints = Hints {
        topic,
        wake,
        leases: consume.owed_for_leases(topic),
        waits: is_short
            .then(|| consume.registering(topic, turn.worker, turned.due_in))
            .flatten(),
    };
    if turned.leases.is_empty() {
        consume.hint(&connection, hints).await;
    } else {
        drop(connection);
        consume.hint_afterwards(hints).await;
    }
    Ok(turned)
}

/// After which times jobs come back, if their settlements are accepted.
fn delays(settlements: &[Settlement]) -> impl Iterator<Item = Duration> {
    settlements
        .iter()
        .filter_map(|settlement| match &settlement.outcome {
            Outcome::Retry { delay, .. } | Outcome::Snooze { delay } if !delay.is_zero() => Some(*delay),
            _ => None,
        })
}

/// The terms of a claim as parameters.
struct Terms {
    max: i64,
    lease_ms: i64,
    at_most_once: bool,
    max_stalls: i32,
}

impl Terms {
    fn of(claim: Option<Claim>) -> Self {
        let Some(claim) = claim else {
            return Self {
                max: 0,
                lease_ms: 0,
                at_most_once: false,
                max_stalls: 0,
            };
        };
        Self {
            max: claim.max.into(),
            lease_ms: millis(claim.lease_ttl),
            at_most_once: claim.delivery == Delivery::AtMostOnce,
            max_stalls: i32::try_from(claim.max_stalls).unwrap_or(i32::MAX),
        }
    }
}

/// Settlements as arrays, one a column.
#[derive(Default)]
struct Columns<'a> {
    ids: Vec<&'a str>,
    tokens: Vec<i64>,
    outcomes: Vec<i16>,
    delays: Vec<i64>,
    results: Vec<Option<&'a [u8]>>,
    result_formats: Vec<Option<i32>>,
    errors: Vec<Option<String>>,
    reasons: Vec<Option<String>>,
    progress: Vec<Option<String>>,
    logs: Vec<Option<String>>,
}

impl<'a> Columns<'a> {
    fn of(settlements: &'a [Settlement]) -> Self {
        let mut columns = Self::default();
        for settlement in settlements {
            columns.push(settlement);
        }
        columns
    }

    fn push(&mut self, settlement: &'a Settlement) {
        let (outcome, delay, result, failure, reason) = match &settlement.outcome {
            Outcome::Complete(result) => (0, None, Some(result), None, None),
            Outcome::Retry { delay, failure } => {
                (1, Some(*delay), None, Some(failure), Some(failure.to_string()))
            }
            Outcome::Fail(failure) => (2, None, None, Some(failure), Some(failure.to_string())),
            Outcome::Snooze { delay } => (3, Some(*delay), None, None, None),
            Outcome::Release { reason } => (4, None, None, None, Some(reason.clone())),
            Outcome::Cancel { reason } => (5, None, None, None, Some(reason.clone())),
        };
        self.ids.push(settlement.id.as_str());
        self.tokens.push(i64::try_from(settlement.token.0).unwrap_or(-1));
        self.outcomes.push(outcome);
        self.delays.push(delay.map_or(0, millis));
        self.results.push(result.map(|result| &*result.bytes));
        self.result_formats
            .push(result.map(|result| i32::from(result.format.number())));
        self.errors.push(failure.map(json));
        self.reasons
            .push(reason.map(|reason| json(&clip(&reason, ERROR_BYTES_MAX))));
        self.progress.push(settlement.progress.as_ref().map(json));
        self.logs.push(json_lines(&settlement.logs));
    }

    fn params(&'a self, topic: &'a i32, worker: &'a &'a str, request: &'a i64) -> [Param<'a>; 13] {
        [
            topic,
            worker,
            &self.ids,
            &self.tokens,
            &self.outcomes,
            &self.delays,
            &self.results,
            &self.result_formats,
            &self.errors,
            &self.reasons,
            &self.progress,
            &self.logs,
            request,
        ]
    }
}

/// JSON as the server keeps it: as a text, which may hold an escaped NUL where `jsonb` may not.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("texts and numbers are always JSON")
}

/// One JSON line each, the newest that are kept.
pub(crate) fn json_lines<T: serde::Serialize>(lines: &[T]) -> Option<String> {
    let newest = &lines[lines.len().saturating_sub(oqron_core::limits::LOG_LINES_MAX)..];
    let texts: Vec<String> = newest.iter().map(json).collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

fn read<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> Result<T, Error> {
    row.try_get(column)
        .map_err(|error| corrupt("answer to a turn", format!("{column}: {error}")))
}

fn read_settled(count: usize, rows: &[Row]) -> Result<(Vec<Settled>, i32), Error> {
    let mut settled = vec![Settled::LeaseLost; count];
    let mut went_back = 0;
    for row in rows {
        let place: i32 = read(row, "ord")?;
        let place = usize::try_from(place - 1).unwrap_or(usize::MAX);
        if read(row, "accepted")?
            && let Some(settled) = settled.get_mut(place)
        {
            *settled = Settled::Accepted;
        }
        went_back += i32::from(read::<bool>(row, "waits")?);
    }
    Ok((settled, went_back))
}

/// Until when everything that was ready was taken; `None` if more is left.
fn read_ready(rows: &[Row]) -> Result<Option<i64>, Error> {
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let more = read(row, "more_expired")? || read(row, "more_due")?;
    Ok((!more).then_some(read(row, "now")?))
}

fn read_due(rows: &[Row]) -> Result<Seen, Error> {
    let row = rows
        .first()
        .ok_or_else(|| corrupt("answer to a turn", "it does not say what is due"))?;
    let now: i64 = read(row, "now")?;
    let times: [Option<i64>; 2] = [read(row, "lease_until")?, read(row, "run_at")?];
    let next = times.into_iter().flatten().min();
    let took: i64 = read(row, "took_us")?;
    Ok(Seen {
        due_in: next.map(|next| Timestamp::from_millis(next).since(Timestamp::from_millis(now))),
        leased: times[0].is_some(),
        took: Duration::from_micros(u64::try_from(took).unwrap_or(0)),
    })
}

struct Claimed {
    leases: Vec<Lease>,
    /// Priority and age of those that came from the index of added jobs.
    added: Vec<(i32, i64)>,
    paused: bool,
    repeated: bool,
    more: bool,
    somebody_waits: bool,
    /// Of the others nobody comes by itself before the leases end.
    unwatched: bool,
    leases_until: i64,
    snapshot: Snapshot,
}

fn read_claimed(rows: &[Row]) -> Result<Claimed, Error> {
    let first = rows
        .first()
        .ok_or_else(|| corrupt("answer to a turn", "it is empty"))?;
    let snapshot: &str = read(first, "snapshot")?;
    let mut claimed = Claimed {
        leases: Vec::with_capacity(rows.len()),
        added: Vec::with_capacity(rows.len()),
        paused: read(first, "paused")?,
        repeated: read(first, "repeated")?,
        more: read(first, "more")?,
        somebody_waits: read(first, "waiters")?,
        unwatched: read(first, "unwatched")?,
        leases_until: read(first, "leases_until")?,
        snapshot: Snapshot::read(snapshot)
            .ok_or_else(|| corrupt("answer to a turn", format!("snapshot {snapshot:?}")))?,
    };
    for row in rows {
        let Some(id) = read::<Option<&str>>(row, "id")? else {
            continue;
        };
        if read::<i16>(row, "lane")? == 2 {
            claimed.added.push((read(row, "priority")?, read(row, "seq")?));
        }
        match read_lease(id, row) {
            Ok(lease) => claimed.leases.push(lease),
            // One row that somebody edited must not stop the topic: its lease runs out, and it ends as stalled.
            Err(error) => {
                tracing::error!(job = id, %error, "a claimed job cannot be read; its lease is left to run out")
            }
        }
    }
    Ok(claimed)
}

fn read_lease(id: &str, row: &Row) -> Result<Lease, Error> {
    let what = "job record";
    let id = JobId::new(id).map_err(|error| corrupt(what, error))?;
    let token: i64 = read(row, "token")?;
    let format: i32 = read(row, "payload_format")?;
    let format = u16::try_from(format).map_err(|_| corrupt(what, format!("payload_format is {format}")))?;
    let payload: Vec<u8> = read(row, "payload")?;
    let created_at = Timestamp::from_millis(read(row, "created_at")?);
    let mut lease = Lease::new(
        id,
        Token(u64::try_from(token).unwrap_or(0)),
        Encoded::new(Format::from_number(format), payload),
        created_at,
    );
    lease.attempt =
        u32::try_from(read::<i32>(row, "attempts")?).map_err(|_| corrupt(what, "attempts is negative"))?;
    lease.stalls =
        u32::try_from(read::<i32>(row, "stalls")?).map_err(|_| corrupt(what, "stalls is negative"))?;
    let mut options = JobOptions {
        priority: u32::try_from(read::<i32>(row, "priority")?)
            .map_err(|_| corrupt(what, "priority is negative"))?,
        ..JobOptions::default()
    };
    options.set_extras(read::<Option<&str>>(row, "extras")?)?;
    lease.options = options;
    Ok(lease)
}
