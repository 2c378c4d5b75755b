//! Where a sweep begins: behind what the last one removed.
//!
//! Until PostgreSQL has cleaned up, the entries of removed records stay in front in the index, and a sweep that began at its
//! start would walk over all of them; while a session pins an old snapshot, they stay as long as it does. A mark is only an
//! accelerator: what comes below it (a record with a shorter retention, one whose transaction commits late) is found by a sweep
//! from the start. That is every one until there can be many dead entries, and then as often as it costs a hundredth of the time.

use std::time::{Duration, Instant};

/// Fewer dead entries are not worth a mark.
const FEW: u64 = 10_000;
const FULL_AFTER_ITS_COST_TIMES: u32 = 100;
const FULL_AFTER_MAX: Duration = Duration::from_secs(600);
/// Dead workers are forgotten after an hour, so it need not be looked for them each minute.
const WORKERS_EVERY: Duration = Duration::from_secs(600);

/// Behind what a sweep begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) expires_at: i64,
    pub(crate) seq: i64,
    pub(crate) kept_until: i64,
}

impl Mark {
    const START: Self = Self {
        expires_at: i64::MIN,
        seq: i64::MIN,
        kept_until: i64::MIN,
    };
}

/// What one topic's sweeps remember of it.
pub(crate) struct Sweeps {
    mark: Mark,
    removed: u64,
    full_at: Option<Instant>,
    workers_at: Option<Instant>,
}

impl Sweeps {
    pub(crate) fn new() -> Self {
        Self {
            mark: Mark::START,
            removed: 0,
            full_at: None,
            workers_at: None,
        }
    }

    /// Whether it is time to look for dead workers; it is not again for a while.
    pub(crate) fn workers_are_due(&mut self, now: Instant) -> bool {
        let is_due = self.workers_at.is_none_or(|at| now >= at);
        if is_due {
            self.workers_at = Some(now + WORKERS_EVERY);
        }
        is_due
    }

    /// Where the next sweep begins.
    pub(crate) fn from(&self, now: Instant) -> Mark {
        if self.removed < FEW || self.full_at.is_none_or(|at| now >= at) {
            Mark::START
        } else {
            self.mark
        }
    }

    /// After a sweep that removed so many records or ids, the last of them at these places.
    pub(crate) fn swept(
        &mut self,
        now: Instant,
        from: Mark,
        took: Duration,
        removed: u64,
        last_record: Option<(i64, i64)>,
        last_id: Option<i64>,
    ) {
        self.removed = self.removed.saturating_add(removed);
        if let Some((expires_at, seq)) = last_record {
            (self.mark.expires_at, self.mark.seq) = (expires_at, seq);
        }
        if let Some(kept_until) = last_id {
            self.mark.kept_until = kept_until;
        }
        if from == Mark::START {
            self.full_at = Some(now + (took * FULL_AFTER_ITS_COST_TIMES).min(FULL_AFTER_MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOK: Duration = Duration::from_millis(10);

    fn mark(place: i64) -> Mark {
        Mark {
            expires_at: place,
            seq: place,
            kept_until: place,
        }
    }

    fn sweep(sweeps: &mut Sweeps, now: Instant, removed: u64, place: Option<i64>) -> Mark {
        let from = sweeps.from(now);
        sweeps.swept(now, from, TOOK, removed, place.map(|place| (place, place)), place);
        from
    }

    #[test]
    fn dead_workers_are_looked_for_at_first_and_then_every_ten_minutes() {
        let now = Instant::now();
        let mut sweeps = Sweeps::new();
        let at = [0, 60, 599, 600, 660].map(|seconds| now + Duration::from_secs(seconds));
        assert_eq!(
            at.map(|at| sweeps.workers_are_due(at)),
            [true, false, false, true, false]
        );
    }

    #[test]
    fn few_dead_entries_are_walked_over_each_time() {
        let now = Instant::now();
        let mut sweeps = Sweeps::new();
        for place in 0..9 {
            assert_eq!(sweep(&mut sweeps, now, 1_000, Some(place)), Mark::START);
        }
    }

    #[test]
    fn many_are_walked_over_in_a_hundredth_of_the_time() {
        let now = Instant::now();
        let mut sweeps = Sweeps::new();
        assert_eq!(sweep(&mut sweeps, now, FEW, Some(7)), Mark::START);
        assert_eq!(sweep(&mut sweeps, now + TOOK, 1_000, Some(8)), mark(7));
        assert_eq!(sweep(&mut sweeps, now + TOOK * 99, 0, None), mark(8));
        assert_eq!(sweep(&mut sweeps, now + TOOK * 100, 1, Some(3)), Mark::START);
        assert_eq!(
            sweep(&mut sweeps, now + TOOK * 101, 0, None),
            mark(3),
            "it lowers the mark to what it found"
        );
    }
}
