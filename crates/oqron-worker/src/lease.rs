//! How long a worker may trust a lease by its own clock.

use std::time::Duration;

use tokio::time::Instant;

/// From when on a lease is not to be trusted: one margin before its end, counted from *before* the claim or heartbeat was sent.
/// So the handler is told to stop before anybody else can own the job.
pub(crate) fn fence_at(sent_at: Instant, ttl: Duration) -> Instant {
    sent_at + ttl.saturating_sub(margin(ttl))
}

/// For the way from here to the handler, and for clocks that do not run equally fast.
fn margin(ttl: Duration) -> Duration {
    (ttl / 10).clamp(Duration::from_millis(10), Duration::from_secs(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fence_is_before_the_end_and_after_the_first_heartbeats() {
        let start = Instant::now();
        for (ttl_ms, fence_ms) in [(100, 90), (5_000, 4_500), (30_000, 27_000), (600_000, 597_000)] {
            let fence = fence_at(start, Duration::from_millis(ttl_ms));
            assert_eq!(fence - start, Duration::from_millis(fence_ms));
        }
    }
}
