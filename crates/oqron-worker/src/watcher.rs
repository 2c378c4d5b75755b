//! Watches over the other workers of the same topics, and takes the jobs of those that died: a second or two after the
//! death, long before their leases end.
//!
//! Two processes of a set of topics are elected for it. Both look, so that the death of one of them is seen as fast as
//! any other, without waiting for the end of its lock; reclaiming a lease twice has one effect. While there is nothing
//! to watch, nobody looks.

use std::sync::Arc;
use std::time::Duration;

use oqron_core::{AbsentLease, Consume, LockName, Sight, Token, TopicName, WorkerId};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{debug, info, warn};

use crate::backoff::chance;
use crate::election::lock_name;
use crate::lookout::Lookout;
use crate::watch::Watch;

/// Between two looks while others hold leases.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Between two looks while only this process does, or nobody: others may begin at any time.
const LOOK_IN_QUIET_EVERY: Duration = Duration::from_secs(2);
/// Watching ends so long after there was last something to watch, beyond the length of a lease: until then, whoever waits
/// for jobs comes back by itself for the end of a lease, and calls again.
const QUIET_MARGIN: Duration = Duration::from_secs(5);
/// Watchers of a set of topics.
const WATCHERS: usize = 2;
/// A seat is held for the time until the next look and this much longer: the one of a dead watcher has to be free soon, for
/// the next death. A watcher that is late loses it, and stands for election again.
const SEAT_MARGIN: Duration = Duration::from_secs(1);
/// Who was not elected tries again, soon at first, because the seats of dead watchers become free.
const ELECT_AGAIN: Duration = Duration::from_secs(1);
const QUICK_TRIES: u32 = 5;
const ELECT_EVERY: Duration = Duration::from_secs(30);
/// A look without an answer is a lost sight.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// What a watcher is made of.
pub(crate) struct Watcher {
    backend: Arc<dyn Consume>,
    worker: WorkerId,
    topics: Vec<TopicName>,
    lookout: Arc<Lookout>,
    lease_ttl: Duration,
    watch: Watch,
    seat: Option<Seat>,
}

/// One of the places of a watcher.
struct Seat {
    lock: LockName,
    token: Token,
}

/// Why watching ended.
enum End {
    /// There is nothing to watch.
    Quiet,
    /// Somebody else has the seat.
    Unseated,
    /// This backend cannot show who is present.
    Blind,
}

impl Watcher {
    pub(crate) fn new(
        backend: Arc<dyn Consume>,
        worker: WorkerId,
        topics: Vec<TopicName>,
        lookout: Arc<Lookout>,
        grace: Duration,
        lease_ttl: Duration,
    ) -> Self {
        Self {
            backend,
            worker,
            topics,
            lookout,
            lease_ttl,
            watch: Watch::new(grace, lease_ttl, Instant::now()),
            seat: None,
        }
    }

    /// Runs until it is dropped; [`leave`](Self::leave) gives the seat up then.
    pub(crate) async fn run(&mut self) {
        loop {
            self.lookout.called().await;
            if !self.stand().await {
                continue;
            }
            match self.watch().await {
                End::Quiet => self.give_up_seat().await,
                End::Unseated => {
                    self.seat = None;
                    self.lookout.call();
                }
                End::Blind => {
                    info!(
                        "this backend does not show which workers are present: a dead worker's jobs come back when \
                         their leases end"
                    );
                    self.give_up_seat().await;
                    return std::future::pending().await;
                }
            }
        }
    }

    /// Stands for election as long as there is something to watch.
    async fn stand(&mut self) -> bool {
        let mut quiet_at = Instant::now() + self.linger();
        let mut pause = ELECT_AGAIN;
        let mut tries = 0;
        while Instant::now() < quiet_at {
            if self.elect().await {
                return true;
            }
            let again_at = Instant::now() + pause.mul_f64(0.5 + 0.5 * chance());
            if timeout_at(again_at, self.lookout.called()).await.is_ok() {
                quiet_at = Instant::now() + self.linger();
                sleep_until(again_at).await;
            }
            tries += 1;
            if tries > QUICK_TRIES {
                pause = (pause * 2).min(ELECT_EVERY);
            }
        }
        false
    }

