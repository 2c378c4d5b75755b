//! The job: what is given when it is added, and what is kept of it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::{LABEL_BYTES_MAX, LOG_LINE_BYTES_MAX, clip};
use crate::{Encoded, Error, JobFailure, JobId, RetrySettings, Timestamp, Token, TopicName, WorkerId};

/// Where a job is in its life. The numbers are what backends store and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Its time has not come: delayed, or waiting for a retry.
    Scheduled = 0,
    /// Ready to be claimed.
    Waiting = 1,
    /// A worker holds a lease on it.
    Active = 2,
    /// Ended with a result.
    Completed = 3,
    /// Ended without one, for good: a dead letter.
    Failed = 4,
    /// Ended because somebody asked for it.
    Cancelled = 5,
}

impl JobState {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 6] = [
        Self::Scheduled,
        Self::Waiting,
        Self::Active,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The state of a stored number.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as i64 == number)
    }

    /// Whether the job has ended.
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// The state in lower case, as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Waiting => "waiting",
            Self::Active => "active",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for JobState {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error::Invalid {
                what: "state",
                problem: format!(
                    "{text:?} is none of scheduled, waiting, active, completed, failed, cancelled"
                ),
            })
    }
}

/// A job anywhere: its topic and its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobRef {
    /// The topic.
    pub topic: TopicName,
    /// The id within the topic.
    pub id: JobId,
}

impl JobRef {
    /// Puts the two together.
    pub fn new(topic: TopicName, id: JobId) -> Self {
        Self { topic, id }
    }
}

impl fmt::Display for JobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.id)
    }
}

/// When a job may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Start {
    /// At once.
    #[default]
    Now,
    /// This long after the add, by the backend's clock.
    After(Duration),
    /// At this time by the backend's clock; at once if it has passed.
    At(Timestamp),
}

/// How long a job's record is kept after it completed or was cancelled. Dead letters stay until somebody decides.
///
/// What is over is removed by a sweep, at the latest a minute later. How long a given *id* is remembered is another
/// matter, see [`JobOptions::id_window`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Time after the end. `None`: no limit of time.
    pub max_age: Option<Duration>,
    /// Finished records kept in the topic: when one ends with a count, a sweep removes what is over it, those first
    /// that would expire first. `None`: no limit of number. `Some(0)`: the record is removed at the moment of its end.
    pub max_count: Option<u32>,
}

impl Retention {
    /// Kept for this long, whatever their number.
    pub const fn keep_for(age: Duration) -> Self {
        Self {
            max_age: Some(age),
            max_count: None,
        }
    }

    /// At most so many in the topic, whatever their age.
    pub const fn keep_last(count: u32) -> Self {
        Self {
            max_age: None,
            max_count: Some(count),
        }
    }

    /// Kept until somebody discards them.
    pub const fn forever() -> Self {
        Self {
            max_age: None,
            max_count: None,
        }
    }

    /// Removed at the moment of the end. Who waits for the result then learns only that the job is gone.
    pub const fn none() -> Self {
        Self {
            max_age: None,
            max_count: Some(0),
        }
    }

    /// Whether the record goes at the moment of its end.
    pub const fn is_none(self) -> bool {
        matches!(self.max_count, Some(0)) || matches!(self.max_age, Some(Duration::ZERO))
    }
}

impl Default for Retention {
    /// 24 hours, and at most 10,000 a topic.
    fn default() -> Self {
        Self {
            max_age: Some(Duration::from_secs(24 * 3600)),
            max_count: Some(10_000),
        }
    }
}

/// What may be said when a job is added.
#[derive(Clone, Debug, PartialEq)]
pub struct JobOptions {
    /// 0 is first, up to [`PRIORITY_MAX`](crate::limits::PRIORITY_MAX). Default 0.
    pub priority: u32,
    /// When it may start.
    pub start: Start,
    /// Overrides the worker's policy.
    pub retries: Option<RetrySettings>,
    /// How long the record is kept.
    pub retention: Retention,
    /// The longest that one attempt may take; overrides the worker's.
    pub timeout: Option<Duration>,
    /// For people and filters.
    pub tags: Vec<String>,
    /// Ties the job to a request elsewhere.
    pub correlation_id: Option<String>,
    /// How long after the add the id is remembered at least, whatever becomes of the job. As long as the record
    /// exists, its id is remembered anyway. A publisher fills in 24 h for ids given by the user and
    /// [`REPEAT_WINDOW`] for generated ones.
    pub id_window: Duration,
}

