//! One step, and how it is drawn.
//!
//! What a step names is counted off in what there is when it is taken, so that every step can be left out and the others
//! still mean something.

use proptest::prelude::*;
use proptest::sample::Index;

/// Different ids in a sequence: few, so that they meet again.
pub(crate) const IDS: usize = 7;
pub(crate) const WORKERS: usize = 3;
pub(crate) const LOCKS: usize = 2;
pub(crate) const LINES: usize = 2;

/// What can be done.
#[derive(Clone, Debug)]
pub enum Step {
    /// All or none.
    Add(Vec<Job>),
    /// Settle and claim.
    Turn {
        worker: usize,
        line: usize,
        settle: Vec<(Index, End)>,
        claim: Option<Terms>,
    },
    /// The last request of the worker's line again, as after a lost reply.
    RepeatTurn {
        worker: usize,
        line: usize,
    },
    Heartbeat {
        worker: usize,
        listed: Vec<Index>,
        /// Whether the answer to the last turn has arrived.
        knows_last: bool,
    },
    Join {
        worker: usize,
    },
    /// Without a goodbye.
    Die {
        worker: usize,
    },
    Leave {
        worker: usize,
    },
    /// At the others, and who works here.
    Look,
    /// Of what the last look showed, which may have changed since.
    Reclaim(Vec<Index>),
    Sweep,
    Cancel(usize),
    Retry(Vec<usize>),
    Discard(Vec<usize>),
    Purge(Ended),
    Pause,
    Resume,
    /// Of a job that has ended, or does not exist.
    Finished(usize),
    /// Page by page.
    List {
        limit: u32,
    },
    Acquire {
        lock: usize,
    },
    Renew {
        lock: usize,
        token: Index,
    },
    Release {
        lock: usize,
        token: Index,
    },
}

/// A job to be added.
#[derive(Clone, Debug)]
pub struct Job {
    pub(crate) id: usize,
    pub(crate) priority: u32,
    pub(crate) is_delayed: bool,
    pub(crate) is_remembered: bool,
    pub(crate) kept: Kept,
}

/// How long a record is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kept {
    Not,
    LastTwo,
    Forever,
}

/// Of an attempt.
#[derive(Clone, Copy, Debug)]
pub enum End {
    Complete,
    Retry { is_delayed: bool },
    Fail,
    Snooze { is_delayed: bool },
    Release,
    Cancel,
}

/// Of a claim.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub(crate) max: u32,
    pub(crate) max_stalls: u32,
    pub(crate) at_most_once: bool,
}

/// What a purge is about.
#[derive(Clone, Copy, Debug)]
pub enum Ended {
    Scheduled,
    Waiting,
    Completed,
    Failed,
    Cancelled,
}

impl Step {
    pub(crate) fn any() -> BoxedStrategy<Self> {
        let indices = || prop::collection::vec(any::<Index>(), 0..5);
        prop_oneof![
            5 => prop::collection::vec(job(), 1..4).prop_map(Self::Add),
            8 => (worker(), line(), prop::collection::vec((any::<Index>(), end()), 0..4), prop::option::weighted(0.8, terms()))
                .prop_map(|(worker, line, settle, claim)| Self::Turn { worker, line, settle, claim }),
            1 => (worker(), line()).prop_map(|(worker, line)| Self::RepeatTurn { worker, line }),
            2 => (worker(), indices(), any::<bool>())
                .prop_map(|(worker, listed, knows_last)| Self::Heartbeat { worker, listed, knows_last }),
            2 => worker().prop_map(|worker| Self::Join { worker }),
            1 => worker().prop_map(|worker| Self::Die { worker }),
            1 => worker().prop_map(|worker| Self::Leave { worker }),
            2 => Just(Self::Look),
            1 => indices().prop_map(Self::Reclaim),
            1 => Just(Self::Sweep),
            2 => id().prop_map(Self::Cancel),
            1 => ids().prop_map(Self::Retry),
            1 => ids().prop_map(Self::Discard),
            1 => ended().prop_map(Self::Purge),
            1 => Just(Self::Pause),
            2 => Just(Self::Resume),
            1 => id().prop_map(Self::Finished),
            1 => (1_u32..5).prop_map(|limit| Self::List { limit }),
            1 => (0..LOCKS).prop_map(|lock| Self::Acquire { lock }),
            1 => (0..LOCKS, any::<Index>()).prop_map(|(lock, token)| Self::Renew { lock, token }),
            1 => (0..LOCKS, any::<Index>()).prop_map(|(lock, token)| Self::Release { lock, token }),
        ]
        .boxed()
    }
}

fn line() -> impl Strategy<Value = usize> {
    0..LINES
}

fn worker() -> impl Strategy<Value = usize> {
    0..WORKERS
}

fn id() -> impl Strategy<Value = usize> {
    0..IDS
}

/// Different ones, in any order.
fn ids() -> impl Strategy<Value = Vec<usize>> {
    prop::sample::subsequence((0..IDS).collect::<Vec<_>>(), 1..4).prop_shuffle()
}

fn job() -> impl Strategy<Value = Job> {
    let kept = prop_oneof![1 => Just(Kept::Not), 1 => Just(Kept::LastTwo), 4 => Just(Kept::Forever)];
    let is_delayed = prop::bool::weighted(0.2);
    (id(), 0_u32..3, is_delayed, any::<bool>(), kept).prop_map(
        |(id, priority, is_delayed, is_remembered, kept)| Job {
            id,
            priority,
            is_delayed,
            is_remembered,
            kept,
        },
    )
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        3 => Just(End::Complete),
        2 => any::<bool>().prop_map(|is_delayed| End::Retry { is_delayed }),
        2 => Just(End::Fail),
        1 => any::<bool>().prop_map(|is_delayed| End::Snooze { is_delayed }),
        1 => Just(End::Release),
        1 => Just(End::Cancel),
    ]
}

fn terms() -> impl Strategy<Value = Terms> {
    (0_u32..4, 0_u32..3, prop::bool::weighted(0.2)).prop_map(|(max, max_stalls, at_most_once)| Terms {
        max,
        max_stalls,
        at_most_once,
    })
}

fn ended() -> impl Strategy<Value = Ended> {
    prop_oneof![
        Just(Ended::Scheduled),
        Just(Ended::Waiting),
        Just(Ended::Completed),
        Just(Ended::Failed),
        Just(Ended::Cancelled),
    ]
}
