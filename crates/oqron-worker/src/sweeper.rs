//! Removes what is over its retention, in one process of those that work on the same topics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oqron_core::{Consume, LockName, Token, TopicName};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::election::lock_name;

/// Between two sweeps, and between two tries to be the one who sweeps; the first comes with the first many completions.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// For two rounds and more, so that every second one renews it.
const LOCK_TTL: Duration = Duration::from_secs(160);
/// A round may be so late without losing the lock, and a sweep ends so long before the lock does.
const MARGIN: Duration = Duration::from_secs(30);

/// After so many completions of this process, finished records are swept without waiting for the minute.
const MANY: u64 = 5_000;

/// Counts completions for the sweeper.
#[derive(Default)]
pub(crate) struct Completions {
    count: AtomicU64,
    many: Notify,
}

impl Completions {
    pub(crate) fn add(&self, count: u64) {
        let before = self.count.fetch_add(count, Ordering::Relaxed);
        if before / MANY != (before + count) / MANY {
            self.many.notify_one();
        }
    }

    /// Resolves after every few thousand.
    pub(crate) async fn many(&self) {
        self.many.notified().await;
    }
}

pub(crate) struct Sweeper {
    backend: Arc<dyn Consume>,
    topics: Vec<TopicName>,
    completions: Arc<Completions>,
    lock: LockName,
    held: Option<(Token, Instant)>,
}

impl Sweeper {
    pub(crate) fn new(
        backend: Arc<dyn Consume>,
        topics: Vec<TopicName>,
        completions: Arc<Completions>,
    ) -> Self {
        Self {
            lock: lock_name("sweeper", &topics),
            backend,
            topics,
            completions,
            held: None,
        }
    }

    /// Sweeps until `stop`, and then gives the lock up.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut round_at = Instant::now() + SWEEP_EVERY;
        let mut has_stood = false;
        loop {
            let is_round = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = sleep_until(round_at) => true,
                () = self.completions.many() => !has_stood,
            };
            if is_round {
                has_stood = true;
                round_at = Instant::now() + SWEEP_EVERY;
                self.elect().await;
            }
            if self.held.is_some() {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    () = self.sweep() => {}
                }
            }
        }
        if let Some((token, _)) = self.held
            && let Err(problem) = self.backend.release(&self.lock, token).await
        {
            debug!(%problem, "the sweeper's lock is left to its end");
        }
    }

    /// Takes the lock, or renews it if it would not last until the next round.
    async fn elect(&mut self) {
        let sent_at = Instant::now();
        if self
            .held
            .is_some_and(|(_, until)| sent_at + SWEEP_EVERY + MARGIN < until)
        {
            return;
        }
        let answer = match self.held {
            Some((token, _)) => {
                let renewed = self.backend.renew(&self.lock, token, LOCK_TTL).await;
                renewed.map(|is_held| is_held.then_some(token))
            }
            None => self.backend.acquire(&self.lock, LOCK_TTL).await,
        };
        match answer {
            Ok(token) => self.held = token.map(|token| (token, sent_at + LOCK_TTL)),
            Err(problem) => {
                warn!(%problem, "could not find out who removes finished records; trying again in a minute");
                self.held = self.held.filter(|(_, until)| Instant::now() < *until);
            }
        }
    }

    /// Until nothing is over its retention, or it is time to renew the lock.
    ///
    /// # Cancel safety
    /// Each call to the backend is a whole step.
    async fn sweep(&mut self) {
        let Some((_, until)) = self.held else { return };
        for topic in &self.topics {
            loop {
                if Instant::now() + MARGIN >= until {
                    return;
                }
                match self.backend.sweep(topic).await {
                    Ok(swept) if swept.more => {}
                    Ok(_) => break,
                    Err(problem) => {
                        warn!(%topic, %problem, "could not remove finished records; trying again in a minute");
                        break;
                    }
                }
            }
        }
    }
}
