//! What a compute node needs of a backend.
//!
//! A worker process *joins*, and its presence tells the others that it lives and brings it messages. Then it calls
//! *turn*, one at a time for each topic: that settles what has ended and claims what is free, in one atomic step. A
//! *heartbeat* renews everything that it holds.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    AbsentLease, Encoded, Error, JobFailure, JobId, JobOptions, JobRef, Locks, LogLine, Progress, Sight,
    Timestamp, TopicName, WorkerId,
};

/// A fencing token: new with every claim, from a counter of the whole topic, so that it never repeats, not even for
/// an id that was discarded and added again. Give it to systems that can refuse an older one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub u64);

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What a compute node needs.
#[async_trait]
pub trait Consume: Locks {
    /// Makes the worker known to the others and opens its presence.
    async fn join(&self, worker: &WorkerInfo) -> Result<Box<dyn Presence>, Error>;

    /// Settles and claims in one atomic step, in this order:
    ///
    /// 1. every settlement whose token and worker are those of the job's current lease takes effect; the others are
    ///    refused one by one ([`Settled::LeaseLost`]) without touching the rest. One that took effect before, with
    ///    the same token, is [`Settled::Accepted`] again;
    /// 2. if there is a claim, and the topic is not paused: scheduled jobs whose time has come become waiting,
    ///    expired leases are reclaimed (each a stall), and up to `claim.max` waiting jobs become active under this
    ///    worker, stalled ones first, then by priority, then by age. Each gets a new token.
    ///
    /// A claim that got less than it asked for registers the worker as a *waiter* of the topic: the next job that
    /// becomes due wakes it. A claim that leaves waiting jobs behind wakes the next waiter; one that takes leases wakes
    /// one if no waiter would come by itself before they end, so that somebody knows of them.
    ///
    /// The same `request` again (a repeat after a lost reply) has no further effect and gives the same verdicts and
    /// the same leases, those that are still held. A worker numbers its requests from 1 for each topic, has at most
    /// one under way on each line, and repeats one until it is answered.
    async fn turn(&self, turn: &Turn<'_>) -> Result<Turned, Error>;

    /// Renews what the worker holds of one topic, and stores what its handlers reported. A lease that the worker
    /// does not list, and that it was given by a request not later than `through`, goes back to waiting at once,
    /// without a stall and without counting the attempt. An expired lease that nobody has reclaimed is renewed.
    ///
    /// One verdict for each of `held`, in its order.
    async fn heartbeat(&self, heartbeat: &Heartbeat<'_>) -> Result<Vec<Verdict>, Error>;

    /// Looks for leases of the topics whose worker is not present: one that has joined and whose presence has ended
    /// without a goodbye. `None` where this backend, as it is set up, cannot tell who is present; leases alone decide
    /// then. Run every half second by one or two workers, and only while there are leases.
    async fn look(&self, worker: &WorkerId, topics: &[TopicName]) -> Result<Option<Sight>, Error> {
        let _ = (worker, topics);
        Ok(None)
    }

    /// Ends leases before their time, each a stall for the reason [`WORKER_GONE`](crate::WORKER_GONE), with all that
    /// follows from a stall. One that is not the same any more (another token, a later end, settled) is left alone. Wakes
    /// as many waiters as jobs went back to waiting. Answers how many leases were ended.
    async fn reclaim(&self, leases: &[AbsentLease]) -> Result<u32, Error> {
        let _ = leases;
        Ok(0)
    }

    /// Removes finished records that are over their retention and ids that are over their window: a bounded number a
    /// call. Run by one elected worker every minute, and after every few thousand completions.
    async fn sweep(&self, topic: &TopicName) -> Result<Swept, Error>;
}

/// Who joins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkerInfo {
    /// The process.
    pub id: WorkerId,
    /// What it works on.
    pub topics: Vec<TopicName>,
    /// Jobs that it runs at the same time, over all topics.
    pub concurrency: u32,
    /// The machine.
    pub host: String,
    /// The process on that machine.
    pub pid: u32,
    /// The version of Oqron.
    pub version: String,
    /// When it started, by its wall clock.
    pub started_at: Timestamp,
}

impl WorkerInfo {
    /// This process.
    pub fn new(id: WorkerId, topics: Vec<TopicName>, concurrency: u32, host: impl Into<String>) -> Self {
        Self {
            id,
            topics,
            concurrency,
            host: host.into(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: Timestamp::now(),
        }
    }
}

/// An open presence. Its end, by [`leave`](Self::leave) or by the death of the process, tells the others that the
/// worker is gone; dropping it is a death.
#[async_trait]
pub trait Presence: Send {
    /// The next message. An error means that the connection is gone: join again.
    ///
    /// # Cancel safety
    /// Dropping the future loses no message.
    async fn next(&mut self) -> Result<Message, Error>;

