//! At most so many starts in a time, for this process: exact over every window, not only on average.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How many jobs of a topic this process may start in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Throttle {
    pub(crate) starts: u32,
    pub(crate) per: Duration,
}

/// The starts of the last `per`, one entry a batch.
pub(crate) struct Throttled {
    limit: Throttle,
    recent: VecDeque<(Instant, u32)>,
    started: u32,
}

impl Throttled {
    pub(crate) fn new(limit: Throttle) -> Self {
        Self {
            limit,
            recent: VecDeque::new(),
            started: 0,
        }
    }

    /// Starts that are allowed now.
    pub(crate) fn allowed(&mut self, now: Instant) -> u32 {
        while let Some((at, count)) = self.recent.front().copied()
            && now.saturating_duration_since(at) >= self.limit.per
        {
            self.recent.pop_front();
            self.started -= count;
        }
        self.limit.starts.saturating_sub(self.started)
    }

    /// Counts a batch of starts.
    pub(crate) fn started(&mut self, now: Instant, count: u32) {
        if count > 0 {
            self.recent.push_back((now, count));
            self.started += count;
        }
    }

    /// When more will be allowed than now; `None` if nothing has been started lately.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.recent.front().map(|(at, _)| *at + self.limit.per)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_started_counts_for_the_whole_time() {
        let limit = Throttle {
            starts: 3,
            per: Duration::from_secs(1),
        };
        let mut throttled = Throttled::new(limit);
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(throttled.allowed(at(0)), 3);
        assert_eq!(throttled.next(), None);
        throttled.started(at(0), 2);
        throttled.started(at(500), 1);
        assert_eq!(throttled.allowed(at(999)), 0);
        assert_eq!(throttled.next(), Some(at(1000)));
        assert_eq!(throttled.allowed(at(1000)), 2);
        assert_eq!(throttled.allowed(at(1500)), 3);
    }

    proptest! {
        #[test]
        fn no_window_has_more_starts_than_allowed(
            starts in 1u32..20, per in 1u64..500, steps in prop::collection::vec((0u64..200, 0u32..30), 1..100)
        ) {
            let limit = Throttle { starts, per: Duration::from_millis(per) };
            let mut throttled = Throttled::new(limit);
            let begin = Instant::now();
            let (mut now, mut log) = (0, Vec::new());
            for (pause, wanted) in steps {
                now += pause;
                let count = wanted.min(throttled.allowed(begin + Duration::from_millis(now)));
                throttled.started(begin + Duration::from_millis(now), count);
                log.push((now, count));
            }
            for (end, _) in &log {
                let within = log.iter().filter(|(at, _)| at <= end && end - at < per);
                prop_assert!(within.map(|(_, count)| count).sum::<u32>() <= starts);
            }
        }
    }
}
