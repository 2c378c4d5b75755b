//! How a running attempt is told to stop, and why.

use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Why the signal of an attempt fired. The first reason stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelReason {
    /// Somebody asked to cancel the job.
    Requested,
    /// The lease is somebody else's, or could not be renewed in time: another worker may run the job already.
    LeaseLost,
    /// The attempt took longer than its timeout.
    TimedOut,
    /// The worker shuts down, and its grace is over.
    ShuttingDown,
}

/// The same with what only the settlement needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Requested = 1,
    /// The lease's local end came before an answer did: the backend may still count it as ours.
    Fenced = 2,
    /// The backend said that the lease is not ours.
    Lost = 3,
    TimedOut = 4,
    ShuttingDown = 5,
}

impl Why {
    fn from_number(number: u8) -> Option<Self> {
        [
            Self::Requested,
            Self::Fenced,
            Self::Lost,
            Self::TimedOut,
            Self::ShuttingDown,
        ]
        .into_iter()
        .find(|why| *why as u8 == number)
    }

    fn reason(self) -> CancelReason {
        match self {
            Self::Requested => CancelReason::Requested,
            Self::Fenced | Self::Lost => CancelReason::LeaseLost,
            Self::TimedOut => CancelReason::TimedOut,
            Self::ShuttingDown => CancelReason::ShuttingDown,
        }
    }
}

/// What the heart asks of a handler: first to stop ([`fire`](Self::fire)), then it is cut off.
#[derive(Default)]
pub(crate) struct Signal {
    token: CancellationToken,
    why: AtomicU8,
    cut_why: AtomicU8,
    cut: Notify,
}

impl Signal {
    /// Tells the handler to stop. `false`: it had been told before, and the first reason stays.
    pub(crate) fn fire(&self, why: Why) -> bool {
        // The reason is there before the token says that there is one.
        let first = self
            .why
            .compare_exchange(0, why as u8, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        self.token.cancel();
        first
    }

    pub(crate) fn why(&self) -> Option<Why> {
        Why::from_number(self.why.load(Ordering::Acquire))
    }

    pub(crate) fn reason(&self) -> Option<CancelReason> {
        self.why().map(Why::reason)
    }

    pub(crate) fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// The handler had its time to stop: its future is dropped at its next await.
    pub(crate) fn cut_off(&self, why: Why) {
        let _ = self
            .cut_why
            .compare_exchange(0, why as u8, Ordering::AcqRel, Ordering::Acquire);
        // Keeps a permit if nobody waits yet; there is one waiter, the job's task.
        self.cut.notify_one();
    }

    /// Resolves when the handler is to be cut off.
    pub(crate) async fn until_cut_off(&self) -> Why {
        loop {
            self.cut.notified().await;
            if let Some(why) = Why::from_number(self.cut_why.load(Ordering::Acquire)) {
                return why;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_stays() {
        let signal = Signal::default();
        assert_eq!(signal.reason(), None);
        assert!(signal.fire(Why::TimedOut));
        assert!(!signal.fire(Why::ShuttingDown));
        assert_eq!(signal.reason(), Some(CancelReason::TimedOut));
        assert!(signal.token().is_cancelled());
    }

    #[test]
    fn every_reason_comes_back_from_its_number() {
        for why in [
            Why::Requested,
            Why::Fenced,
            Why::Lost,
            Why::TimedOut,
            Why::ShuttingDown,
        ] {
            assert_eq!(Why::from_number(why as u8), Some(why));
        }
        assert_eq!(Why::from_number(0), None);
    }

    #[tokio::test]
    async fn a_cut_that_comes_before_its_waiter_is_not_missed() {
        let signal = Signal::default();
        signal.cut_off(Why::TimedOut);
        assert_eq!(signal.until_cut_off().await, Why::TimedOut);
    }
}
