//! One attempt of one job, as the handler, its task and the heart share it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use oqron_core::{JobId, JobOptions, JobRef, Lease, Retries, Timestamp, Token, TopicName, WorkerId};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::options::Options;
use crate::report::{Bell, ReportCell};
use crate::signal::Signal;

/// What all attempts of a topic have in common.
pub(crate) struct TopicShared {
    pub(crate) topic: TopicName,
    pub(crate) worker: WorkerId,
    pub(crate) options: Options,
    pub(crate) bell: Arc<Bell>,
}

/// One attempt: what was leased, and what goes to and fro while it runs.
pub(crate) struct Attempt {
    pub(crate) shared: Arc<TopicShared>,
    pub(crate) id: JobId,
    pub(crate) token: Token,
    pub(crate) number: u32,
    pub(crate) stalls: u32,
    pub(crate) options: JobOptions,
    pub(crate) created_at: Timestamp,
    /// When the lease arrived here.
    pub(crate) begun_at: Instant,
    /// The lease's local end, as far as the claim gives it: from then on it is not to be trusted.
    pub(crate) fence_at: Instant,
    pub(crate) signal: Signal,
    pub(crate) report: ReportCell,
    /// Blocking code that the handler started, if it did.
    pub(crate) blocking: OnceLock<TaskTracker>,
    has_ended: AtomicBool,
}

impl Attempt {
    /// Takes the payload out of the lease: the attempt outlives it.
    pub(crate) fn new(
        shared: Arc<TopicShared>,
        lease: Lease,
        begun_at: Instant,
        fence_at: Instant,
    ) -> (Arc<Self>, oqron_core::Encoded) {
        let attempt = Self {
            shared,
            id: lease.id,
            token: lease.token,
            number: lease.attempt,
            stalls: lease.stalls,
            options: lease.options,
            created_at: lease.created_at,
            begun_at,
            fence_at,
            signal: Signal::default(),
            report: ReportCell::default(),
            blocking: OnceLock::new(),
            has_ended: AtomicBool::new(false),
        };
        (Arc::new(attempt), lease.payload)
    }

    /// The longest that it may take.
    pub(crate) fn timeout(&self) -> Option<std::time::Duration> {
        self.options.timeout.or(self.shared.options.timeout)
    }

    /// The policy that counts: the job's own, else the worker's.
    pub(crate) fn retries(&self) -> Retries {
        match &self.options.retries {
            Some(own) => Retries::from(own),
            None => self.shared.options.retries.clone(),
        }
    }

    /// Nothing of the handler runs any more; what is left is to settle it.
    pub(crate) fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }
}

/// The job of a running attempt, without its payload. Cheap to clone.
#[derive(Clone)]
pub struct JobInfo(pub(crate) Arc<Attempt>);

impl JobInfo {
    /// The job's id.
    pub fn id(&self) -> &JobId {
        &self.0.id
    }

    /// The topic.
    pub fn topic(&self) -> &TopicName {
        &self.0.shared.topic
    }

    /// The number of this attempt, from 1. Attempts that stalled, were released or snoozed do not count.
    pub fn attempt(&self) -> u32 {
        self.0.number
    }

    /// How often a worker died or froze while it had the job.
    pub fn stalls(&self) -> u32 {
        self.0.stalls
    }

    /// 0 is first.
    pub fn priority(&self) -> u32 {
        self.0.options.priority
    }

    /// What was said when it was added.
    pub fn tags(&self) -> &[String] {
        &self.0.options.tags
    }

    /// What was said when it was added.
    pub fn correlation_id(&self) -> Option<&str> {
        self.0.options.correlation_id.as_deref()
    }

    /// When it was added, by the backend's clock.
    pub fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// The fencing token of this attempt: greater than that of every earlier one in the topic.
    pub fn fencing_token(&self) -> Token {
        self.0.token
    }

    /// The worker that runs it.
    pub fn worker(&self) -> &WorkerId {
        &self.0.shared.worker
    }

    /// Topic and id.
    pub fn job_ref(&self) -> JobRef {
        JobRef::new(self.topic().clone(), self.id().clone())
    }
}

impl fmt::Display for JobInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic(), self.id())
    }
}

impl fmt::Debug for JobInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobInfo")
            .field("topic", self.topic())
            .field("id", self.id())
            .field("attempt", &self.attempt())
            .field("token", &self.fencing_token())
            .finish_non_exhaustive()
    }
}
