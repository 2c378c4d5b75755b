//! Notices handlers that block every thread of the program's runtime, and says so.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::warn;

/// Between two looks while jobs run.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A runtime that has not run a new task for so long is blocked.
const BLOCKED_AFTER: Duration = Duration::from_secs(2);
/// Between two warnings of the same block.
const WARN_EVERY: Duration = Duration::from_secs(30);

pub(crate) struct Watchdog {
    watched: Handle,
    ping: Option<Ping>,
    look_at: Option<Instant>,
}

struct Ping {
    answer: oneshot::Receiver<()>,
    sent_at: Instant,
    warn_at: Instant,
}

impl Watchdog {
    pub(crate) fn new(watched: Handle) -> Self {
        Self {
            watched,
            ping: None,
            look_at: None,
        }
    }

    pub(crate) fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// Asks the watched runtime for a sign of life, and warns if the last one has not come.
    pub(crate) fn look(&mut self, now: Instant, jobs_run: bool) {
        if self.look_at.is_some_and(|at| now < at) {
            return;
        }
        self.look_at = (jobs_run || self.ping.is_some()).then_some(now + LOOK_EVERY);
        if let Some(ping) = &mut self.ping {
            if matches!(ping.answer.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
                if now >= ping.warn_at {
                    ping.warn_at = now + WARN_EVERY;
                    warn!(
                        seconds = (now - ping.sent_at).as_secs(),
                        "every thread of the runtime is blocked, so nothing else can run; its leases are kept. A \
                         handler computes or waits without an await: move that part into ctx.spawn_blocking"
                    );
                }
                return;
            }
            // It came; an end without a sign is the end of the runtime.
            self.ping = None;
        }
        if jobs_run {
            let (alive, answer) = oneshot::channel();
            self.watched.spawn(async move {
                // Nobody listens after the end.
                let _ = alive.send(());
            });
            self.ping = Some(Ping {
                answer,
                sent_at: now,
                warn_at: now + BLOCKED_AFTER,
            });
        }
    }
}
