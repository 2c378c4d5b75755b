//! When a topic's task asks for jobs, and for how many: no I/O, and time comes from outside.

use std::time::Duration;

use oqron_core::Turned;
use tokio::time::Instant;

use crate::throttle::{Throttle, Throttled};

/// What a lost wake-up costs at most.
const SAFETY_POLL: Duration = Duration::from_secs(30);
/// Where nobody can send wake-ups.
const POLL_WITHOUT_CHANNEL: Duration = Duration::from_secs(1);
/// The shortest pause before asking again for what is due: clocks are read in whole milliseconds.
const DUE_PAUSE_MIN: Duration = Duration::from_millis(2);

pub(crate) struct Demand {
    throttled: Option<Throttled>,
    /// There may be jobs that were not asked for.
    is_hungry: bool,
    /// The backend woke this worker and nobody else, and it has not asked since.
    owes_wakeup: bool,
    asked_at: Instant,
    due_at: Option<Instant>,
}

impl Demand {
    /// Hungry: what waited before the start has woken nobody.
    pub(crate) fn new(throttle: Option<Throttle>, now: Instant) -> Self {
        Self {
            throttled: throttle.map(Throttled::new),
            is_hungry: true,
            owes_wakeup: false,
            asked_at: now,
            due_at: None,
        }
    }

    /// There may be work.
    pub(crate) fn wake(&mut self) {
        self.is_hungry = true;
    }

    /// The backend says that there may be work, and woke nobody else for it.
    pub(crate) fn woken(&mut self) {
        self.is_hungry = true;
        self.owes_wakeup = true;
    }

    /// Whether a worker that can take nothing now has to let the backend wake another one.
    pub(crate) fn owes_wakeup(&self) -> bool {
        self.owes_wakeup
    }

    /// Of so many free slots, those that may be filled now.
    pub(crate) fn allowed(&mut self, free: u32, now: Instant) -> u32 {
        match &mut self.throttled {
            Some(throttled) => free.min(throttled.allowed(now)),
            None => free,
        }
    }

    /// Whether asking is worth a call of its own.
    pub(crate) fn is_due(&self, now: Instant, has_channel: bool) -> bool {
        self.is_hungry || now >= self.ask_at(has_channel)
    }

    /// When to ask without having been woken.
    pub(crate) fn ask_at(&self, has_channel: bool) -> Instant {
        let poll = if has_channel {
            SAFETY_POLL
        } else {
            POLL_WITHOUT_CHANNEL
        };
        let poll_at = self.asked_at + poll;
        self.due_at.map_or(poll_at, |due| due.min(poll_at))
    }

    /// When the throttle allows more than now.
    pub(crate) fn next_start(&self) -> Option<Instant> {
        self.throttled.as_ref().and_then(Throttled::next)
    }

    /// A turn is sent that asks for `asked` of the free slots, or for none to pass a wake-up on. The backend wakes who got
    /// less than was asked for; the slots that were not asked for are this side's to remember.
    pub(crate) fn asked(&mut self, asked: u32, free: u32, now: Instant) {
        self.is_hungry = free > asked;
        self.owes_wakeup = false;
        if asked > 0 {
            self.due_at = None;
            self.asked_at = now;
        }
    }

    /// A turn that asked for jobs, or did not, is answered.
    pub(crate) fn answered(&mut self, turned: &Turned, now: Instant) {
        self.is_hungry |= turned.more;
        // A topic that is paused for all wakes its waiters when it is resumed; what is due in it must wait.
        // What a turn settled may be due before anything that the other line's claim has seen, so it counts without a claim too.
        if !turned.paused {
            // The answers of two lines may come in another order than the looks that they are of, so the earlier time counts.
            let due_at = turned.due_in.map(|due| now + due.max(DUE_PAUSE_MIN));
            self.due_at = self.due_at.into_iter().chain(due_at).min();
        }
        if let Some(throttled) = &mut self.throttled {
            throttled.started(now, u32::try_from(turned.leases.len()).unwrap_or(u32::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_asks_at_the_start_when_woken_when_something_is_due_and_every_thirty_seconds() {
        let start = Instant::now();
        let mut demand = Demand::new(None, start);
        assert!(demand.is_due(start, true));
        demand.asked(2, 2, start);
        assert!(!demand.is_due(start, true));
        let mut turned = Turned::default();
        turned.due_in = Some(SECOND * 5);
        demand.answered(&turned, start);
        assert!(!demand.is_due(start + SECOND * 4, true));
        assert!(demand.is_due(start + SECOND * 5, true));
        demand.asked(2, 2, start + SECOND * 5);
        demand.answered(&Turned::default(), start + SECOND * 5);
        assert!(!demand.is_due(start + SECOND * 34, true));
        assert!(demand.is_due(start + SECOND * 35, true));
        assert!(demand.is_due(start + SECOND * 6, false), "where nobody wakes it");
        demand.wake();
        assert!(demand.is_due(start + SECOND * 6, true));
    }

    #[test]
    fn of_the_answers_of_two_lines_the_earlier_time_counts() {
        let start = Instant::now();
        let mut demand = Demand::new(None, start);
        demand.asked(2, 4, start);
        demand.asked(2, 2, start);
        for due_in in [Some(SECOND), Some(SECOND * 20), None] {
            let mut turned = Turned::default();
            turned.due_in = due_in;
            demand.answered(&turned, start);
        }
        assert_eq!(demand.ask_at(true), start + SECOND);
    }

    #[test]
    fn what_is_due_in_a_paused_topic_is_not_asked_for() {
        let start = Instant::now();
        let mut demand = Demand::new(None, start);
        demand.asked(1, 1, start);
        let mut turned = Turned::default();
        (turned.due_in, turned.paused) = (Some(Duration::ZERO), true);
        demand.answered(&turned, start);
        assert_eq!(demand.ask_at(true), start + SAFETY_POLL);
    }

    #[test]
    fn a_slot_that_was_not_asked_for_keeps_it_hungry() {
        let start = Instant::now();
        let mut demand = Demand::new(None, start);
        demand.asked(1, 5, start);
        assert!(demand.is_due(start, true));
        demand.asked(0, 0, start);
        assert!(
            !demand.is_due(start, true),
            "the end of a job brings the next turn"
        );
    }
}
