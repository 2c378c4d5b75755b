//! The record of a job, read out of its parts: what never changes (see `job`), what changes (see `lua/run.lua`), and what
//! only some jobs have.

use bytes::Bytes;
use deadpool_redis::redis::Value;
use oqron_core::{
    Encoded, Error, Format, JobFailure, JobId, JobRecord, JobState, Start, Timestamp, Token, TopicName,
    WorkerId,
};

use crate::error::corrupt;
use crate::job::{Job, read_time};
use crate::reply::{self, Reader};

const RUN: &str = "a job's state";

/// A record as `lua/read.lua` answers it; `None` where there is no job.
pub(crate) fn read_record(topic: &TopicName, id: &JobId, value: Value) -> Result<Option<JobRecord>, Error> {
    let fields: [Value; 8] = reply::list(value)?.try_into().map_err(|fields: Vec<Value>| {
        corrupt("an answer", format!("{} fields where 8 belong", fields.len()))
    })?;
    let [due, job, run, result, error, timeline, log, progress] = fields;
    let Some(job) = reply::bytes(job)? else {
        return Ok(None);
    };
    let is_due = !reply::bytes(due)?.unwrap_or_default().is_empty();
    let Job {
        created_at,
        options,
        payload,
    } = Job::read(job)?;
    let mut record = JobRecord::new(topic.clone(), id.clone(), payload, options, created_at);
    if let Start::At(run_at) = record.options.start {
        record.run_at = run_at;
    }
    if is_due {
        record.state = JobState::Scheduled;
    }
    if let Some(run) = reply::bytes(run)? {
        read_run(run, &mut record)?;
    }
    record.options.start = Start::At(record.run_at);
    if let Some(result) = reply::bytes(result)? {
        record.result = Some(read_result(result)?);
    }
    if let Some(error) = reply::bytes(error)? {
        record.error = Some(json::<JobFailure>("a job's error", &error)?);
    }
    record.timeline = json_lines("a job's timeline", reply::bytes(timeline)?)?;
    record.logs = json_lines("a job's log", reply::bytes(log)?)?;
    if let Some(progress) = reply::bytes(progress)? {
        record.progress = Some(json("a job's progress", &progress)?);
    }
    Ok(Some(record))
}

fn read_result(packed: Bytes) -> Result<Encoded, Error> {
    let mut reader = Reader::new("a job's result", packed);
    let format = Format::from_number(reader.number(2)? as u16);
    Ok(Encoded::new(format, reader.rest()))
}

/// See `lua/run.lua`.
fn read_run(packed: Bytes, record: &mut JobRecord) -> Result<(), Error> {
    let mut reader = Reader::new(RUN, packed);
    let state = reader.number(1)?;
    if state != JobState::Waiting as u64 {
        record.state = JobState::from_number(state as i64)
            .ok_or_else(|| corrupt(RUN, format!("{state} is the number of no state")))?;
    }
    let flags = reader.number(1)?;
    record.cancel_requested = flags & 1 != 0;
    let time = |number| (number != 0).then(|| Timestamp::from_millis(number as i64));
    record.finished_at = time(reader.number(6)?);
    let token = reader.number(6)?;
    record.token = (token != 0).then_some(Token(token));
    record.started_at = time(reader.number(6)?);
    let _request_and_expiry = reader.take(12)?;
    record.attempts = reader.number_u32()?;
    record.stalls = reader.number_u32()?;
    let _max_stalls = reader.take(4)?;
    record.run_at = read_time(&mut reader)?;
    let _retention_window_place_and_creation = reader.take(31)?;
    let worker_length = reader.number(1)? as usize;
    let worker = reader.take(worker_length)?;
    if !reader.is_empty() {
        record.result = Some(read_result(reader.rest())?);
    }
    if !worker.is_empty() {
        let worker = std::str::from_utf8(&worker).map_err(|error| corrupt(RUN, error.to_string()))?;
        record.worker = Some(WorkerId::new(worker).map_err(|error| corrupt(RUN, error.to_string()))?);
    }
    Ok(())
}

pub(crate) fn json<T: serde::de::DeserializeOwned>(what: &'static str, text: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(text).map_err(|error| corrupt(what, error.to_string()))
}

fn json_lines<T: serde::de::DeserializeOwned>(
    what: &'static str,
    text: Option<Bytes>,
) -> Result<Vec<T>, Error> {
    text.unwrap_or_default()
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| json(what, line))
        .collect()
}
