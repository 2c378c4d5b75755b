//! Keeps the worker present: hands its messages on, and joins again when the connection breaks.

use std::sync::Arc;
use std::time::Duration;

use oqron_core::{Consume, Error, Message, Presence, WorkerInfo};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::heart::ToHeart;
use crate::inbox::Inboxes;
use crate::lookout::Lookout;

/// For the goodbye.
const LEAVE_TIME: Duration = Duration::from_secs(1);

pub(crate) struct PresenceKeeper {
    backend: Arc<dyn Consume>,
    worker: WorkerInfo,
    inboxes: Arc<Inboxes>,
    heart: mpsc::Sender<ToHeart>,
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
            match presence.next().await {
                Ok(Message::Wake(topic)) => self.inboxes.wake(&topic),
                Ok(Message::Cancel(job)) => self.tell(ToHeart::Cancel(job)).await,
                Ok(_) => {}
                Err(problem) => {
                    warn!(%problem, "the presence of this worker broke; joining again, and taking no jobs until then");
                    self.inboxes.set_missed(presence.is_seen());
                    self.current = None;
                    self.inboxes.set_channel(false);
                    self.lookout.broke();
                    self.tell(ToHeart::PresenceBroke).await;
                }
            }
        }
    }

    async fn rejoin(&mut self, tries: u32) -> bool {
        match self.backend.join(&self.worker).await {
            Ok(presence) => {
                info!("this worker is present again");
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
