//! What a check says.

use std::fmt;
use std::time::Duration;

use oqron_core::{JobId, TopicName};

/// A promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// An acknowledged job has exactly one recorded end, and the end is the outcome that was accepted.
    OneEnd,
    /// The tokens of a job strictly grow, and no token is given twice.
    TokensGrow,
    /// Nothing that a stale attempt writes is accepted, and no second outcome of one attempt.
    NoStaleWrite,
    /// A job is given to the next only when its attempt has been given up, or its lease was lost.
    NoTheft,
    /// Two attempts overlap only if a lease was lost in between.
    NoOverlap,
    /// No more runs than 1 + retries + stalls, and the numbers of attempts fit.
    BoundedRuns,
    /// No result is thrown away, and no outcome refused, without a lost lease.
    NoneRefused,
    /// What was never added never runs, and nothing runs without a lease.
    OnlyAdded,
    /// Within a priority, the older job goes first, where one worker claims one at a time.
    InOrder,
}

/// A promise that was not kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// The topic.
    pub topic: TopicName,
    /// The job.
    pub job: JobId,
    /// What happened, with tokens, workers and times.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rule,
            topic,
            job,
            text,
        } = self;
        write!(f, "{rule:?}: job {job} of {topic}: {text}")
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a good history holds: a test can see whether it tested anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// From the first event to the last.
    pub lasted: Duration,
    /// Processes that took part.
    pub processes: usize,
    /// Jobs that were asked for.
    pub jobs: usize,
    /// Those whose add was acknowledged.
    pub acknowledged: usize,
    /// Ended with a result.
    pub completed: usize,
    /// Dead letters.
    pub failed: usize,
    /// Cancelled.
    pub cancelled: usize,
    /// Leases that were given.
    pub leases: usize,
    /// Handlers that began.
    pub runs: usize,
    /// Pairs of attempts of one job that ran at the same time, because a lease was lost.
    pub overlaps: usize,
    /// Leases that were lost, by the records.
    pub stalls: usize,
    /// Leases that somebody reclaimed before their end.
    pub reclaimed: usize,
    /// Times that a job was given back unfinished.
    pub given_back: usize,
    /// Outcomes that were refused.
    pub refused: usize,
    /// Jobs whose order was looked at: where one worker claimed one at a time.
    pub in_order: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} jobs ({} acknowledged) by {} processes in {:.1} s: {} completed, {} failed, {} cancelled; \
             {} leases, {} runs, {} stalls ({} reclaimed), {} given back, {} overlaps, {} outcomes refused",
            self.jobs,
            self.acknowledged,
            self.processes,
            self.lasted.as_secs_f64(),
            self.completed,
            self.failed,
            self.cancelled,
            self.leases,
            self.runs,
            self.stalls,
            self.reclaimed,
            self.given_back,
            self.overlaps,
            self.refused,
        )
    }
}
