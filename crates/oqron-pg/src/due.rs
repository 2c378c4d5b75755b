//! When the next lease ends and the next scheduled job starts, looked up as often as it is cheap.
//!
//! Leases end in the order of the clock, so an index finds the next one. While a session pins an old snapshot the entries of
//! settled leases stay in it, and the look walks over them; then it is done less often, and the last answer serves.

use std::time::{Duration, Instant};

/// A look that takes longer is not repeated before it has cost only a fortieth of the time. A whole turn takes about a
/// millisecond.
const CHEAP: Duration = Duration::from_micros(100);
const PAUSE_TIMES: u32 = 40;
/// A worker that has nothing to do sleeps by the last answer, so it must not be old.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A commit can be later than the time that it wrote, so scheduled jobs are looked for this far below the mark.
const LATE_COMMIT_MS: i64 = 1_000;

/// What one topic's turns remember of it.
#[derive(Default)]
pub(crate) struct Due {
    /// The last answer: what comes first.
    next: Option<Instant>,
    look_again_at: Option<Instant>,
    /// There were leases at the last look, or one was given since.
    leased: bool,
    /// By the server's clock: leases that ended before it are reclaimed, scheduled jobs before it promoted.
    ready_until_ms: i64,
}

/// What a look has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) due_in: Option<Duration>,
    pub(crate) leased: bool,
    pub(crate) took: Duration,
}

/// Lower bounds for the two indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct From {
    pub(crate) lease_until: i64,
    pub(crate) run_at: i64,
}

impl Due {
    pub(crate) fn look_is_due(&self, now: Instant) -> bool {
        self.look_again_at.is_none_or(|at| now >= at)
    }

    /// Where to begin; `full`: without marks.
    pub(crate) fn from(&self, full: bool) -> From {
        if full {
            return From {
                lease_until: 0,
                run_at: 0,
            };
        }
        From {
            lease_until: self.ready_until_ms,
            run_at: (self.ready_until_ms - LATE_COMMIT_MS).max(0),
        }
    }

    /// After everything that was ready at this time of the server's was taken.
    pub(crate) fn ready_until(&mut self, server_now_ms: i64) {
        self.ready_until_ms = self.ready_until_ms.max(server_now_ms);
    }

    /// After a look.
    pub(crate) fn looked(&mut self, now: Instant, seen: &Seen) {
        // Another turn may have scheduled something since this look. If not, one wake-up is too early.
        let known = self.next.filter(|next| *next > now);
        let found = seen.due_in.map(|due_in| now + due_in);
        self.next = known.into_iter().chain(found).min();
        self.leased = seen.leased;
        self.look_again_at = (seen.took > CHEAP).then(|| now + (seen.took * PAUSE_TIMES).min(PAUSE_MAX));
    }

    /// After a claim that gave leases of this length, without a look.
    pub(crate) fn leased(&mut self, now: Instant, lease_ttl: Duration) {
        self.scheduled(now, lease_ttl);
        self.leased = true;
    }

    /// After something that is due after this time, without a look.
    pub(crate) fn scheduled(&mut self, now: Instant, after: Duration) {
        let at = now + after;
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// Whether anybody holds a lease, as far as the last look can tell.
    pub(crate) fn is_leased(&self) -> bool {
        self.leased
    }

    /// The last answer, as it is now.
    pub(crate) fn due_in(&self, now: Instant) -> Option<Duration> {
        self.next.map(|next| next.saturating_duration_since(now))
    }

    /// For a turn that could not look: somebody may have scheduled something since the last one did.
    pub(crate) fn look_again_in(&self, now: Instant) -> Option<Duration> {
        self.look_again_at.map(|at| at.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cheap_look_is_repeated_and_a_dear_one_is_not() {
        let now = Instant::now();
        let mut due = Due::default();
        let seen = |took: Duration| Seen {
            due_in: Some(Duration::from_secs(3)),
            leased: false,
            took,
        };
        assert!(due.look_is_due(now));
        due.looked(now, &seen(CHEAP / 2));
        assert!(due.look_is_due(now));
        due.looked(now, &seen(Duration::from_millis(10)));
        assert!(!due.look_is_due(now + Duration::from_millis(399)));
        assert!(due.look_is_due(now + Duration::from_millis(400)));
        assert_eq!(due.look_again_in(now), Some(Duration::from_millis(400)));
        assert_eq!(
            due.due_in(now + Duration::from_secs(1)),
            Some(Duration::from_secs(2))
        );
        assert!(!due.is_leased());
        due.leased(now, Duration::from_secs(1));
        assert_eq!(due.due_in(now), Some(Duration::from_secs(1)));
        assert!(due.is_leased());
    }

    #[test]
    fn marks_follow_the_clock_of_the_server_and_never_go_back() {
        let mut due = Due::default();
        due.ready_until(50_000);
        due.ready_until(40_000);
        assert_eq!(
            due.from(false),
            From {
                lease_until: 50_000,
                run_at: 49_000
            }
        );
        assert_eq!(
            due.from(true),
            From {
                lease_until: 0,
                run_at: 0
            }
        );
    }
}
