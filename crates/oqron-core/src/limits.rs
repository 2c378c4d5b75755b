//! Limits on everything: what is over one is refused, with the limit in the error, before anything is written.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Error, NewJob};

/// Characters in a topic, project, environment, worker or lock name.
pub const NAME_CHARS_MAX: usize = 128;
/// Bytes in a job id.
pub const JOB_ID_BYTES_MAX: usize = 255;
/// Jobs in one `add_many`, and so in one `enqueue`.
pub const ENQUEUE_JOBS_MAX: usize = 10_000;
/// Payload bytes in one `enqueue`, over all of its jobs.
pub const ENQUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Jobs that one turn claims, settlements that it carries, and leases in one heartbeat.
pub const TURN_JOBS_MAX: usize = 1_000;
/// Scheduled jobs that become waiting in one turn, and expired leases that it reclaims.
pub const PROMOTE_JOBS_MAX: usize = 1_000;
/// Leases of absent workers that one look shows of a topic, and that one call reclaims.
pub const LOOK_LEASES_MAX: usize = 1_000;
/// Records in one page of a list.
pub const PAGE_JOBS_MAX: usize = 1_000;
/// Jobs that one call of an operator retries or discards.
pub const OPERATE_JOBS_MAX: usize = 1_000;
/// Records that one sweep or purge removes.
pub const SWEEP_JOBS_MAX: usize = 1_000;
/// Events in a job's timeline; the oldest go first.
pub const TIMELINE_EVENTS_MAX: usize = 50;
/// Lines in a job's log; the oldest go first.
pub const LOG_LINES_MAX: usize = 100;
/// Bytes in one line of a job's log; what is longer is cut.
pub const LOG_LINE_BYTES_MAX: usize = 2_048;
/// Bytes in an error's text or in a reason; what is longer is cut.
pub const ERROR_BYTES_MAX: usize = 8_192;
/// Causes kept of an error.
pub const ERROR_CHAIN_MAX: usize = 16;
/// Bytes in the label of a progress report; what is longer is cut.
pub const LABEL_BYTES_MAX: usize = 256;
/// Tags of a job.
pub const TAGS_MAX: usize = 32;
/// Bytes in one tag.
pub const TAG_BYTES_MAX: usize = 128;
/// Bytes in a correlation id.
pub const CORRELATION_ID_BYTES_MAX: usize = 255;
/// The most urgent priority is 0, the least urgent this.
pub const PRIORITY_MAX: u32 = 2_097_152;
/// The longest delay, timeout, retention or lease: ten years. Beyond it, clocks of servers begin to overflow.
pub const DURATION_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// The limits that a deployment may change. From TOML: the table `[limits]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one encoded payload. Default 1 MiB.
    pub payload_bytes_max: usize,
    /// Bytes of one encoded result. Default 1 MiB.
    pub result_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_bytes_max: 1024 * 1024,
            result_bytes_max: 1024 * 1024,
        }
    }
}

impl Limits {
    /// Checks a batch before anything of it is written. Every adapter calls it first in `enqueue`.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for the first job that is over a limit.
    pub fn check_enqueue(&self, jobs: &[NewJob]) -> Result<(), Error> {
        at_most("jobs in one add_many", jobs.len(), ENQUEUE_JOBS_MAX)?;
        at_most(
            "payload bytes in one add_many",
            jobs.iter().map(|job| job.payload.bytes.len()).sum(),
            ENQUEUE_BYTES_MAX,
        )?;
        jobs.iter().try_for_each(|job| self.check_job(job))
    }

    fn check_job(&self, job: &NewJob) -> Result<(), Error> {
        let options = &job.options;
        at_most("payload bytes", job.payload.bytes.len(), self.payload_bytes_max)?;
        at_most("priority", options.priority as usize, PRIORITY_MAX as usize)?;
        at_most("tags", options.tags.len(), TAGS_MAX)?;
        for tag in &options.tags {
            at_most("bytes in a tag", tag.len(), TAG_BYTES_MAX)?;
        }
        let correlation_bytes = options.correlation_id.as_ref().map_or(0, String::len);
        at_most(
            "bytes in the correlation id",
            correlation_bytes,
            CORRELATION_ID_BYTES_MAX,
        )?;
        let delay = match options.start {
            crate::Start::After(delay) => Some(delay),
            _ => None,
        };
        let durations = [
            ("delay in seconds", delay),
            ("timeout in seconds", options.timeout),
            ("retention in seconds", options.retention.max_age),
            ("id window in seconds", Some(options.id_window)),
        ];
        for (what, duration) in durations {
            let seconds = duration.unwrap_or_default().as_secs();
            at_most(
                what,
                usize::try_from(seconds).unwrap_or(usize::MAX),
                DURATION_MAX.as_secs() as usize,
            )?;
        }
        Ok(())
    }

    /// Checks an encoded result.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`].
    pub fn check_result(&self, bytes: usize) -> Result<(), Error> {
        at_most("result bytes", bytes, self.result_bytes_max)
    }
}

/// Refuses a number over its limit.
///
/// # Errors
/// [`Error::LimitExceeded`] with both numbers.
pub fn at_most(what: &'static str, actual: usize, limit: usize) -> Result<(), Error> {
    if actual > limit {
        Err(Error::LimitExceeded { what, actual, limit })
    } else {
        Ok(())
    }
}

/// Cuts a text to at most `bytes_max`, at a character's boundary, and shows that it was cut.
pub fn clip(text: &str, bytes_max: usize) -> Cow<'_, str> {
    const MARK: &str = "…";
    if text.len() <= bytes_max {
        return Cow::Borrowed(text);
    }
    let mut end = bytes_max.saturating_sub(MARK.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(format!("{}{MARK}", &text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_keeps_characters_whole() {
        assert_eq!(clip("abc", 3), "abc");
        assert_eq!(clip("äöüäöü", 8), "äö…");
        assert!(clip(&"😀".repeat(100), 50).len() <= 50);
    }
}
