//! What a person needs of a backend: to see, and to decide about what went wrong.

use async_trait::async_trait;

use crate::{Error, JobRecord, JobRef, JobState, Records, Timestamp, TopicName, WorkerInfo};

/// What a person needs.
#[async_trait]
pub trait Operate: Records {
    /// Every topic that has ever had a job, by name.
    async fn topics(&self) -> Result<Vec<TopicName>, Error>;

    /// How many jobs there are in each state. Exact at one moment.
    async fn counts(&self, topic: &TopicName) -> Result<Counts, Error>;

    /// One page of jobs in a state: waiting ones in the order of claims, scheduled ones by their time, active ones
    /// by their start, finished ones newest first.
    async fn list(&self, query: &ListQuery) -> Result<Page, Error>;

    /// Puts dead letters and cancelled jobs back to waiting, with attempts and stalls at zero: a fresh start. At most
    /// [`OPERATE_JOBS_MAX`](crate::limits::OPERATE_JOBS_MAX) a call; one answer for each, in their order.
    async fn retry(&self, jobs: &[JobRef]) -> Result<Vec<Operated>, Error>;

    /// Removes finished jobs. Their ids stay remembered until the end of their window. At most
    /// [`OPERATE_JOBS_MAX`](crate::limits::OPERATE_JOBS_MAX) a call; one answer for each, in their order.
    async fn discard(&self, jobs: &[JobRef]) -> Result<Vec<Operated>, Error>;

    /// Stops all claims of the topic, for all workers, until it is resumed; active jobs go on.
    async fn pause(&self, topic: &TopicName) -> Result<(), Error>;

    /// Ends a pause and wakes every waiter.
    async fn resume(&self, topic: &TopicName) -> Result<(), Error>;

    /// Removes the jobs that are in one state (every state but Active), a bounded number a call, the oldest first,
    /// and answers how many: call it until it answers 0.
    async fn purge(&self, topic: &TopicName, state: JobState) -> Result<u64, Error>;

    /// The workers that are present or were seen in the last 90 seconds.
    async fn workers(&self) -> Result<Vec<WorkerRecord>, Error>;
}

/// How many jobs there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Not yet due.
    pub scheduled: u64,
    /// Ready.
    pub waiting: u64,
    /// Leased.
    pub active: u64,
    /// Ended with a result and kept.
    pub completed: u64,
    /// Dead letters.
    pub failed: u64,
    /// Cancelled and kept.
    pub cancelled: u64,
    /// Whether the topic is paused.
    pub paused: bool,
}

impl Counts {
    /// The number in one state.
    pub fn of(&self, state: JobState) -> u64 {
        match state {
            JobState::Scheduled => self.scheduled,
            JobState::Waiting => self.waiting,
            JobState::Active => self.active,
            JobState::Completed => self.completed,
            JobState::Failed => self.failed,
            JobState::Cancelled => self.cancelled,
        }
    }

    /// The number in one state, to be set.
    pub fn of_mut(&mut self, state: JobState) -> &mut u64 {
        match state {
            JobState::Scheduled => &mut self.scheduled,
            JobState::Waiting => &mut self.waiting,
            JobState::Active => &mut self.active,
            JobState::Completed => &mut self.completed,
            JobState::Failed => &mut self.failed,
            JobState::Cancelled => &mut self.cancelled,
        }
    }
}

/// Which page of which list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// The topic.
    pub topic: TopicName,
    /// The state.
    pub state: JobState,
    /// Where the last page ended; `None` for the first.
    pub after: Option<Cursor>,
    /// Records on the page, 1 to [`PAGE_JOBS_MAX`](crate::limits::PAGE_JOBS_MAX).
    pub limit: u32,
}

/// Where a page ended: a text that only the backend understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub String);

/// One page.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Page {
    /// The records.
    pub jobs: Vec<JobRecord>,
    /// Where to go on; `None` on the last page.
    pub next: Option<Cursor>,
}

impl Page {
    /// Puts the two together.
    pub fn new(jobs: Vec<JobRecord>, next: Option<Cursor>) -> Self {
        Self { jobs, next }
    }
}

/// What became of one job that an operator named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operated {
    /// Done.
    Done,
    /// There is no such job.
    NotFound,
    /// It is in this state, in which that cannot be done.
    WrongState(JobState),
}

/// A worker that is known to the backend.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerRecord {
    /// What it said of itself.
    pub info: WorkerInfo,
    /// Its last heartbeat, by the backend's clock.
    pub seen_at: Timestamp,
}

impl WorkerRecord {
    /// Puts the two together.
    pub fn new(info: WorkerInfo, seen_at: Timestamp) -> Self {
        Self { info, seen_at }
    }
}
