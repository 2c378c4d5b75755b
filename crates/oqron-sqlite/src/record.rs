//! Rows of the table `jobs` as records.

use oqron_core::{
    Encoded, Error, FailureKind, Format, JobFailure, JobOptions, JobRecord, JobState, Start, Timestamp,
    TopicName,
};
use rusqlite::Row;
use rusqlite::types::FromSql;
use serde::de::DeserializeOwned;

use crate::column::{
    encoded, format, id_text, job_id, number, retention, stand_in_id, state, text, token, worker_id,
};
use crate::error::Failed;
use crate::history::{from_json, read_list};

/// A whole record, from a row of `SELECT * FROM jobs`. Of a row that was edited by hand it is what can be read, with an error
/// that says what cannot: one such row must not hide the others of its page.
pub(crate) fn read_record(row: &Row<'_>, topic: &TopicName) -> Result<JobRecord, Failed> {
    let mut reading = Reading {
        row,
        faults: Vec::new(),
    };
    let id = match reading.part(job_id(id_text(row, "id")?)) {
        Some(id) => id,
        None => job_id(stand_in_id(get(row, "seq")?))?,
    };
    let created_at = Timestamp::from_millis(get(row, "created_at")?);
    let run_at = Timestamp::from_millis(get(row, "run_at")?);
    let unknown = Format::from_number(u16::MAX);
    let payload_format = reading.part(format(get(row, "payload_format")?));
    let payload = Encoded::new(payload_format.unwrap_or(unknown), get::<Vec<u8>>(row, "payload")?);
    let mut options = JobOptions {
        priority: reading.number("priority")?,
        start: Start::At(run_at),
        retention: reading
            .part(retention(get(row, "keep_ms")?, get(row, "keep_count")?))
            .unwrap_or_default(),
        id_window: Timestamp::from_millis(get(row, "id_until")?).since(created_at),
        ..JobOptions::default()
    };
    let extras = text(row, "extras")?;
    reading.part(options.set_extras(extras.as_deref()));
    let mut record = JobRecord::new(topic.clone(), id, payload, options, created_at);
    record.state = reading
        .part(state(get(row, "state")?))
        .unwrap_or(JobState::Failed);
    record.run_at = run_at;
    record.attempts = reading.number("attempts")?;
    record.stalls = reading.number("stalls")?;
    record.progress = reading.json("progress")?;
    record.logs = reading.list("logs")?;
    record.timeline = reading.list("timeline")?;
    let worker = text(row, "worker")?;
    record.worker = worker.and_then(|worker| reading.part(worker_id(worker)));
    let last_token: Option<i64> = get(row, "token")?;
    record.token = last_token.and_then(|number| reading.part(token(number)));
    record.cancel_requested = get(row, "cancel_requested")?;
    record.started_at = get::<Option<i64>>(row, "started_at")?.map(Timestamp::from_millis);
    record.finished_at = get::<Option<i64>>(row, "finished_at")?.map(Timestamp::from_millis);
    let result: Option<Vec<u8>> = get(row, "result")?;
    let result_format: Option<i64> = get(row, "result_format")?;
    if let (Some(format), Some(bytes)) = (result_format, result) {
        record.result = reading.part(encoded(format, bytes));
    }
    record.error = reading.json("error")?;
    if record.error.is_none() && !reading.faults.is_empty() {
        record.error = Some(JobFailure::new(FailureKind::Codec, reading.faults.join("; ")));
    }
    Ok(record)
}

/// A row, and what was found wrong with it so far.
struct Reading<'a> {
    row: &'a Row<'a>,
    faults: Vec<String>,
}

impl Reading<'_> {
    fn part<T>(&mut self, read: Result<T, Error>) -> Option<T> {
        read.inspect_err(|error| self.faults.push(error.to_string())).ok()
    }

    fn number(&mut self, column: &'static str) -> Result<u32, Failed> {
        let value = get(self.row, column)?;
        Ok(self.part(number(column, value)).unwrap_or_default())
    }

    fn json<T: DeserializeOwned>(&mut self, column: &'static str) -> Result<Option<T>, Failed> {
        let text = text(self.row, column)?;
        Ok(text.and_then(|text| self.part(from_json(column, &text))))
    }

    fn list<T: DeserializeOwned>(&mut self, column: &'static str) -> Result<Vec<T>, Failed> {
        let text = text(self.row, column)?;
        Ok(self.part(read_list(column, text.as_deref())).unwrap_or_default())
    }
}

fn get<T: FromSql>(row: &Row<'_>, column: &'static str) -> Result<T, Failed> {
    Ok(row.get(column)?)
}
