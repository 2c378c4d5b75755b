//! Keeps the worker present: hands its messages on, and joins again when the connection breaks.

use std::sync::Arc;
use std::time::Duration;

use oqron_core::{Consume, Error, Message, Presence, WorkerInfo};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::heart::ToHeart;
use crate::inbox::Inboxes;
use crate::lookout::Lookout;
use crate::pulse::Pulse;

/// For the goodbye.
const LEAVE_TIME: Duration = Duration::from_secs(1);
/// For the answer to a ping.
const PING_TIME: Duration = Duration::from_secs(5);

pub(crate) struct PresenceKeeper {
    backend: Arc<dyn Consume>,
    worker: WorkerInfo,
    inboxes: Arc<Inboxes>,
    heart: mpsc::Sender<ToHeart>,
    /// Whether this process holds leases.
    is_busy: watch::Receiver<bool>,
    pulse: Pulse,
    lookout: Arc<Lookout>,
    current: Option<Box<dyn Presence>>,
}

impl PresenceKeeper {
    /// Joins for the first time, when a failure is an error of the start.
    pub(crate) async fn join(
        backend: Arc<dyn Consume>,
        worker: WorkerInfo,
        inboxes: Arc<Inboxes>,
        heart: mpsc::Sender<ToHeart>,
        is_busy: watch::Receiver<bool>,
        lookout: Arc<Lookout>,
    ) -> Result<Self, Error> {
        let presence = backend.join(&worker).await?;
        inboxes.set_channel(presence.wakes());
        if !presence.is_seen() {
            info!(
                "the others cannot see whether this worker is present: its jobs come back when their leases end"
            );
        }
        Ok(Self {
            backend,
            worker,
            inboxes,
            heart,
            is_busy,
            pulse: Pulse::new(Instant::now()),
            lookout,
            current: Some(presence),
        })
    }

    /// Runs until it is dropped.
    ///
    /// # Cancel safety
    /// Dropping the future loses no message that [`leave`](Self::leave) would need.
    pub(crate) async fn keep(&mut self) {
        let mut backoff = Backoff::default();
        loop {
            let Some(presence) = &mut self.current else {
                sleep(backoff.next()).await;
                if self.rejoin(backoff.failures()).await {
                    // However often it breaks, the first tries come within the grace of the others.
                    backoff.reset();
                }
                continue;
            };
            let broke = tokio::select! {
                biased;
                message = presence.next() => match message {
                    Ok(Message::Wake(topic)) => {
                        self.inboxes.wake(&topic);
                        continue;
                    }
                    Ok(Message::Cancel(job)) => {
                        self.tell(ToHeart::Cancel(job)).await;
                        continue;
                    }
                    Ok(_) => continue,
                    Err(problem) => problem,
                },
                // Without a heart the runtime ends anyway.
                Ok(()) = self.is_busy.changed() => {
                    self.pulse.set_busy(*self.is_busy.borrow_and_update(), Instant::now());
                    continue;
                }
                () = sleep_until(self.pulse.ping_at()) => {
                    self.pulse.asked(Instant::now());
                    match ping(presence.as_mut()).await {
                        Ok(()) => continue,
                        Err(problem) => problem,
                    }
                }
            };
            warn!(problem = %broke, "the presence of this worker broke; joining again, and taking no jobs until then");
            self.inboxes.set_missed(presence.is_seen());
            self.current = None;
            self.inboxes.set_channel(false);
            self.lookout.broke();
            self.tell(ToHeart::PresenceBroke).await;
        }
    }

    async fn rejoin(&mut self, tries: u32) -> bool {
        match self.backend.join(&self.worker).await {
            Ok(presence) => {
                info!("this worker is present again");
                self.pulse.asked(Instant::now());
                self.inboxes.set_missed(false);
                self.inboxes.set_channel(presence.wakes());
                self.current = Some(presence);
                self.tell(ToHeart::PresentAgain).await;
                true
            }
            Err(problem) => {
                if tries % 10 == 1 {
                    warn!(%problem, tries, "joining again did not succeed; trying on");
                }
                false
            }
        }
    }

    async fn tell(&mut self, message: ToHeart) {
        // Without a heart the runtime ends anyway.
        let _ = self.heart.send(message).await;
    }

    /// Says goodbye.
    pub(crate) async fn leave(self) {
        let Some(presence) = self.current else { return };
        match timeout(LEAVE_TIME, presence.leave()).await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => warn!(%problem, "this worker could not say goodbye"),
            Err(_) => warn!("this worker could not say goodbye in time"),
        }
    }
}

async fn ping(presence: &mut dyn Presence) -> Result<(), Error> {
    timeout(PING_TIME, presence.ping()).await.unwrap_or_else(|_| {
        Err(Error::Timeout {
            backend: "the backend".into(),
            action: "ask the presence for a sign of life",
            after: PING_TIME,
        })
    })
}