    /// Asks the other end for a sign of life, where a connection can die without a word. The worker says when: often while
    /// it holds leases, rarely while it is idle. An error means the same as one of [`next`](Self::next).
    ///
    /// # Cancel safety
    /// Dropping the future loses no message.
    async fn ping(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Whether the backend can send wake-ups to this worker. `false` where it has no channel (a pooler, no file
    /// watching): the worker then asks every second.
    fn wakes(&self) -> bool {
        true
    }

    /// Whether the others can see the end of this presence. `false` where nothing shows it (a pooler, a server that forbids
    /// the command): the leases of this worker then last to their end.
    fn is_seen(&self) -> bool {
        true
    }

    /// Says goodbye: the worker is no longer listed and no longer woken. It repeats no request of before.
    async fn leave(self: Box<Self>) -> Result<(), Error>;
}

/// What a presence brings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// The topic may have work. A hint: losing one costs time, never a job.
    Wake(TopicName),
    /// Somebody asked to cancel an active job of this worker. A hint too: the heartbeat says it again.
    Cancel(JobRef),
}

/// One call of a working worker for one topic.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// Who calls.
    pub worker: &'a WorkerId,
    /// For which topic.
    pub topic: &'a TopicName,
    /// A worker can have one request under way on each of a few lines, from 0. On one line numbers rise, and a request that
    /// comes after a later one is a copy that was long on its way; between lines there is no order.
    pub line: u8,
    /// Numbered from 1 by this worker for this topic, over all lines; the same number is the same request.
    pub request: u64,
    /// What has ended.
    pub settlements: &'a [Settlement],
    /// What is free.
    pub claim: Option<Claim>,
}

/// How much to claim, and on which terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Jobs at most, up to [`TURN_JOBS_MAX`](crate::limits::TURN_JOBS_MAX). With 0 the worker takes nothing now, and waits
    /// no longer: if a job is ready, the next waiter is woken for it.
    pub max: u32,
    /// How long each lease lasts without a heartbeat. The backend rounds to milliseconds.
    pub lease_ttl: Duration,
    /// What a lease that runs out means.
    pub delivery: Delivery,
    /// Stalls that a job survives: one more makes it a dead letter. Kept with the lease.
    pub max_stalls: u32,
}

/// What the death of a worker means for its jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// They are run again, up to `max_stalls` times.
    #[default]
    AtLeastOnce,
    /// They are never run again: recorded as failed, "worker lost".
    AtMostOnce,
}

/// The end of one attempt. It is settled by value, and can so be settled once.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settlement {
    /// The job.
    pub id: JobId,
    /// The token of the lease.
    pub token: Token,
    /// What became of it.
    pub outcome: Outcome,
    /// Reported since the last heartbeat, if anything was.
    pub progress: Option<Progress>,
    /// Logged since the last heartbeat.
    pub logs: Vec<LogLine>,
}

