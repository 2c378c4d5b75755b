//! Rows of the table `jobs` as records.

use oqron_core::{JobOptions, JobRecord, Start, Timestamp, TopicName};
use rusqlite::Row;
use rusqlite::types::FromSql;

use crate::column::{encoded, job_id, number, retention, state, token, worker_id};
use crate::error::Failed;
use crate::history::{from_json, read_list};

/// A whole record, from a row of `SELECT * FROM jobs`.
pub(crate) fn read_record(row: &Row<'_>, topic: &TopicName) -> Result<JobRecord, Failed> {
    let id = job_id(get(row, "id")?)?;
    let created_at = Timestamp::from_millis(get(row, "created_at")?);
    let run_at = Timestamp::from_millis(get(row, "run_at")?);
    let payload = encoded(get(row, "payload_format")?, get(row, "payload")?)?;
    let mut options = JobOptions {
        priority: number("priority", get(row, "priority")?)?,
        start: Start::At(run_at),
        retention: retention(get(row, "keep_ms")?, get(row, "keep_count")?)?,
        id_window: Timestamp::from_millis(get(row, "id_until")?).since(created_at),
        ..JobOptions::default()
    };
    options.set_extras(get::<Option<String>>(row, "extras")?.as_deref())?;
    let mut record = JobRecord::new(topic.clone(), id, payload, options, created_at);
    record.state = state(get(row, "state")?)?;
    record.run_at = run_at;
    record.attempts = number("attempts", get(row, "attempts")?)?;
    record.stalls = number("stalls", get(row, "stalls")?)?;
    record.progress = parse(row, "progress")?;
    record.error = parse(row, "error")?;
    record.logs = read_list("a job's log", get::<Option<String>>(row, "logs")?.as_deref())?;
    record.timeline = read_list(
        "a job's timeline",
        get::<Option<String>>(row, "timeline")?.as_deref(),
    )?;
    record.worker = get::<Option<String>>(row, "worker")?.map(worker_id).transpose()?;
    record.token = get::<Option<i64>>(row, "token")?.map(token).transpose()?;
    record.cancel_requested = get(row, "cancel_requested")?;
    record.started_at = get::<Option<i64>>(row, "started_at")?.map(Timestamp::from_millis);
    record.finished_at = get::<Option<i64>>(row, "finished_at")?.map(Timestamp::from_millis);
    record.result = match (
        get::<Option<i64>>(row, "result_format")?,
        get::<Option<Vec<u8>>>(row, "result")?,
    ) {
        (Some(format), Some(bytes)) => Some(encoded(format, bytes)?),
        _ => None,
    };
    Ok(record)
}

fn get<T: FromSql>(row: &Row<'_>, column: &'static str) -> Result<T, Failed> {
    Ok(row.get(column)?)
}

fn parse<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &'static str) -> Result<Option<T>, Failed> {
    let text: Option<String> = get(row, column)?;
    Ok(text.map(|text| from_json(column, &text)).transpose()?)
}