    fn linger(&self) -> Duration {
        self.lease_ttl + QUIET_MARGIN
    }

    /// Gives the seat up.
    pub(crate) async fn leave(mut self) {
        self.give_up_seat().await;
    }

    /// Takes a seat that is free.
    async fn elect(&mut self) -> bool {
        for number in 0..WATCHERS {
            let lock = lock_name(&format!("watcher-{number}"), &self.topics);
            let acquired = self.backend.acquire(&lock, LOOK_EVERY + SEAT_MARGIN);
            match timeout(ANSWER_TIME, acquired).await {
                Ok(Ok(Some(token))) => {
                    self.seat = Some(Seat { lock, token });
                    debug!("watching over the other workers");
                    return true;
                }
                Ok(Ok(None)) => {}
                Ok(Err(problem)) => {
                    debug!(%problem, "could not find out who watches over the workers");
                    return false;
                }
                Err(_) => return false,
            }
        }
        false
    }

    async fn give_up_seat(&mut self) {
        if let Some(seat) = self.seat.take()
            && !matches!(
                timeout(ANSWER_TIME, self.backend.release(&seat.lock, seat.token)).await,
                Ok(Ok(_))
            )
        {
            debug!("the watcher's lock is left to its end");
        }
    }

    async fn watch(&mut self) -> End {
        let mut now = Instant::now();
        // What was missed while this process did not look says nothing; what it does not trust stays so.
        self.watch.forget();
        let mut quiet_at = now + self.linger();
        loop {
            let every = match self.look().await {
                Ok(None) => return End::Blind,
                Ok(Some(sight)) => {
                    now = Instant::now();
                    if let Some(broke_at) = self.lookout.broke_at() {
                        self.watch.lost_sight(broke_at);
                    }
                    let others = sight.others;
                    let gone = self.watch.saw(sight, now);
                    self.reclaim(&gone).await;
                    if others {
                        quiet_at = now + self.linger();
                        LOOK_EVERY
                    } else {
                        LOOK_IN_QUIET_EVERY
                    }
                }
                Err(problem) => {
                    debug!(%problem, "could not look which workers are present");
                    now = Instant::now();
                    self.watch.lost_sight(now);
                    LOOK_EVERY
                }
            };
            if !self.keep_seat(every + SEAT_MARGIN).await {
                return End::Unseated;
            }
            let regular = now + every;
            let look_at = self
                .watch
                .next_end_of_grace()
                .map_or(regular, |end| end.max(now).min(regular));
            tokio::select! {
                biased;
                () = sleep_until(look_at) => {}
                () = self.lookout.called() => {
                    quiet_at = Instant::now() + self.linger();
                    sleep_until(look_at).await;
                }
            }
            if Instant::now() >= quiet_at {
                return End::Quiet;
            }
        }
    }

    async fn look(&self) -> Result<Option<Sight>, String> {
        match timeout(ANSWER_TIME, self.backend.look(&self.worker, &self.topics)).await {
            Ok(Ok(sight)) => Ok(sight),
            Ok(Err(problem)) => Err(problem.to_string()),
            Err(_) => Err(format!("no answer within {ANSWER_TIME:?}")),
        }
    }

    async fn reclaim(&self, gone: &[AbsentLease]) {
        if gone.is_empty() {
            return;
        }
        match timeout(ANSWER_TIME, self.backend.reclaim(gone)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(jobs)) => warn!(jobs, "workers are gone: their jobs are reclaimed"),
            Ok(Err(problem)) => {
                warn!(%problem, "could not reclaim the jobs of workers that are gone; trying again")
            }
            Err(_) => warn!("could not reclaim the jobs of workers that are gone in time; trying again"),
        }
    }

    async fn keep_seat(&self, time: Duration) -> bool {
        let Some(seat) = &self.seat else { return false };
        let renewed = self.backend.renew(&seat.lock, seat.token, time);
        // Watching without the lock does no harm, so an error is no reason to stop.
        !matches!(timeout(ANSWER_TIME, renewed).await, Ok(Ok(false)))
    }
}
