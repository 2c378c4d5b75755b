//! When a presence is asked for a sign of life: no I/O, and time comes from outside.

use std::time::Duration;

use tokio::time::Instant;

/// While this process holds leases: the others take them soon after its presence has broken, so it has to know.
const PING_EVERY: Duration = Duration::from_secs(5);
/// At most, while it is idle. What a broken presence costs then, a lost wake-up, the safety poll bounds, and the lease that the
/// poll brings makes this process busy. Firewalls forget connections that are silent for some four minutes.
const IDLE_PING_EVERY_MAX: Duration = Duration::from_secs(180);

pub(crate) struct Pulse {
    asked_at: Instant,
    /// `None` while leases are held.
    idle_since: Option<Instant>,
}

impl Pulse {
    /// Of a presence that has just answered.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            asked_at: now,
            idle_since: Some(now),
        }
    }

    /// This process holds leases from now on, or none any more.
    pub(crate) fn set_busy(&mut self, is_busy: bool, now: Instant) {
        self.idle_since = (!is_busy).then_some(now);
    }

    pub(crate) fn asked(&mut self, now: Instant) {
        self.asked_at = now;
    }

    /// Every few seconds while leases are held, and ever more rarely the longer there have been none.
    pub(crate) fn ping_at(&self) -> Instant {
        let idle_for = self.idle_since.map_or(Duration::ZERO, |since| {
            self.asked_at.saturating_duration_since(since)
        });
        self.asked_at + idle_for.clamp(PING_EVERY, IDLE_PING_EVERY_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_asks_every_five_seconds_while_busy_and_ever_more_rarely_when_idle() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start);
        pulse.set_busy(true, start);
        for _ in 0..10 {
            let at = pulse.ping_at();
            pulse.asked(at);
        }
        assert_eq!(pulse.ping_at(), start + SECOND * 55);
        let idle = start + SECOND * 52;
        pulse.set_busy(false, idle);
        let mut distances = Vec::new();
        for _ in 0..9 {
            let (before, at) = (pulse.asked_at, pulse.ping_at());
            distances.push((at - before).as_secs());
            pulse.asked(at);
        }
        assert_eq!(distances, [5, 5, 8, 16, 32, 64, 128, 180, 180]);
    }

    #[test]
    fn the_first_lease_after_a_rest_asks_at_once() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start);
        pulse.asked(start + SECOND * 1000);
        assert_eq!(pulse.ping_at(), start + SECOND * 1180);
        pulse.set_busy(true, start + SECOND * 1100);
        assert!(pulse.ping_at() <= start + SECOND * 1100);
        pulse.asked(start + SECOND * 1100);
        pulse.set_busy(false, start + SECOND * 1101);
        assert_eq!(pulse.ping_at(), start + SECOND * 1105);
    }
}