/// How long a generated id is remembered after its job is gone: longer than a publisher repeats an add whose reply
/// was lost.
pub const REPEAT_WINDOW: Duration = Duration::from_secs(60);

/// How long an id given by the user is remembered, unless said otherwise.
pub const ID_WINDOW: Duration = Duration::from_secs(24 * 3600);

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            priority: 0,
            start: Start::Now,
            retries: None,
            retention: Retention::default(),
            timeout: None,
            tags: Vec::new(),
            correlation_id: None,
            id_window: REPEAT_WINDOW,
        }
    }
}

impl JobOptions {
    /// What no backend needs to look into: an opaque text for adapters, `None` when all of it has its default.
    pub fn extras(&self) -> Option<String> {
        let extras = Extras {
            retries: self.retries.clone(),
            timeout_ms: self
                .timeout
                .map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
            tags: self.tags.clone(),
            correlation_id: self.correlation_id.clone(),
        };
        (extras != Extras::default())
            .then(|| serde_json::to_string(&extras).expect("a struct of texts and numbers is always JSON"))
    }

    /// Fills in what [`extras`](Self::extras) wrote.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the text is not what was written.
    pub fn set_extras(&mut self, text: Option<&str>) -> Result<(), Error> {
        let extras: Extras = match text {
            None | Some("") => Extras::default(),
            Some(text) => serde_json::from_str(text).map_err(|error| Error::Corrupt {
                what: "job options",
                problem: error.to_string(),
            })?,
        };
        self.retries = extras.retries;
        self.timeout = extras.timeout_ms.map(Duration::from_millis);
        self.tags = extras.tags;
        self.correlation_id = extras.correlation_id;
        Ok(())
    }
}

#[derive(Default, PartialEq, Serialize, Deserialize)]
struct Extras {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retries: Option<RetrySettings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
}

/// A job on its way to a backend.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    /// Made by the client, so that an add can be repeated.
    pub id: JobId,
    /// The encoded payload.
    pub payload: Encoded,
    /// What was said beside it.
    pub options: JobOptions,
}

impl NewJob {
    /// A job with a generated id and default options.
    pub fn new(payload: Encoded) -> Self {
        Self {
            id: JobId::generate(),
            payload,
            options: JobOptions::default(),
        }
    }

    /// The same with an id given by the user, remembered for [`ID_WINDOW`].
    #[must_use]
    pub fn with_id(mut self, id: JobId) -> Self {
        self.id = id;
        self.options.id_window = ID_WINDOW;
        self
    }
}

/// How far a handler says it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// 0 to 100.
    pub percent: u8,
    /// What it is doing.
    pub label: String,
}

impl Progress {
    /// Percent over 100 count as 100; a long label is cut.
    pub fn new(percent: u8, label: impl AsRef<str>) -> Self {
        Self {
            percent: percent.min(100),
            label: clip(label.as_ref(), LABEL_BYTES_MAX).into_owned(),
        }
    }
}

/// A line that a handler wrote into its job's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogLine {
    /// By the worker's wall clock.
    pub at: Timestamp,
    /// The line.
    pub text: String,
}

impl LogLine {
    /// A line; a long one is cut.
    pub fn new(at: Timestamp, text: impl AsRef<str>) -> Self {
        Self {
            at,
            text: clip(text.as_ref(), LOG_LINE_BYTES_MAX).into_owned(),
        }
    }
}

/// What is worth telling of a job's life beside its normal course.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimelineKind {
    /// An attempt failed and will be retried.
    AttemptFailed,
    /// The last attempt failed, or the job stalled too often: a dead letter.
    Failed,
    /// A lease ran out or its worker died; the job went back to waiting.
    Stalled,
    /// The handler asked to come back later.
    Snoozed,
    /// A worker gave the job back unfinished.
    Released,
    /// Somebody asked to cancel the active job.
    CancelRequested,
    /// The job ended as Cancelled.
    Cancelled,
    /// An operator put the dead letter back to waiting.
    RetriedByOperator,
}

impl TimelineKind {
    /// The name in snake case, as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AttemptFailed => "attempt_failed",
            Self::Failed => "failed",
            Self::Stalled => "stalled",
            Self::Snoozed => "snoozed",
            Self::Released => "released",
            Self::CancelRequested => "cancel_requested",
            Self::Cancelled => "cancelled",
            Self::RetriedByOperator => "retried_by_operator",
        }
    }
}

