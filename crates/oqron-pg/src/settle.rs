//! The settlements of a turn: as arrays for the server, and its verdicts.

use std::time::Duration;

use oqron_core::limits::{ERROR_BYTES_MAX, clip};
use oqron_core::time::millis;
use oqron_core::{Error, Outcome, Settled, Settlement};
use tokio_postgres::Row;

use crate::database::Param;
use crate::error::corrupt;

const COMPLETED: i16 = 0;

/// Settlements as arrays, one a column, in the order of their ids: all who lock several jobs do it in this order.
#[derive(Default)]
pub(crate) struct Columns<'a> {
    /// Where each stands in the turn.
    places: Vec<usize>,
    /// No two are of one job.
    are_distinct: bool,
    pub(crate) ids: Vec<&'a str>,
    pub(crate) tokens: Vec<i64>,
    outcomes: Vec<i16>,
    delays: Vec<i64>,
    pub(crate) results: Vec<Option<&'a [u8]>>,
    pub(crate) result_formats: Vec<Option<i32>>,
    errors: Vec<Option<String>>,
    reasons: Vec<Option<String>>,
    progress: Vec<Option<String>>,
    logs: Vec<Option<String>>,
}

impl<'a> Columns<'a> {
    pub(crate) fn of(settlements: &'a [Settlement]) -> Self {
        let mut places: Vec<usize> = (0..settlements.len()).collect();
        places.sort_by_key(|place| settlements[*place].id.as_str());
        let mut columns = Self::default();
        for place in &places {
            columns.push(&settlements[*place]);
        }
        columns.are_distinct = columns.ids.is_sorted_by(|one, next| one < next);
        columns.places = places;
        columns
    }

    /// Attempts that completed and have nothing else to say.
    pub(crate) fn are_usual(&self) -> bool {
        self.are_distinct
            && self.outcomes.iter().all(|outcome| *outcome == COMPLETED)
            && self.progress.iter().all(Option::is_none)
            && self.logs.iter().all(Option::is_none)
    }

    /// Verdicts in the order of the turn; `accepted` says it of a place in the arrays.
    pub(crate) fn verdicts(&self, accepted: impl Fn(usize) -> bool) -> Vec<Settled> {
        let mut verdicts = vec![Settled::LeaseLost; self.places.len()];
        for (place, in_turn) in self.places.iter().enumerate() {
            if accepted(place) {
                verdicts[*in_turn] = Settled::Accepted;
            }
        }
        verdicts
    }

    fn push(&mut self, settlement: &'a Settlement) {
        let (outcome, delay, result, failure, reason) = match &settlement.outcome {
            Outcome::Complete(result) => (COMPLETED, None, Some(result), None, None),
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

    pub(crate) fn params(&'a self, topic: &'a i32, worker: &'a &'a str, request: &'a i64) -> [Param<'a>; 13] {
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

/// After which times jobs come back, if their settlements are accepted.
pub(crate) fn delays(settlements: &[Settlement]) -> impl Iterator<Item = Duration> {
    settlements
        .iter()
        .filter_map(|settlement| match &settlement.outcome {
            Outcome::Retry { delay, .. } | Outcome::Snooze { delay } if !delay.is_zero() => Some(*delay),
            _ => None,
        })
}

/// Verdicts, and how many jobs went back to waiting.
pub(crate) fn read_settled(columns: &Columns<'_>, rows: &[Row]) -> Result<(Vec<Settled>, i32), Error> {
    let unread = |error| corrupt("answer to a turn", error);
    let mut accepted = vec![false; columns.ids.len()];
    let mut went_back = 0;
    for row in rows {
        let place: i32 = row.try_get("ord").map_err(unread)?;
        let place = usize::try_from(place - 1).unwrap_or(usize::MAX);
        if row.try_get("accepted").map_err(unread)?
            && let Some(accepted) = accepted.get_mut(place)
        {
            *accepted = true;
        }
        went_back += i32::from(row.try_get::<_, bool>("waits").map_err(unread)?);
    }
    Ok((columns.verdicts(|place| accepted[place]), went_back))
}
