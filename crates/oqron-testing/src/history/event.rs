//! One line of a history.

use std::sync::Arc;

use oqron_core::{JobId, Outcome, Token, TopicName, WorkerId};
use serde::{Deserialize, Serialize};

use super::Moment;

/// Something that a process did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Moment,
    /// The file of the process: no two processes share one.
    pub process: Arc<str>,
    /// The number of the process on its machine.
    pub pid: u32,
    /// What.
    pub what: What,
}

impl Event {
    /// The jobs that it names.
    pub fn jobs(&self) -> impl Iterator<Item = &JobId> {
        let ids: Vec<&JobId> = match &self.what {
            What::Asked { ask, .. } => match ask {
                Ask::Add { jobs, .. } => jobs.iter().map(|asked| &asked.id).collect(),
                Ask::Turn { settlements, .. } => settlements.iter().map(|settling| &settling.id).collect(),
                Ask::Beat { held, .. } => held.iter().map(|listed| &listed.id).collect(),
                Ask::Reclaim { leases } => leases.iter().map(|(_, listed)| &listed.id).collect(),
                Ask::Cancel { id, .. } => vec![id],
            },
            What::Answered {
                answer: Answer::Turned { leases, .. },
                ..
            } => leases.iter().map(|leased| &leased.id).collect(),
            What::Run(run) => vec![&run.id],
            What::Answered { .. } | What::Began { .. } | What::Up { .. } => Vec::new(),
        };
        ids.into_iter()
    }
}

/// What a process did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It began; the first line of each file.
    Began {
        /// The number of the process.
        pid: u32,
    },
    /// It is connected and about to work.
    Up {
        /// The worker's id; none for a publisher.
        worker: Option<WorkerId>,
    },
    /// A call is about to be sent.
    Asked {
        /// Numbered by the process.
        call: u64,
        /// The call.
        ask: Ask,
    },
    /// It was answered. A call whose process died, or whose caller lost patience, has no answer.
    Answered {
        /// The number of the call.
        call: u64,
        /// The answer.
        answer: Answer,
    },
    /// A handler did something.
    Run(Run),
}

/// A call to the backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Jobs are added.
    Add {
        /// To this topic.
        topic: TopicName,
        /// In this order.
        jobs: Vec<Asked>,
    },
    /// A turn.
    Turn {
        /// Who.
        worker: WorkerId,
        /// For which topic.
        topic: TopicName,
        /// Its number; a repeat has the same.
        request: u64,
        /// What has ended.
        settlements: Vec<Settling>,
        /// What is free.
        claim: Option<Claiming>,
    },
    /// A heartbeat.
    Beat {
        /// Who.
        worker: WorkerId,
        /// For which topic.
        topic: TopicName,
        /// The last request whose answer has arrived.
        through: u64,
        /// In milliseconds.
        lease_ttl_ms: u64,
        /// All that it holds.
        held: Vec<Listed>,
    },
    /// Leases of a worker that is gone are ended.
    Reclaim {
        /// Which.
        leases: Vec<(TopicName, Listed)>,
    },
    /// Somebody asks for the end of a job.
    Cancel {
        /// The topic.
        topic: TopicName,
        /// The job.
        id: JobId,
    },
}

/// A job on its way into the backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The job.
    pub id: JobId,
    /// 0 is first.
    pub priority: u32,
    /// Not to start at once.
    pub delayed: bool,
    /// Retries, if they were said with the job.
    pub retries: Option<u32>,
}

/// A job and a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Listed {
    /// The job.
    pub id: JobId,
    /// The token of the lease.
    pub token: Token,
}

/// An outcome on its way into the backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settling {
    /// The job.
    pub id: JobId,
    /// The token of the lease.
    pub token: Token,
    /// The outcome.
    pub ending: Ending,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// A result.
    Complete,
    /// Another attempt is to follow.
    Retry,
    /// A dead letter.
    Fail,
    /// The handler wants to come back.
    Snooze,
    /// Given back unfinished.
    Release,
    /// Cancelled.
    Cancel,
}

impl Ending {
    /// Whether it ends the job.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Fail | Self::Cancel)
    }

    /// Whether the attempt does not count.
    #[must_use]
    pub const fn gives_back(self) -> bool {
        matches!(self, Self::Snooze | Self::Release)
    }
}

impl From<&Outcome> for Ending {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Complete(_) => Self::Complete,
            Outcome::Retry { .. } => Self::Retry,
            Outcome::Fail(_) => Self::Fail,
            Outcome::Snooze { .. } => Self::Snooze,
            Outcome::Release { .. } => Self::Release,
            Outcome::Cancel { .. } => Self::Cancel,
        }
    }
}

/// How much is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claiming {
    /// Jobs at most.
    pub max: u32,
    /// In milliseconds.
    pub lease_ttl_ms: u64,
}

/// The answer of the backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// One for each job: whether this call made it.
    Added(Vec<bool>),
    /// Verdicts and leases.
    Turned {
        /// One for each settlement: whether it was accepted.
        accepted: Vec<bool>,
        /// What was claimed.
        leases: Vec<Leased>,
    },
    /// One for each lease.
    Beaten(Vec<Beat>),
    /// So many leases were ended.
    Reclaimed(u32),
    /// What the cancel did, in the words of the core.
    Cancelled(String),
    /// The backend answered with an error, or not in time: the effect is not known.
    Failed(String),
}

/// What a heartbeat learned about one lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Beat {
    /// It goes on.
    Renewed,
    /// It goes on, and the job is to be cancelled.
    Cancelled,
    /// It is over.
    Lost,
}

/// A lease that was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leased {
    /// The job.
    pub id: JobId,
    /// What every write must carry.
    pub token: Token,
    /// The number of the attempt.
    pub attempt: u32,
    /// Leases that the job lost before.
    pub stalls: u32,
}

/// What the handler of one attempt did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The topic.
    pub topic: TopicName,
    /// The job.
    pub id: JobId,
    /// The token of the lease.
    pub token: Token,
    /// The number of the attempt.
    pub attempt: u32,
    /// The worker.
    pub worker: WorkerId,
    /// What it did.
    pub phase: Phase,
}

/// What a handler did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It began.
    Started,
    /// Its signal fired, for this reason.
    Signalled(String),
    /// It came to a result.
    Returned,
    /// It came to an error.
    Erred(String),
    /// It was dropped before it came to an end: it panicked, or its worker gave it up.
    Dropped,
    /// The worker was told that the result is stored.
    Stored,
}