/// The reason of a [`TimelineKind::Cancelled`] that nobody gave another one for. The same words in every backend.
pub const CANCELLED_ON_REQUEST: &str = "cancelled on request";
/// The reason of a [`TimelineKind::Stalled`] whose lease ran out. The same words in every backend.
pub const LEASE_EXPIRED: &str = "lease expired";
/// The reason of a [`TimelineKind::Stalled`] that was reclaimed before its end. The same words in every backend.
pub const WORKER_GONE: &str = "its worker is gone";
/// The reason of a [`TimelineKind::Released`] that a heartbeat did not list. The same words in every backend.
pub const NOT_LISTED: &str = "its worker does not hold it";

/// One entry of a job's timeline. Stored as JSON with these field names, in every backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TimelineEvent {
    /// By the backend's clock.
    pub at: Timestamp,
    /// What happened.
    pub kind: TimelineKind,
    /// The worker it happened to, if one was concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl TimelineEvent {
    /// Puts an event together.
    pub fn new(
        at: Timestamp,
        kind: TimelineKind,
        worker: Option<WorkerId>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            at,
            kind,
            worker,
            reason: reason.into(),
        }
    }
}

/// Everything that is kept of a job.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct JobRecord {
    /// Its id.
    pub id: JobId,
    /// Its topic.
    pub topic: TopicName,
    /// The encoded payload.
    pub payload: Encoded,
    /// What was said when it was added; `start` is then [`Start::At`] the time in [`run_at`](Self::run_at).
    pub options: JobOptions,
    /// Where it is.
    pub state: JobState,
    /// When it may start, or may start again.
    pub run_at: Timestamp,
    /// Attempts begun, without those that were released, snoozed or stalled.
    pub attempts: u32,
    /// Leases that ran out.
    pub stalls: u32,
    /// What the last attempt reported.
    pub progress: Option<Progress>,
    /// What it ended with.
    pub result: Option<Encoded>,
    /// The last failure.
    pub error: Option<JobFailure>,
    /// The newest lines of its log.
    pub logs: Vec<LogLine>,
    /// The newest events, oldest first.
    pub timeline: Vec<TimelineEvent>,
    /// The worker that runs it, or ran it last.
    pub worker: Option<WorkerId>,
    /// The token of the current or last lease.
    pub token: Option<Token>,
    /// Somebody asked to cancel it while it was active.
    pub cancel_requested: bool,
    /// When it was added.
    pub created_at: Timestamp,
    /// When the last attempt was claimed.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl JobRecord {
    /// A record of a job that was just added: waiting, with nothing done. Adapters fill in the rest.
    pub fn new(
        topic: TopicName,
        id: JobId,
        payload: Encoded,
        options: JobOptions,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id,
            topic,
            payload,
            options,
            state: JobState::Waiting,
            run_at: created_at,
            attempts: 0,
            stalls: 0,
            progress: None,
            result: None,
            error: None,
            logs: Vec::new(),
            timeline: Vec::new(),
            worker: None,
            token: None,
            cancel_requested: false,
            created_at,
            started_at: None,
            finished_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extras_come_back_and_defaults_cost_nothing() {
        assert_eq!(JobOptions::default().extras(), None);
        let options = JobOptions {
            retries: Some(
                crate::Retries::fixed(2, Duration::from_secs(1))
                    .to_settings()
                    .unwrap(),
            ),
            timeout: Some(Duration::from_millis(1500)),
            tags: vec!["a".into(), "ü \"".into()],
            correlation_id: Some("r-1".into()),
            ..JobOptions::default()
        };
        let mut back = JobOptions::default();
        back.set_extras(options.extras().as_deref()).unwrap();
        assert_eq!(back, options);
        assert!(matches!(
            back.set_extras(Some("{nonsense")),
            Err(Error::Corrupt { .. })
        ));
    }

    #[test]
    fn the_numbers_of_states_are_fixed() {
        assert_eq!(JobState::ALL.map(|state| state as i64), [0, 1, 2, 3, 4, 5]);
        for state in JobState::ALL {
            assert_eq!(JobState::from_number(state as i64), Some(state));
            assert_eq!(state.as_str().parse::<JobState>().unwrap(), state);
        }
        assert_eq!(JobState::from_number(6), None);
    }

    #[test]
    fn timeline_kinds_are_stored_under_their_names() {
        let event = TimelineEvent::new(
            Timestamp::from_millis(7),
            TimelineKind::CancelRequested,
            None,
            "why",
        );
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(json, r#"{"at":7,"kind":"cancel_requested","reason":"why"}"#);
        assert_eq!(TimelineKind::CancelRequested.as_str(), "cancel_requested");
    }
}
