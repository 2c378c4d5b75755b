//! The answer to a turn.

use std::time::Duration;

use oqron_core::{Encoded, Error, Format, JobId, JobOptions, Lease, Timestamp, Token};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::due::Seen;
use crate::error::corrupt;
use crate::marks::Snapshot;

/// Columns of a lease, by their place in a row of `take_turn`.
mod column {
    pub(super) const ID: usize = 0;
    pub(super) const TOKEN: usize = 1;
    pub(super) const ATTEMPTS: usize = 2;
    pub(super) const STALLS: usize = 3;
    pub(super) const PAYLOAD_FORMAT: usize = 4;
    pub(super) const PAYLOAD: usize = 5;
    pub(super) const EXTRAS: usize = 6;
    pub(super) const CREATED_AT: usize = 7;
    pub(super) const PRIORITY: usize = 8;
    pub(super) const SEQ: usize = 9;
    pub(super) const LANE: usize = 10;
}

pub(crate) struct Claimed {
    pub(crate) leases: Vec<Lease>,
    /// Priority and age of those that came from the index of added jobs.
    pub(crate) added: Vec<(i32, i64)>,
    /// Places of settlements in their arrays, where the turn was a usual one.
    pub(crate) refused: Vec<usize>,
    pub(crate) paused: bool,
    pub(crate) repeated: bool,
    pub(crate) more: bool,
    pub(crate) somebody_waits: bool,
    /// Of the others nobody comes by itself before the leases end.
    pub(crate) unwatched: bool,
    pub(crate) leases_until: i64,
    pub(crate) snapshot: Snapshot,
    /// Until when everything that was ready was taken; `None` if more is left.
    pub(crate) ready_until: Option<i64>,
    /// What is due next, if that was asked.
    pub(crate) seen: Option<Seen>,
}

fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Error> {
    row.try_get(column)
        .map_err(|error| corrupt("answer to a turn", format!("column {column}: {error}")))
}

fn named<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> Result<T, Error> {
    row.try_get(column)
        .map_err(|error| corrupt("answer to a turn", format!("{column}: {error}")))
}

pub(crate) fn read(rows: &[Row]) -> Result<Claimed, Error> {
    // The row of the whole is the last one.
    let (whole, jobs) = rows
        .split_last()
        .ok_or_else(|| corrupt("answer to a turn", "it is empty"))?;
    let snapshot: &str = named(whole, "snapshot")?;
    let refused: Option<Vec<i32>> = named(whole, "refused")?;
    let is_so = |column| named(whole, column).map(|is: Option<bool>| is.unwrap_or(false));
    let mut claimed = Claimed {
        leases: Vec::with_capacity(jobs.len()),
        added: Vec::with_capacity(jobs.len()),
        refused: refused
            .unwrap_or_default()
            .into_iter()
            .filter_map(|place| usize::try_from(place - 1).ok())
            .collect(),
        paused: is_so("paused")?,
        repeated: is_so("repeated")?,
        more: is_so("more")?,
        somebody_waits: is_so("waiters")?,
        unwatched: is_so("unwatched")?,
        leases_until: named::<Option<i64>>(whole, "leases_until")?.unwrap_or(0),
        snapshot: Snapshot::read(snapshot)
            .ok_or_else(|| corrupt("answer to a turn", format!("snapshot {snapshot:?}")))?,
        ready_until: named(whole, "ready_until")?,
        seen: read_seen(whole)?,
    };
    let mut ordered = Vec::with_capacity(jobs.len());
    for row in jobs {
        let lane: i16 = get(row, column::LANE)?;
        let (priority, seq): (i32, i64) = (get(row, column::PRIORITY)?, get(row, column::SEQ)?);
        if lane == 2 {
            claimed.added.push((priority, seq));
        }
        // Stalled ones start first.
        ordered.push((lane != 0, priority, seq, row));
    }
    ordered.sort_unstable_by_key(|(has_not_stalled, priority, seq, _)| (*has_not_stalled, *priority, *seq));
    for (_, priority, _, row) in ordered {
        match read_lease(row, priority) {
            Ok(lease) => claimed.leases.push(lease),
            // One row that somebody edited must not stop the topic: its lease runs out, and it ends as stalled.
            Err(error) => {
                let id: &str = get(row, column::ID)?;
                tracing::error!(job = id, %error, "a claimed job cannot be read; its lease is left to run out")
            }
        }
    }
    Ok(claimed)
}

fn read_seen(whole: &Row) -> Result<Option<Seen>, Error> {
    let Some(took) = named::<Option<i64>>(whole, "took_us")? else {
        return Ok(None);
    };
    let now: i64 = named(whole, "at")?;
    let times: [Option<i64>; 2] = [named(whole, "lease_until")?, named(whole, "run_at")?];
    let next = times.into_iter().flatten().min();
    Ok(Some(Seen {
        due_in: next.map(|next| Timestamp::from_millis(next).since(Timestamp::from_millis(now))),
        leased: times[0].is_some(),
        took: Duration::from_micros(u64::try_from(took).unwrap_or(0)),
    }))
}

fn read_lease(row: &Row, priority: i32) -> Result<Lease, Error> {
    let what = "job record";
    let id: &str = get(row, column::ID)?;
    let id = JobId::new(id).map_err(|error| corrupt(what, error))?;
    let token: i64 = get(row, column::TOKEN)?;
    let format: i32 = get(row, column::PAYLOAD_FORMAT)?;
    let format = u16::try_from(format).map_err(|_| corrupt(what, format!("payload_format is {format}")))?;
    let payload: Vec<u8> = get(row, column::PAYLOAD)?;
    let created_at = Timestamp::from_millis(get(row, column::CREATED_AT)?);
    let mut lease = Lease::new(
        id,
        Token(u64::try_from(token).unwrap_or(0)),
        Encoded::new(Format::from_number(format), payload),
        created_at,
    );
    let (attempts, stalls): (i32, i32) = (get(row, column::ATTEMPTS)?, get(row, column::STALLS)?);
    lease.attempt = u32::try_from(attempts).map_err(|_| corrupt(what, "attempts is negative"))?;
    lease.stalls = u32::try_from(stalls).map_err(|_| corrupt(what, "stalls is negative"))?;
    let mut options = JobOptions {
        priority: u32::try_from(priority).map_err(|_| corrupt(what, "priority is negative"))?,
        ..JobOptions::default()
    };
    options.set_extras(get::<Option<&str>>(row, column::EXTRAS)?)?;
    lease.options = options;
    Ok(lease)
}
