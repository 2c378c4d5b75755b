//! Settlements and reports as `lua/turn.lua` and `lua/report.lua` read them, big-endian:
//!
//! ```text
//! token   6
//! head    kind 1 · [delay in ms 6 · [report]]
//! body    complete: format 2 · bytes     retry, fail: length 4 · JSON of the failure · its message
//!         release, cancel: the reason
//! report  length 4 · JSON of the progress · log lines in JSON, one a line; empty if there is nothing new
//! ```
//!
//! What is in brackets is left out where there is nothing to say, so that most heads are one byte.

use std::time::Duration;

use oqron_core::limits::{ERROR_BYTES_MAX, clip};
use oqron_core::time::millis;
use oqron_core::{Error, JobFailure, LogLine, Outcome, Progress, Settlement, Token};

use crate::error::corrupt;
use crate::script::Call;

/// The largest delay: what is longer than the largest time minus the server's clock is as good as forever.
const DELAY_MS_MAX: u64 = 1 << 46;

pub(super) fn token_bytes(token: Token) -> [u8; 6] {
    number_bytes(token.0)
}

/// A token, or the end of a lease.
pub(super) fn number_bytes(number: u64) -> [u8; 6] {
    let bytes = number.to_be_bytes();
    // One over 48 bits was given by nobody; it becomes 0, which is nobody's either.
    if number >> 48 == 0 {
        bytes[2..].try_into().unwrap_or_default()
    } else {
        [0; 6]
    }
}

/// Adds the four arguments of one settlement.
pub(super) fn push_settlement(call: &mut Call, settlement: &Settlement) -> Result<(), Error> {
    let none = Duration::ZERO;
    let mut body = Vec::new();
    let (kind, delay) = match &settlement.outcome {
        Outcome::Complete(result) => {
            body.extend_from_slice(&result.format.number().to_be_bytes());
            body.extend_from_slice(&result.bytes);
            (1, none)
        }
        Outcome::Retry { delay, failure } => {
            put_failure(&mut body, failure)?;
            (2, *delay)
        }
        Outcome::Fail(failure) => {
            put_failure(&mut body, failure)?;
            (3, none)
        }
        Outcome::Snooze { delay } => (4, *delay),
        Outcome::Release { reason } => {
            body.extend_from_slice(clip(reason, ERROR_BYTES_MAX).as_bytes());
            (5, none)
        }
        Outcome::Cancel { reason } => {
            body.extend_from_slice(clip(reason, ERROR_BYTES_MAX).as_bytes());
            (6, none)
        }
    };
    let delay = u64::try_from(millis(delay)).unwrap_or(0).min(DELAY_MS_MAX);
    let report = report(settlement.progress.as_ref(), &settlement.logs)?;
    let mut head = vec![kind];
    if delay > 0 || !report.is_empty() {
        head.extend_from_slice(&delay.to_be_bytes()[2..]);
        head.extend_from_slice(&report);
    }
    call.push(settlement.id.as_str());
    call.push(&token_bytes(settlement.token)[..]);
    call.push(head);
    call.push(body);
    Ok(())
}

fn put_failure(body: &mut Vec<u8>, failure: &JobFailure) -> Result<(), Error> {
    let json = to_json(failure)?;
    body.extend_from_slice(&(json.len() as u32).to_be_bytes());
    body.extend_from_slice(&json);
    body.extend_from_slice(clip(&failure.message, ERROR_BYTES_MAX).as_bytes());
    Ok(())
}

/// What a handler reported; empty if there is nothing new.
pub(super) fn report(progress: Option<&Progress>, logs: &[LogLine]) -> Result<Vec<u8>, Error> {
    if progress.is_none() && logs.is_empty() {
        return Ok(Vec::new());
    }
    let progress = progress.map(to_json).transpose()?.unwrap_or_default();
    let mut report = (progress.len() as u32).to_be_bytes().to_vec();
    report.extend_from_slice(&progress);
    let newest = logs.len().saturating_sub(oqron_core::limits::LOG_LINES_MAX);
    for (number, line) in logs[newest..].iter().enumerate() {
        if number > 0 {
            report.push(b'\n');
        }
        report.extend_from_slice(&to_json(line)?);
    }
    Ok(report)
}

fn to_json(value: &impl serde::Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| corrupt("a report", error.to_string()))
}
