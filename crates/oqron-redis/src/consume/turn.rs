//! Turns.

use std::time::Duration;

use deadpool_redis::redis::Value;
use oqron_core::limits::{TURN_JOBS_MAX, at_most};
use oqron_core::time::millis;
use oqron_core::{Delivery, Error, Settled, Turn, Turned};

use super::lease::read_leases;
use super::settlement::push_settlement;
use crate::error::corrupt;
use crate::reply;
use crate::script::{Call, LazyScript, script};
use crate::server::Server;

static TURN: LazyScript = script!(
    " flags=allow-oom",
    "topic",
    "wake",
    "run",
    "steps",
    "report",
    "turn"
);
const AT_MOST_ONCE: u8 = 4;

pub(super) async fn turn(server: &Server, turn: &Turn<'_>) -> Result<Turned, Error> {
    at_most("settlements in one turn", turn.settlements.len(), TURN_JOBS_MAX)?;
    let (max, ttl, flags, max_stalls) = match &turn.claim {
        None => (-1, 0, 0, 0),
        Some(claim) => {
            at_most("jobs claimed in one turn", claim.max as usize, TURN_JOBS_MAX)?;
            let flags = match claim.delivery {
                Delivery::AtLeastOnce => 0,
                Delivery::AtMostOnce => AT_MOST_ONCE,
            };
            (
                i64::from(claim.max),
                ttl_ms(claim.lease_ttl)?,
                flags,
                claim.max_stalls,
            )
        }
    };
    let mut call = Call::new(&TURN, &[&server.keys.topic(turn.topic)])
        .arg(server.keys.worker_channels())
        .arg(turn.topic.as_str())
        .arg(turn.worker.as_str())
        .arg(turn.line)
        .arg(turn.request)
        .arg(max)
        .arg(ttl)
        .arg(flags)
        .arg(max_stalls);
    for settlement in turn.settlements {
        push_settlement(&mut call, settlement)?;
    }
    let fields: [Value; 6] = reply::list(server.run("settle and claim jobs", call).await?)?
        .try_into()
        .map_err(|fields: Vec<Value>| {
            corrupt("an answer", format!("{} fields where 6 belong", fields.len()))
        })?;
    let [verdicts, due_in, more, paused, leased, leases] = fields;

    let mut turned = Turned::default();
    let verdicts = reply::bytes(verdicts)?.unwrap_or_default();
    turned.settled = verdicts
        .iter()
        .map(|verdict| match verdict {
            b'A' => Settled::Accepted,
            _ => Settled::LeaseLost,
        })
        .collect();
    if turned.settled.len() != turn.settlements.len() {
        return Err(corrupt(
            "an answer",
            format!(
                "{} verdicts for {} settlements",
                turned.settled.len(),
                turn.settlements.len()
            ),
        ));
    }
    turned.due_in = u64::try_from(reply::number(&due_in)?)
        .ok()
        .map(Duration::from_millis);
    turned.more = reply::number(&more)? == 1;
    turned.paused = reply::number(&paused)? == 1;
    turned.leased = reply::number(&leased)? == 1;
    turned.leases = read_leases(reply::bytes(leases)?.unwrap_or_default())?;
    Ok(turned)
}

pub(super) fn ttl_ms(ttl: Duration) -> Result<i64, Error> {
    let limit = oqron_core::limits::DURATION_MAX.as_secs() as usize;
    let seconds = usize::try_from(ttl.as_secs()).unwrap_or(usize::MAX);
    at_most("lease_ttl in seconds", seconds, limit)?;
    Ok(millis(ttl))
}
