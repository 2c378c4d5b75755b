//! What goes wrong in a job: the error that a handler returns, and what of it is recorded.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::{ERROR_BYTES_MAX, ERROR_CHAIN_MAX, clip};

/// Why an attempt did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// The handler returned an error.
    Error,
    /// The handler panicked.
    Panic,
    /// The attempt took longer than its timeout.
    Timeout,
    /// The payload does not decode, or the result does not encode or is over the limit.
    Codec,
    /// The lease ran out too often, see `max_stalls`.
    Stalled,
    /// An at-most-once job whose worker died.
    WorkerLost,
}

/// A failure as it is recorded in a job: no type of the user's, so every backend and language can keep it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JobFailure {
    /// What kind of failure it was.
    pub kind: FailureKind,
    /// The error's text.
    pub message: String,
    /// The texts of its sources, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<String>,
}

impl JobFailure {
    /// A failure without sources. The text is cut at [`ERROR_BYTES_MAX`].
    pub fn new(kind: FailureKind, message: impl AsRef<str>) -> Self {
        Self {
            kind,
            message: clip(message.as_ref(), ERROR_BYTES_MAX).into_owned(),
            chain: Vec::new(),
        }
    }

    /// What is recorded of a job that stalled over `max_stalls` times. The same words in every backend.
    pub fn stalled(stalls: u32) -> Self {
        Self::new(FailureKind::Stalled, stalled_text(stalls))
    }

    /// What is recorded of an at-most-once job whose worker died. The same words in every backend.
    pub fn worker_lost() -> Self {
        Self::new(FailureKind::WorkerLost, WORKER_LOST)
    }
}

/// The text of [`JobFailure::worker_lost`].
pub const WORKER_LOST: &str = "worker lost";

fn stalled_text(stalls: u32) -> String {
    format!("stalled {stalls} times")
}

impl fmt::Display for JobFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.chain.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

/// What a handler returns when it does not succeed. `?` makes one of any error.
///
/// ```
/// use oqron_core::JobError;
/// use std::time::Duration;
///
/// fn charge(card: &str) -> Result<(), JobError> {
///     let amount: u32 = card.parse()?;                                     // any error: a failed attempt
///     if amount == 0 {
///         return Err(JobError::new("nothing to charge").no_retry());       // straight to the dead letters
///     }
///     Err(JobError::new("the bank is closed").retry_in(Duration::from_secs(3600)))
/// }
/// assert!(charge("x").is_err());
/// ```
///
/// It does not implement [`std::error::Error`] itself: only so can `?` convert every error into it.
pub struct JobError {
    reaction: Reaction,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    kind: FailureKind,
}

/// What the error asks for, beside being recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reaction {
    /// The retry policy decides.
    Policy,
    /// Never again: a dead letter.
    NoRetry,
    /// Once more after this delay, if the policy has a retry left.
    RetryIn(Duration),
    /// No failure: come back after this delay; the attempt does not count.
    Snooze(Duration),
    /// No failure: the job ends as Cancelled.
    Cancel,
}

impl JobError {
    /// A failed attempt with this text.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            reaction: Reaction::Policy,
            message: message.into(),
            source: None,
            kind: FailureKind::Error,
        }
    }

    /// A failed attempt out of a boxed error, such as `anyhow` and `eyre` turn into.
    pub fn from_boxed(error: Box<dyn StdError + Send + Sync>) -> Self {
        Self {
            message: error.to_string(),
            source: Some(error),
            ..Self::new("")
        }
    }

    /// A failed attempt of a certain kind.
    pub fn of_kind(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            ..Self::new(message)
        }
    }

    /// The handler stopped because it was asked to, or because the work is no longer wanted: the job ends as
    /// Cancelled, without a retry and without a dead letter.
    ///
    /// When the signal fired because the worker shuts down or lost its lease, the job is not ended: it is released,
    /// or belongs to another worker already.
    pub fn cancelled(reason: impl Into<String>) -> Self {
        Self {
            reaction: Reaction::Cancel,
            ..Self::new(reason)
        }
    }

    /// The job comes back after `delay`, and this attempt does not count.
    pub fn snooze(delay: Duration) -> Self {
        let message = format!("snoozed for {}", humantime::format_duration(delay));
        Self {
            reaction: Reaction::Snooze(delay),
            ..Self::new(message)
        }
    }

    /// Says what it was about: the text becomes the message, what was there its cause.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        let (reaction, kind) = (self.reaction.clone(), self.kind);
        Self {
            reaction,
            kind,
            message: message.into(),
            source: Some(Box::new(Cause(self))),
        }
    }

    /// No retry, whatever the policy: straight to the dead letters.
    #[must_use]
    pub fn no_retry(mut self) -> Self {
        self.reaction = Reaction::NoRetry;
        self
    }

    /// If the policy has a retry left, it comes after `delay` and not after the policy's own.
    #[must_use]
    pub fn retry_in(mut self, delay: Duration) -> Self {
        self.reaction = Reaction::RetryIn(delay);
        self
    }

    /// What the error asks for.
    pub fn reaction(&self) -> &Reaction {
        &self.reaction
    }

    /// The text, without the sources.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What is recorded of it.
    pub fn to_failure(&self) -> JobFailure {
        let mut failure = JobFailure::new(self.kind, &self.message);
        let mut next = self.source.as_deref().map(|source| source as &dyn StdError);
        // An error made by `?` is its own first source: its text stands in the message already.
        while let Some(source) = next.take_if(|_| failure.chain.len() < ERROR_CHAIN_MAX) {
            let text = source.to_string();
            if text != failure.message || !failure.chain.is_empty() {
                failure
                    .chain
                    .push(clip(&text, ERROR_BYTES_MAX / ERROR_CHAIN_MAX).into_owned());
            }
            next = source.source();
        }
        failure
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::from_boxed(Box::new(error))
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_failure(), f)
    }
}

impl fmt::Debug for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "JobError({:?}, {:?})",
            self.to_failure().to_string(),
            self.reaction
        )
    }
}

/// A `JobError` in the place of a source.
struct Cause(JobError);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source = self.0.source.as_deref()? as &dyn StdError;
        if source.to_string() == self.0.message {
            source.source()
        } else {
            Some(source)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("download of {0} failed")]
    struct Download(&'static str, #[source] std::io::Error);

    #[test]
    fn the_chain_names_every_cause_once() {
        let fails = || -> Result<(), JobError> {
            Err(Download("a.y4m", std::io::Error::other("connection reset")))?;
            Ok(())
        };
        let failure = fails().unwrap_err().to_failure();
        assert_eq!(failure.message, "download of a.y4m failed");
        assert_eq!(failure.chain, ["connection reset"]);
        let failure = fails().unwrap_err().context("encoding clip 7").to_failure();
        assert_eq!(
            failure.to_string(),
            "encoding clip 7: download of a.y4m failed: connection reset"
        );
    }

    #[test]
    fn texts_are_cut() {
        let failure = JobError::new("x".repeat(100_000)).to_failure();
        assert!(failure.message.len() <= ERROR_BYTES_MAX);
    }

    #[test]
    fn context_keeps_what_the_error_asks_for() {
        assert_eq!(
            JobError::new("a").no_retry().context("b").reaction(),
            &Reaction::NoRetry
        );
        assert_eq!(
            JobError::snooze(Duration::from_secs(90)).message(),
            "snoozed for 1m 30s"
        );
    }
}
