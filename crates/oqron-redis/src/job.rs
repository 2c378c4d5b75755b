//! How a job is packed. The part that never changes is one string in `:job`, big-endian:
//!
//! ```text
//! seq 6 · created_at 6 · flags 1 · [start 6] · [priority 3] · [max_age 6, max_count 4] · [id_window 6] · format 2
//! · [extras: length 4, text] · payload
//! ```
//!
//! The parts in brackets exist where the flag says so; what has its default costs nothing. A client sends it without
//! `seq` and `created_at`, which the server puts in front. The part that changes is described in `lua/run.lua`.

use std::time::Duration;

use bytes::Bytes;
use oqron_core::{Encoded, Error, Format, ID_WINDOW, JobOptions, Retention, Start, Timestamp};

use crate::error::corrupt;
use crate::reply::Reader;

const HAS_START: u8 = 1;
/// `start` is a delay that the server replaces by a time.
#[cfg(feature = "publish")]
const START_AFTER: u8 = 2;
const HAS_PRIORITY: u8 = 4;
const HAS_RETENTION: u8 = 8;
const HAS_WINDOW: u8 = 16;
const USER_WINDOW: u8 = 32;
const HAS_EXTRAS: u8 = 64;
/// `max_count` is the largest number and not none, which are the same bits and mean the same to the server.
const COUNT_IS_MAX: u8 = 128;
/// The largest time: the year 10889.
const MILLIS_MAX: u64 = (1 << 48) - 1;
const JOB: &str = "a job's record";

/// The body of an add.
#[cfg(feature = "publish")]
pub(crate) fn pack_body(job: &oqron_core::NewJob, body: &mut Vec<u8>) {
    use oqron_core::REPEAT_WINDOW;
    use oqron_core::time::millis;

    let options = &job.options;
    let clamped = |millis: i64| u64::try_from(millis).unwrap_or(0).min(MILLIS_MAX - 1);
    let extras = options.extras();
    let start = match options.start {
        Start::Now => None,
        Start::After(delay) if delay.is_zero() => None,
        Start::After(delay) => Some((HAS_START | START_AFTER, clamped(millis(delay)))),
        Start::At(time) => Some((HAS_START, clamped(time.as_millis()))),
    };
    let mut flags = start.map_or(0, |(flags, _)| flags);
    let mut set = |flag, is_set| {
        if is_set {
            flags |= flag
        }
    };
    let window = options.id_window;
    set(HAS_PRIORITY, options.priority != 0);
    set(HAS_RETENTION, options.retention != Retention::default());
    set(USER_WINDOW, window == ID_WINDOW);
    set(HAS_WINDOW, window != ID_WINDOW && window != REPEAT_WINDOW);
    set(HAS_EXTRAS, extras.is_some());
    set(COUNT_IS_MAX, options.retention.max_count == Some(u32::MAX));

    body.clear();
    body.push(flags);
    let mut put = |number: u64, bytes: usize| body.extend_from_slice(&number.to_be_bytes()[8 - bytes..]);
    if let Some((_, start)) = start {
        put(start, 6);
    }
    if flags & HAS_PRIORITY != 0 {
        put(options.priority.into(), 3);
    }
    if flags & HAS_RETENTION != 0 {
        let Retention { max_age, max_count } = options.retention;
        put(max_age.map_or(MILLIS_MAX, |age| clamped(millis(age))), 6);
        put(max_count.unwrap_or(u32::MAX).into(), 4);
    }
    if flags & HAS_WINDOW != 0 {
        put(clamped(millis(window)), 6);
    }
    put(job.payload.format.number().into(), 2);
    if let Some(extras) = &extras {
        put(extras.len() as u64, 4);
        body.extend_from_slice(extras.as_bytes());
    }
    body.extend_from_slice(&job.payload.bytes);
}

/// What never changes.
pub(crate) struct Job {
    pub(crate) created_at: Timestamp,
    pub(crate) options: JobOptions,
    pub(crate) payload: Encoded,
}

impl Job {
    pub(crate) fn read(packed: Bytes) -> Result<Self, Error> {
        let mut reader = Reader::new(JOB, packed);
        let _seq = reader.number(6)?;
        let created_at = read_time(&mut reader)?;
        let flags = reader.number(1)? as u8;
        let mut options = JobOptions::default();
        if flags & HAS_START != 0 {
            options.start = Start::At(read_time(&mut reader)?);
        }
        if flags & HAS_PRIORITY != 0 {
            options.priority = reader.number(3)? as u32;
        }
        if flags & HAS_RETENTION != 0 {
            let (age, count) = (reader.number(6)?, reader.number_u32()?);
            options.retention = Retention {
                max_age: (age != MILLIS_MAX).then(|| Duration::from_millis(age)),
                max_count: (count != u32::MAX || flags & COUNT_IS_MAX != 0).then_some(count),
            };
        }
        if flags & USER_WINDOW != 0 {
            options.id_window = ID_WINDOW;
        }
        if flags & HAS_WINDOW != 0 {
            options.id_window = Duration::from_millis(reader.number(6)?);
        }
        let format = Format::from_number(reader.number(2)? as u16);
        if flags & HAS_EXTRAS != 0 {
            let length = reader.number_u32()? as usize;
            let extras = reader.take(length)?;
            let extras = std::str::from_utf8(&extras).map_err(|error| corrupt(JOB, error.to_string()))?;
            options.set_extras(Some(extras))?;
        }
        Ok(Self {
            created_at,
            options,
            payload: Encoded::new(format, reader.rest()),
        })
    }
}

pub(crate) fn read_time(reader: &mut Reader) -> Result<Timestamp, Error> {
    reader
        .number(6)
        .map(|millis| Timestamp::from_millis(millis as i64))
}

#[cfg(any(feature = "consume", feature = "operate"))]
pub(crate) fn job_id(bytes: &[u8]) -> Result<oqron_core::JobId, Error> {
    let text = std::str::from_utf8(bytes).map_err(|error| corrupt("a job id", error.to_string()))?;
    oqron_core::JobId::new(text).map_err(|error| corrupt("a job id", error.to_string()))
}
