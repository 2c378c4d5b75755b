//! When the absence of a worker counts: no I/O, and time comes from outside.
//!
//! Three rules keep it honest. A lease is reclaimed only if it is the same as when its worker was first missed. An
//! absence counts only if this observer saw it for the whole grace, without losing sight of the server. And a server
//! that has just started, or that this process has just lost, dropped every presence at once: it is not trusted for as
//! long as a lease lasts, in which living workers come back.

use std::collections::HashMap;
use std::time::Duration;

use oqron_core::{AbsentLease, Sight};
use tokio::time::Instant;

pub(crate) struct Watch {
    grace: Duration,
    /// The longest lease of this process.
    lease_ttl: Duration,
    missed_since: HashMap<AbsentLease, Instant>,
    trusted_from: Instant,
}

impl Watch {
    pub(crate) fn new(grace: Duration, lease_ttl: Duration, now: Instant) -> Self {
        Self {
            grace,
            lease_ttl,
            missed_since: HashMap::new(),
            trusted_from: now,
        }
    }

    /// The server was out of sight at that time: what is missed afterwards may only be late to come back.
    pub(crate) fn lost_sight(&mut self, at: Instant) {
        let trusted_from = at + self.lease_ttl;
        if trusted_from > self.trusted_from {
            self.trusted_from = trusted_from;
            self.missed_since.clear();
        }
    }

    /// Nobody looked for a while.
    pub(crate) fn forget(&mut self) {
        self.missed_since.clear();
    }

    /// Takes in what a look showed, and answers the leases whose worker was away for the grace.
    pub(crate) fn saw(&mut self, sight: Sight, now: Instant) -> Vec<AbsentLease> {
        let has_just_started = sight.server_up.is_some_and(|up| up < self.lease_ttl);
        if has_just_started || now < self.trusted_from {
            self.missed_since.clear();
            return Vec::new();
        }
        let before = std::mem::take(&mut self.missed_since);
        let mut gone = Vec::new();
        for lease in sight.absent {
            let since = before.get(&lease).copied().unwrap_or(now);
            if now - since >= self.grace {
                gone.push(lease);
            } else {
                self.missed_since.insert(lease, since);
            }
        }
        gone
    }

    /// When the first of those that are missed has been away for the grace.
    pub(crate) fn next_end_of_grace(&self) -> Option<Instant> {
        self.missed_since.values().min().map(|since| *since + self.grace)
    }
}

#[cfg(test)]
mod tests {
    use oqron_core::{JobId, Token, TopicName};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TTL: Duration = Duration::from_secs(30);

    fn lease(id: &str, until: u64) -> AbsentLease {
        let topic = TopicName::new("mail").unwrap();
        AbsentLease::new(topic, JobId::new(id).unwrap(), Token(1), until)
    }

    fn sight(absent: &[AbsentLease]) -> Sight {
        Sight::new(true, absent.to_vec(), None)
    }

    #[test]
    fn a_worker_that_is_away_for_the_grace_is_gone() {
        let start = Instant::now();
        let mut watch = Watch::new(SECOND, TTL, start);
        let missed = [lease("a", 1)];
        assert_eq!(watch.next_end_of_grace(), None);
        assert_eq!(watch.saw(sight(&missed), start), []);
        assert_eq!(watch.next_end_of_grace(), Some(start + SECOND));
        assert_eq!(watch.saw(sight(&missed), start + SECOND / 2), []);
        assert_eq!(watch.saw(sight(&missed), start + SECOND), missed);
        assert_eq!(watch.next_end_of_grace(), None);
    }

    #[test]
    fn one_that_comes_back_or_renews_begins_anew() {
        let start = Instant::now();
        let mut watch = Watch::new(SECOND, TTL, start);
        watch.saw(sight(&[lease("a", 1), lease("b", 1)]), start);
        watch.saw(sight(&[lease("b", 2)]), start + SECOND / 2);
        assert_eq!(
            watch.saw(sight(&[lease("a", 1), lease("b", 2)]), start + SECOND),
            []
        );
        let later = watch.saw(sight(&[lease("a", 1), lease("b", 2)]), start + SECOND * 3 / 2);
        assert_eq!(later, [lease("b", 2)]);
    }

    #[test]
    fn nothing_counts_while_the_server_is_younger_than_a_lease() {
        let start = Instant::now();
        let mut watch = Watch::new(SECOND, TTL, start);
        let missed = [lease("a", 1)];
        for second in 0..30 {
            let young = Sight::new(true, missed.to_vec(), Some(SECOND * second));
            assert_eq!(watch.saw(young, start + SECOND * second), []);
        }
        for (second, expected) in [(30, &[][..]), (31, &missed[..])] {
            let old = Sight::new(true, missed.to_vec(), Some(SECOND * second));
            assert_eq!(watch.saw(old, start + SECOND * second), expected);
        }
    }

    #[test]
    fn who_lost_sight_of_the_server_trusts_nothing_for_one_lease() {
        let start = Instant::now();
        let mut watch = Watch::new(SECOND, TTL, start);
        let missed = [lease("a", 1)];
        watch.saw(sight(&missed), start);
        watch.lost_sight(start + SECOND);
        assert_eq!(watch.next_end_of_grace(), None);
        assert_eq!(watch.saw(sight(&missed), start + SECOND * 2), []);
        assert_eq!(watch.saw(sight(&missed), start + SECOND * 30), []);
        assert_eq!(watch.saw(sight(&missed), start + SECOND * 31), []);
        assert_eq!(watch.saw(sight(&missed), start + SECOND * 32), missed);
    }
}
