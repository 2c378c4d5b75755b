//! What can be seen of other workers: whose presence has ended, and what they still hold.
//!
//! Presence only ever shortens the wait for a dead worker's jobs. Safety never depends on it: the token does.

use std::time::Duration;

use crate::{JobId, Token, TopicName};

/// What a look at the other workers of some topics shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sight {
    /// Other workers hold leases of these topics.
    pub others: bool,
    /// Leases of workers that have joined, did not leave, and are not present now:
    /// [`LOOK_LEASES_MAX`](crate::limits::LOOK_LEASES_MAX) of a topic at most.
    pub absent: Vec<AbsentLease>,
    /// For how long this run of the server has lasted. A server that restarts drops every presence at once, so absences
    /// say nothing at first. `None` where no server stands between the workers.
    pub server_up: Option<Duration>,
}

impl Sight {
    /// Puts the three together.
    pub fn new(others: bool, absent: Vec<AbsentLease>, server_up: Option<Duration>) -> Self {
        Self {
            others,
            absent,
            server_up,
        }
    }
}

/// A lease whose worker is not present.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct AbsentLease {
    /// Of this topic.
    pub topic: TopicName,
    /// The job.
    pub id: JobId,
    /// The token of the lease.
    pub token: Token,
    /// When the lease ends, in the backend's own numbers. Each heartbeat changes it.
    pub until: u64,
}

impl AbsentLease {
    /// Puts the four together.
    pub fn new(topic: TopicName, id: JobId, token: Token, until: u64) -> Self {
        Self {
            topic,
            id,
            token,
            until,
        }
    }
}
