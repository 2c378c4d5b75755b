//! The turn: settle and claim in one transaction and one round trip. What is usual is one call of a function of the server;
//! what is not, is settled by a statement of its own before it, sent without waiting.

use std::time::Instant;

use oqron_core::limits::{PROMOTE_JOBS_MAX, TURN_JOBS_MAX, at_most};
use oqron_core::time::millis;
use oqron_core::{Claim, Delivery, Error, Turn, Turned};
use tokio_postgres::Row;

use crate::afterwards::Hints;
use crate::claimed::{self, Claimed};
use crate::consume::PgConsume;
use crate::database::{Connection, Param};
use crate::marks::Ranges;
use crate::settle::{Columns, delays, read_settled};
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
    TAKE_TURN,
    "sql/consume/take_turn.sql",
    [
        INT4,
        TEXT,
        INT8,
        TEXT_ARRAY,
        INT8_ARRAY,
        BYTEA_ARRAY,
        INT4_ARRAY,
        INT8,
        INT8,
        BOOL,
        INT4,
        INT4_ARRAY,
        INT8_ARRAY,
        INT4_ARRAY,
        INT8,
        INT8,
        INT8,
        BOOL,
        INT8
    ]
);

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

    let worker = turn.worker.as_str();
    let request = i64::try_from(turn.request).unwrap_or(i64::MAX);
    let columns = Columns::of(turn.settlements);
    let settles = !turn.settlements.is_empty();
    let terms = Terms::of(turn.claim);
    let key = consume.memory.registrations.key_of(turn.worker);
    let ready_max = PROMOTE_JOBS_MAX as i64;
    let usual = (settles && columns.are_usual()).then_some(&columns);
    let ids = usual.map(|columns| &columns.ids);
    let tokens = usual.map(|columns| &columns.tokens);
    let results = usual.map(|columns| &columns.results);
    let formats = usual.map(|columns| &columns.result_formats);
    let params: [Param<'_>; 19] = [
        &topic,
        &worker,
        &request,
        &ids,
        &tokens,
        &results,
        &formats,
        &terms.max,
        &terms.lease_ms,
        &terms.at_most_once,
        &terms.max_stalls,
        &ranges.from_priority,
        &ranges.from_seq,
        &ranges.to_priority,
        &key,
        &from.lease_until,
        &from.run_at,
        &look,
        &ready_max,
    ];
    let connection = database.connection(action).await?;
    let (settled, rows) = if usual.is_some() || !settles {
        (None, connection.query(&TAKE_TURN, &params).await?)
    } else {
        let request_params: [Param<'_>; 3] = [&topic, &worker, &request];
        let settle_params = columns.params(&topic, &worker, &request);
        let (settled, rows) = settle_first(&connection, &request_params, &settle_params, &params).await?;
        (Some(settled), rows)
    };

    let read = claimed::read(&rows)?;
    let mut turned = Turned::default();
    let mut went_back = 0;
    match settled {
        Some(settled) => (turned.settled, went_back) = read_settled(&columns, &settled)?,
        None => turned.settled = columns.verdicts(|place| !read.refused.contains(&place)),
    }
    let now = Instant::now();
    let Claimed { leases, .. } = &read;
    let somebody_waits = read.more && read.somebody_waits;
    let next_due_in = consume.memory.of_topic(topic, |memory| {
        if let Some(claim) = turn.claim {
            if !read.paused && !read.repeated {
                let took = full.then(|| now.duration_since(began));
                memory.marks.claimed(now, &read.added, &read.snapshot, took);
                if let Some(until) = read.ready_until {
                    memory.due.ready_until(until);
                }
            }
            if !leases.is_empty() {
                memory.due.leased(now, claim.lease_ttl);
            }
            if somebody_waits {
                memory.untold.told(now);
            } else if read.unwatched {
                memory.untold.owe(read.leases_until, key);
            }
        }
        match &read.seen {
            Some(seen) => memory.due.looked(now, seen),
            None => delays(turn.settlements).for_each(|delay| memory.due.scheduled(now, delay)),
        }
        turned.leased = turn.claim.is_some() && memory.due.is_leased();
        let (next, look_again) = (memory.due.due_in(now), memory.due.look_again_in(now));
        turned.due_in = next.into_iter().chain(look_again.filter(|_| !look)).min();
        next
    });
    turned.leases = read.leases;
    turned.more = read.more;
    turned.paused = turn.claim.is_some() && read.paused;

    let wake = if somebody_waits {
        Some(Wake::Jobs(1))
    } else {
        (went_back > 0 && turn.claim.is_none()).then_some(Wake::Jobs(went_back))
    };
    let is_short = turned.leases.len() < wanted as usize;
    // A waiter is registered with what is due and not with when it looks again: it is to be woken for everything earlier.
    let hints = Hints {
        topic,
        wake,
        leases: consume.owed_for_leases(topic),
        waits: is_short
            .then(|| consume.registering(topic, turn.worker, next_due_in))
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

/// What is not usual: settled in the same transaction before the claim.
async fn settle_first(
    connection: &Connection<'_>,
    request: &[Param<'_>],
    settlements: &[Param<'_>],
    claim: &[Param<'_>],
) -> Result<(Vec<Row>, Vec<Row>), Error> {
    let [request_sql, settle_sql, turn_sql] = connection.all_ready([&REQUEST, &SETTLE, &TAKE_TURN]).await?;
    connection
        .within(async {
            // Polled in this order, which is the order on the wire.
            let (begun, noted, settled, claimed, ended) = futures::join!(
                connection.begin(),
                connection.send(&request_sql, request),
                connection.send(&settle_sql, settlements),
                connection.send(&turn_sql, claim),
                connection.commit(),
            );
            // The first that failed says why; the others only that the transaction was aborted.
            begun?;
            noted?;
            let answers = (settled?, claimed?);
            ended?;
            Ok(answers)
        })
        .await
}

/// The terms of a claim as parameters.
struct Terms {
    max: Option<i64>,
    lease_ms: i64,
    at_most_once: bool,
    max_stalls: i32,
}

impl Terms {
    fn of(claim: Option<Claim>) -> Self {
        let Some(claim) = claim else {
            return Self {
                max: None,
                lease_ms: 0,
                at_most_once: false,
                max_stalls: 0,
            };
        };
        Self {
            max: Some(claim.max.into()),
            lease_ms: millis(claim.lease_ttl),
            at_most_once: claim.delivery == Delivery::AtMostOnce,
            max_stalls: i32::try_from(claim.max_stalls).unwrap_or(i32::MAX),
        }
    }
}