impl Settlement {
    /// A settlement without a last report.
    pub fn new(id: JobId, token: Token, outcome: Outcome) -> Self {
        Self {
            id,
            token,
            outcome,
            progress: None,
            logs: Vec::new(),
        }
    }
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The job is Completed, with this result; also when somebody asked to cancel it.
    Complete(Encoded),
    /// The attempt failed; another one after the delay. A job with a cancel request is Cancelled instead.
    Retry {
        /// Zero: at once.
        delay: Duration,
        /// Why.
        failure: JobFailure,
    },
    /// The job is a dead letter; also when somebody asked to cancel it.
    Fail(JobFailure),
    /// The handler asked to come back after the delay; the attempt does not count. A job with a cancel request is
    /// Cancelled instead.
    Snooze {
        /// Zero: at once.
        delay: Duration,
    },
    /// Back to waiting at once, at its old place; the attempt does not count. A job with a cancel request is
    /// Cancelled instead.
    Release {
        /// Why.
        reason: String,
    },
    /// The job is Cancelled.
    Cancel {
        /// Why.
        reason: String,
    },
}

/// The answer to one settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It took effect, now or when it was sent before. In a repeated turn that is always known; in a later one as long as
    /// the record is kept.
    Accepted,
    /// The lease is somebody else's, or nobody's; nothing was written.
    LeaseLost,
}

/// The answer to a turn.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Turned {
    /// One for each settlement, in its order.
    pub settled: Vec<Settled>,
    /// What was claimed, in the order in which it should start.
    pub leases: Vec<Lease>,
    /// Time until the next scheduled job or lease expiry of the topic; `None` when there is neither. A backend for which
    /// looking was too dear this time says when it will look again, if that is earlier.
    pub due_in: Option<Duration>,
    /// Jobs were left waiting that a larger claim would have got. Told to a claim only.
    pub more: bool,
    /// The topic is paused: nothing is claimed until it is resumed. Told to a claim only.
    pub paused: bool,
    /// There are leases of the topic, of this worker or of others. Told to a claim only; a hint that may be a few seconds
    /// old.
    pub leased: bool,
}

/// A worker's right to one attempt.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Lease {
    /// The job.
    pub id: JobId,
    /// What every write must carry.
    pub token: Token,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// Leases of this job that ran out before.
    pub stalls: u32,
    /// The encoded payload.
    pub payload: Encoded,
    /// What was said when it was added; of `start`, `retention` and `id_window` a backend may leave the default.
    pub options: JobOptions,
    /// When it was added.
    pub created_at: Timestamp,
}

impl Lease {
    /// A first attempt with default options. Adapters fill in the rest.
    pub fn new(id: JobId, token: Token, payload: Encoded, created_at: Timestamp) -> Self {
        Self {
            id,
            token,
            attempt: 1,
            stalls: 0,
            payload,
            options: JobOptions::default(),
            created_at,
        }
    }
}

/// One heartbeat for one topic.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat<'a> {
    /// Who calls.
    pub worker: &'a WorkerId,
    /// For which topic.
    pub topic: &'a TopicName,
    /// The last request of a turn whose answer has arrived: later leases are not yet known to the caller and are
    /// left alone.
    pub through: u64,
    /// From now.
    pub lease_ttl: Duration,
    /// All that the worker holds of the topic.
    pub held: &'a [Held],
}

/// A lease that its worker holds, and what its handler reported since the last heartbeat.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Held {
    /// The job.
    pub id: JobId,
    /// The token of the lease.
    pub token: Token,
    /// If it was reported anew.
    pub progress: Option<Progress>,
    /// New lines.
    pub logs: Vec<LogLine>,
}

impl Held {
    /// A lease without news.
    pub fn new(id: JobId, token: Token) -> Self {
        Self {
            id,
            token,
            progress: None,
            logs: Vec::new(),
        }
    }
}

/// The answer to a heartbeat for one lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Renewed,
    /// The lease is somebody else's, or nobody's: stop.
    Lost,
    /// It goes on, and somebody asked to cancel the job.
    Cancelled,
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Records removed.
    pub records: u32,
    /// More is left than one call removes.
    pub more: bool,
}

impl Swept {
    /// Puts the two together.
    pub fn new(records: u32, more: bool) -> Self {
        Self { records, more }
    }
}
