//! Workers that would take more than there was, and who of them is woken.

use oqron_core::{Timestamp, WorkerId};

use super::{Hint, Topic};

/// A worker that waits for jobs of the topic.
#[derive(Clone, Debug)]
pub(super) struct Waiter {
    worker: WorkerId,
    /// When it comes back by itself: the next event that it was told of.
    back_at: Option<Timestamp>,
}

impl Topic {
    /// Registers a worker behind those that wait already.
    pub(super) fn wait(&mut self, worker: &WorkerId, back_at: Option<Timestamp>) {
        self.waiters.push_back(Waiter {
            worker: worker.clone(),
            back_at,
        });
    }

    pub(super) fn stop_waking(&mut self, worker: &WorkerId) {
        self.waiters.retain(|waiter| waiter.worker != *worker);
    }

    /// Wakes the `count` workers that have waited longest.
    pub(super) fn wake(&mut self, count: usize) {
        if self.paused {
            return;
        }
        for _ in 0..count.min(self.waiters.len()) {
            self.wake_at(0);
        }
    }

    /// Wakes one that is not this one: who has just claimed and left something behind can come back by itself.
    pub(super) fn wake_another(&mut self, worker: &WorkerId) {
        let other = self.waiters.iter().position(|waiter| waiter.worker != *worker);
        if let Some(index) = other {
            self.wake_at(index);
        }
    }

    /// Where a job is now scheduled before all that were, somebody must come back in time for it.
    pub(super) fn wake_for_earlier(&mut self, next_before: Option<Timestamp>) {
        let Some(next) = self.next_scheduled() else { return };
        if next_before.is_none_or(|before| next < before) {
            self.wake_for(next, None);
        }
    }

    /// Wakes one if nobody would come in time by itself. A worker whose death would be the event does not count.
    pub(super) fn wake_for(&mut self, event: Timestamp, but: Option<&WorkerId>) {
        let counts = |waiter: &Waiter| Some(&waiter.worker) != but;
        let comes = |waiter: &Waiter| waiter.back_at.is_some_and(|back_at| back_at <= event);
        if self.paused || self.waiters.iter().any(|waiter| counts(waiter) && comes(waiter)) {
            return;
        }
        if let Some(index) = self.waiters.iter().position(counts) {
            self.wake_at(index);
        }
    }

    fn wake_at(&mut self, index: usize) {
        if let Some(waiter) = self.waiters.remove(index) {
            self.hints.push(Hint::Wake(waiter.worker));
        }
    }
}
