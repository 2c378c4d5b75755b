//! What every other crate of Oqron stands on: the job model, the retry policy, codecs, limits, configuration, and the
//! traits that a backend implements. It does no I/O and has no timers, and it knows no backend, publisher or worker.
//!
//! In the order in which a job meets them:
//! - [`name`], [`topic`], [`codec`], `depth`, [`limits`], [`time`]: what values are valid and how they become bytes;
//! - [`job`]: options, states, the record;
//! - [`publish`], [`consume`], [`sight`], [`operate`], [`locks`]: the backend traits. Their behaviour is defined by the
//!   conformance suite in `oqron-testing`;
//! - [`failure`], [`retry`]: what follows when an attempt fails;
//! - [`url`], [`config`], [`error`]: how it is set up, and what is said when something is wrong.
//!
//! The traits are no public promise before 1.0; the crates of this workspace pin each other.

pub mod codec;
pub mod config;
pub mod consume;
mod depth;
pub mod error;
pub mod failure;
pub mod job;
pub mod limits;
pub mod locks;
pub mod name;
pub mod operate;
pub mod publish;
pub mod retry;
pub mod sight;
pub mod time;
pub mod topic;
pub mod url;

pub use codec::{Codec, Encoded, Format};
pub use config::Config;
pub use consume::{
    Claim, Consume, Delivery, Heartbeat, Held, Lease, Message, Outcome, Presence, Settled, Settlement, Swept,
    Token, Turn, Turned, Verdict, WorkerInfo,
};
pub use error::Error;
pub use failure::{FailureKind, JobError, JobFailure, Reaction, WORKER_LOST};
pub use job::{
    CANCELLED_ON_REQUEST, ID_WINDOW, JobOptions, JobRecord, JobRef, JobState, LEASE_EXPIRED, LogLine,
    NOT_LISTED, NewJob, Progress, REPEAT_WINDOW, Retention, Start, TimelineEvent, TimelineKind, WORKER_GONE,
};
pub use limits::Limits;
pub use locks::Locks;
pub use name::{JobId, JobIds, LockName, Namespace, TopicName, WorkerId};
pub use operate::{Counts, Cursor, ListQuery, Operate, Operated, Page, WorkerRecord};
pub use publish::{CancelOutcome, EnqueueOutcome, Enqueued, Finished, Publish, Records};
pub use retry::{Disposition, Retries, RetryPolicy, RetrySettings, after_failure};
pub use sight::{AbsentLease, Sight};
pub use time::Timestamp;
pub use topic::Topic;
pub use url::{BackendKind, BackendUrl};
