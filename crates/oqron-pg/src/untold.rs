//! Leases that nobody else knows of: if their holder dies, somebody has to come when they end. A claim says whether that is
//! so; then another worker is woken, at most once a second a topic, since most leases are settled sooner. What is put off is
//! made up for by the next turn or heartbeat.

use std::time::{Duration, Instant};

use crate::wake::Wake;

const PAUSE: Duration = Duration::from_secs(1);

/// What one topic's claims owe to the others.
#[derive(Default)]
pub(crate) struct Untold {
    told: Option<Instant>,
    owed: Option<Owed>,
}

#[derive(Clone, Copy)]
struct Owed {
    /// By the server's clock.
    until: i64,
    holder: Option<i64>,
}

impl Untold {
    /// After a claim whose leases nobody will look for before they end. `holder` is the key of its presence.
    pub(crate) fn owe(&mut self, until: i64, holder: Option<i64>) {
        let first = self.owed.map_or(until, |owed| owed.until.min(until));
        self.owed = Some(Owed { until: first, holder });
    }

    /// After another worker was woken for a different reason: it will see them too.
    pub(crate) fn told(&mut self, now: Instant) {
        self.told = Some(now);
        self.owed = None;
    }

    /// The wake-up that is owed and no longer put off.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Wake> {
        let owed = self.owed?;
        if self.told.is_some_and(|told| now < told + PAUSE) {
            return None;
        }
        self.told(now);
        Some(Wake::Leases {
            until: owed.until,
            holder: owed.holder,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_told_at_once_and_then_once_a_second_and_nothing_is_forgotten() {
        let now = Instant::now();
        let mut untold = Untold::default();
        assert!(untold.due(now).is_none());
        untold.owe(5_000, Some(7));
        let first = untold.due(now);
        assert!(matches!(
            first,
            Some(Wake::Leases {
                until: 5_000,
                holder: Some(7)
            })
        ));
        untold.owe(9_000, Some(7));
        untold.owe(8_000, Some(7));
        assert!(untold.due(now + PAUSE / 2).is_none());
        let second = untold.due(now + PAUSE);
        assert!(matches!(second, Some(Wake::Leases { until: 8_000, .. })));
        assert!(untold.due(now + PAUSE * 3).is_none());
    }

    #[test]
    fn who_was_woken_for_a_job_sees_the_leases_too() {
        let now = Instant::now();
        let mut untold = Untold::default();
        untold.owe(5_000, None);
        untold.told(now);
        assert!(untold.due(now + PAUSE).is_none());
    }
}
