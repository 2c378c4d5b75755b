//! Values of the file as the core's types. What no version of Oqron writes is an error, never a panic. The tables are
//! strict, so a number is a number, and a text may only be one that is not UTF-8.

use std::time::Duration;

use oqron_core::{Encoded, Error, Format, JobId, JobState, Retention, Token, WorkerId};

use rusqlite::types::ValueRef;
use rusqlite::{Row, RowIndex};

use crate::error::corrupt;

/// A text; what is not UTF-8 in it is replaced.
pub(crate) fn text(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    })
}

/// The text of an id; none where it is not UTF-8, since nobody could name it.
pub(crate) fn id_text(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<String> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) => str::from_utf8(bytes).unwrap_or_default().to_owned(),
        _ => String::new(),
    })
}

/// What a job is called whose id is none.
pub(crate) fn stand_in_id(seq: i64) -> String {
    format!("unreadable-{seq}")
}

pub(crate) fn state(number: i64) -> Result<JobState, Error> {
    JobState::from_number(number).ok_or_else(|| corrupt("a job's state", format!("{number} is no state")))
}

pub(crate) fn job_id(text: String) -> Result<JobId, Error> {
    JobId::new(text).map_err(|error| corrupt("a job's id", error.to_string()))
}

pub(crate) fn worker_id(text: String) -> Result<WorkerId, Error> {
    WorkerId::new(text).map_err(|error| corrupt("a worker's id", error.to_string()))
}

pub(crate) fn token(number: i64) -> Result<Token, Error> {
    match u64::try_from(number) {
        Ok(number) => Ok(Token(number)),
        Err(_) => Err(corrupt("a token", format!("{number} is below zero"))),
    }
}

pub(crate) fn number(what: &'static str, value: i64) -> Result<u32, Error> {
    u32::try_from(value).map_err(|_| corrupt(what, format!("{value} is not in 0 to 4294967295")))
}

pub(crate) fn format(number: i64) -> Result<Format, Error> {
    match u16::try_from(number) {
        Ok(number) => Ok(Format::from_number(number)),
        Err(_) => Err(corrupt("a format", format!("{number} is not in 0 to 65535"))),
    }
}

pub(crate) fn encoded(number: i64, bytes: Vec<u8>) -> Result<Encoded, Error> {
    Ok(Encoded::new(format(number)?, bytes))
}

pub(crate) fn retention(keep_ms: Option<i64>, keep_count: Option<i64>) -> Result<Retention, Error> {
    let max_age = match keep_ms {
        None => None,
        Some(ms) => Some(Duration::from_millis(u64::try_from(ms).map_err(|_| {
            corrupt("a job's retention", format!("{ms} ms are below zero"))
        })?)),
    };
    Ok(Retention {
        max_age,
        max_count: keep_count
            .map(|count| number("a job's retention", count))
            .transpose()?,
    })
}
