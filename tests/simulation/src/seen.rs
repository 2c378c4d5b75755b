//! What was seen of one job.

use std::sync::Arc;
use std::time::Duration;

use oqron_core::{JobRecord, Token};

use crate::line::Line;
use crate::plan::{Plan, Planned};

/// Of one job.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) planned: Option<Planned>,
    /// When the first add was sent.
    pub(crate) tried_at: Option<Duration>,
    pub(crate) acknowledged_at: Option<Duration>,
    pub(crate) claims: Vec<Claimed>,
    pub(crate) settled: Vec<(Token, &'static str)>,
    pub(crate) runs: Vec<Run>,
    pub(crate) cancel_tried: bool,
    /// It had not begun, so it must not begin any more.
    pub(crate) cancelled_at_once: bool,
    pub(crate) discarded: bool,
    pub(crate) retried_by_operator: bool,
    pub(crate) told: Vec<String>,
    /// What belongs to the time before an operator put it back.
    pub(crate) earlier_claims: usize,
    pub(crate) earlier_runs: usize,
}

pub(crate) struct Claimed {
    pub(crate) token: Token,
    pub(crate) worker: String,
}

pub(crate) struct Run {
    pub(crate) token: Token,
    pub(crate) has_ended: bool,
    pub(crate) process: Arc<Line>,
    pub(crate) is_told_to_stop: Box<dyn Fn() -> bool + Send>,
}

impl Seen {
    /// Whether an attempt of a job that runs at most once may be followed by another one.
    pub(crate) fn may_run_after(&self, token: Token) -> bool {
        self.settled
            .iter()
            .any(|(settled, word)| *settled == token && matches!(*word, "retry" | "snooze"))
    }

    /// Runs of processes that live.
    fn unfinished(&self) -> impl Iterator<Item = &Run> {
        self.runs
            .iter()
            .filter(|run| !run.has_ended && !run.process.is_dead())
    }

    /// Another attempt runs, and no fault can have ended its lease.
    pub(crate) fn overlaps(&self, plan: &Plan) -> bool {
        !plan.faults.threaten_leases() && self.unfinished().next().is_some()
    }

    /// Another attempt runs, and has not been told to stop though it could have been.
    pub(crate) fn outruns(&self, plan: &Plan) -> bool {
        !plan.faults.outrun_signals()
            && self
                .unfinished()
                .any(|run| !run.process.is_stopped() && !(run.is_told_to_stop)())
    }

    /// How many of its attempts have ended it, since an operator last put it back.
    pub(crate) fn ends_of_life(&self, record: &JobRecord) -> usize {
        let of_life = self.claims.get(self.earlier_claims..).unwrap_or_default();
        let is_end = |word: &str| matches!(word, "complete" | "fail" | "cancel");
        let ended = |claim: &&Claimed| {
            self.settled
                .iter()
                .any(|(token, word)| *token == claim.token && is_end(word))
        };
        debug_assert!(record.state.is_finished());
        of_life.iter().filter(ended).count()
    }
}
