//! One lease, as the processes saw it.

use std::sync::Arc;
use std::time::Duration;

use oqron_core::{Token, WorkerId};

use super::{Ending, Moment};

/// From when a call was sent until it was answered: somewhere in between it had its effect. One without an answer may
/// have had it at any later time, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) asked: Moment,
    pub(super) answered: Option<Moment>,
}

/// A worker was given the lease.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// The request that the lease is the answer to.
    pub(super) request: u64,
    pub(super) worker: WorkerId,
    pub(super) attempt: u32,
    /// When the request was first sent.
    pub(super) asked: Moment,
    /// When the lease first arrived.
    pub(super) answered: Moment,
    pub(super) ttl: Duration,
}

/// An outcome was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) ending: Ending,
    pub(super) worker: WorkerId,
    pub(super) span: Span,
    /// The verdict, if one came.
    pub(super) accepted: Option<bool>,
}

/// A heartbeat listed it.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) worker: WorkerId,
    pub(super) asked: Moment,
    pub(super) answered: Moment,
    pub(super) renewed: bool,
    pub(super) ttl: Duration,
}

/// A handler ran under it.
#[derive(Clone, Debug)]
pub(super) struct Ran {
    pub(super) worker: WorkerId,
    pub(super) process: Arc<str>,
    pub(super) attempt: u32,
    pub(super) started: Moment,
    /// The end; of one that was killed the last that was heard of its process.
    pub(super) until: Moment,
    /// It came to a result.
    pub(super) returned: bool,
}

/// Everything about one token of one job.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) token: Token,
    pub(super) given: Vec<Given>,
    pub(super) sent: Vec<Sent>,
    pub(super) heard: Vec<Heard>,
    pub(super) ran: Vec<Ran>,
    /// Somebody asked to end it because its worker was gone.
    pub(super) reclaimed: Option<Moment>,
    /// A heartbeat of its worker left it out, and so gave it back.
    pub(super) left_out: Option<Moment>,
}

impl Lease {
    pub(super) fn new(token: Token) -> Self {
        Self {
            token,
            given: Vec::new(),
            sent: Vec::new(),
            heard: Vec::new(),
            ran: Vec::new(),
            reclaimed: None,
            left_out: None,
        }
    }

    /// The first time that it was seen to be given.
    pub(super) fn first_given(&self) -> Option<&Given> {
        self.given.first()
    }

    /// The outcome that was accepted, with the time at which it was first sent: later sendings are repeats.
    pub(super) fn accepted(&self) -> Option<(Ending, Moment)> {
        let accepted = self.sent.iter().find(|sent| sent.accepted == Some(true))?;
        let first = self.sent.iter().filter(|sent| sent.ending == accepted.ending);
        let asked = first.map(|sent| sent.span.asked).min()?;
        Some((accepted.ending, asked))
    }

    /// Whether an outcome that gives the job back, or leads to its next attempt, may have been taken by then.
    pub(super) fn was_given_up_by(&self, moment: Moment) -> bool {
        let sent = self
            .sent
            .iter()
            .any(|sent| !sent.ending.is_final() && sent.accepted != Some(false) && sent.span.asked <= moment);
        sent || self.left_out.is_some_and(|left_out| left_out <= moment)
    }

    /// Whether its worker may have lost it by then: it ran out, or somebody reclaimed it.
    pub(super) fn was_lost_by(&self, moment: Moment, tolerance: Duration) -> bool {
        let reclaimed = self.reclaimed.is_some_and(|reclaimed| reclaimed <= moment);
        // A renewal lasts at least from when it was sent; one without an answer may have been none.
        let ran_out = |from: Moment, ttl: Duration| moment.after(tolerance) >= from.after(ttl);
        let claim = self.given.first();
        let heard = self.heard.iter().filter(|heard| heard.renewed);
        reclaimed
            || claim.is_none_or(|given| ran_out(given.asked, given.ttl))
                && heard.clone().all(|heard| ran_out(heard.asked, heard.ttl))
    }
}
