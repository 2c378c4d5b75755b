//! Rows of `oqron.records` as records. What somebody edited by hand is an error that names it, and never a panic.

use std::time::Duration;

use oqron_core::{
    Encoded, Error, Format, JobId, JobOptions, JobRecord, JobState, Retention, Start, Timestamp, Token,
    TopicName, WorkerId,
};
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::error::corrupt;

const WHAT: &str = "job record";

fn read<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> Result<T, Error> {
    row.try_get(column)
        .map_err(|error| corrupt(WHAT, format!("{column}: {error}")))
}

fn positive<T: TryFrom<i64>>(column: &str, value: i64) -> Result<T, Error> {
    T::try_from(value).map_err(|_| corrupt(WHAT, format!("{column} is {value}")))
}

fn json<T: DeserializeOwned>(column: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| corrupt(WHAT, format!("{column}: {error}")))
}

fn json_list<T: DeserializeOwned>(row: &Row, column: &str) -> Result<Vec<T>, Error> {
    let texts: Option<Vec<String>> = read(row, column)?;
    texts
        .unwrap_or_default()
        .iter()
        .map(|text| json(column, text))
        .collect()
}

fn encoded(row: &Row, format: &str, bytes: &str) -> Result<Option<Encoded>, Error> {
    let (number, bytes): (Option<i32>, Option<Vec<u8>>) = (read(row, format)?, read(row, bytes)?);
    let (Some(number), Some(bytes)) = (number, bytes) else {
        return Ok(None);
    };
    let number = positive(format, number.into())?;
    Ok(Some(Encoded::new(Format::from_number(number), bytes)))
}

fn time(row: &Row, column: &str) -> Result<Timestamp, Error> {
    read(row, column).map(Timestamp::from_millis)
}

fn time_maybe(row: &Row, column: &str) -> Result<Option<Timestamp>, Error> {
    let millis: Option<i64> = read(row, column)?;
    Ok(millis.map(Timestamp::from_millis))
}

/// Reads one row.
pub(crate) fn read_record(topic: &TopicName, row: &Row) -> Result<JobRecord, Error> {
    let id = JobId::new(read::<&str>(row, "id")?).map_err(|error| corrupt(WHAT, error))?;
    let state: i16 = read(row, "state")?;
    let run_at = time(row, "run_at")?;
    let retain_ms: Option<i64> = read(row, "retain_ms")?;
    let retain_count: Option<i64> = read(row, "retain_count")?;
    let mut options = JobOptions {
        priority: positive("priority", read::<i32>(row, "priority")?.into())?,
        start: Start::At(run_at),
        retention: Retention {
            max_age: retain_ms
                .map(|ms| positive("retain_ms", ms).map(Duration::from_millis))
                .transpose()?,
            max_count: retain_count
                .map(|count| positive("retain_count", count))
                .transpose()?,
        },
        id_window: Duration::from_millis(positive("id_window_ms", read(row, "id_window_ms")?)?),
        ..JobOptions::default()
    };
    options.set_extras(read::<Option<&str>>(row, "extras")?)?;
    let payload =
        encoded(row, "payload_format", "payload")?.ok_or_else(|| corrupt(WHAT, "payload: there is none"))?;

    let mut record = JobRecord::new(topic.clone(), id, payload, options, time(row, "created_at")?);
    record.state =
        JobState::from_number(state.into()).ok_or_else(|| corrupt(WHAT, format!("state is {state}")))?;
    record.run_at = run_at;
    record.attempts = positive("attempts", read::<i32>(row, "attempts")?.into())?;
    record.stalls = positive("stalls", read::<i32>(row, "stalls")?.into())?;
    record.progress = read::<Option<&str>>(row, "progress")?
        .map(|text| json("progress", text))
        .transpose()?;
    record.result = encoded(row, "result_format", "result")?;
    record.error = read::<Option<&str>>(row, "error")?
        .map(|text| json("error", text))
        .transpose()?;
    record.logs = json_list(row, "logs")?;
    record.timeline = json_list(row, "timeline")?;
    record.worker = read::<Option<&str>>(row, "worker")?
        .map(WorkerId::new)
        .transpose()
        .map_err(|error| corrupt(WHAT, error))?;
    record.token = read::<Option<i64>>(row, "token")?
        .map(|token| positive("token", token).map(Token))
        .transpose()?;
    record.cancel_requested = read(row, "cancel_requested")?;
    record.started_at = time_maybe(row, "started_at")?;
    record.finished_at = time_maybe(row, "finished_at")?;
    Ok(record)
}
