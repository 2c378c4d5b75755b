//! A runtime under way, and how it ends.

use std::time::Duration;

use oqron_core::WorkerId;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::Error;
use crate::heart::ToHeart;
use crate::topic::Phase;
use crate::vitals::Alive;

/// Between the signal of a shutdown and the end of the handlers' futures.
const STOP_TIME: Duration = Duration::from_secs(2);
/// For settling what is left, after that.
const SETTLE_TIME: Duration = Duration::from_secs(1);
/// For the goodbye, after that.
const LEAVE_TIME: Duration = Duration::from_secs(1);

/// A runtime under way. Dropping it aborts everything.
pub(crate) struct Running {
    pub(crate) worker: WorkerId,
    pub(crate) grace: Duration,
    pub(crate) alive: Alive,
    pub(crate) heart: mpsc::Sender<ToHeart>,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) tasks: JoinSet<Result<(), Error>>,
    pub(crate) sweeping: JoinSet<()>,
    pub(crate) stop_sweeping: CancellationToken,
}

impl Running {
    /// Resolves only when a part ended that should not.
    pub(crate) async fn broken(&mut self) -> Error {
        tokio::select! {
            biased;
            Some(joined) = self.tasks.join_next() => match outcome(joined) {
                Ok(()) => Error::Broken { part: "a topic's task", problem: "it returned".into() },
                Err(error) => error,
            },
            error = self.alive.ended() => error,
        }
    }

    /// From "no more jobs" to "nothing runs".
    pub(crate) async fn stop(&mut self) -> Result<(), Error> {
        self.stop_sweeping.cancel();
        self.phase.send_replace(Phase::Draining);
        if let Ok(drained) = timeout(self.grace, self.drained()).await {
            return drained;
        }
        info!(grace = ?self.grace, "the grace is over: running handlers are told to stop");
        let cut_after = STOP_TIME;
        let told = self.heart.send(ToHeart::ShutDown { cut_after }).await;
        if told.is_err() {
            return Err(self.alive.ended().await);
        }
        if let Ok(drained) = timeout(STOP_TIME + SETTLE_TIME, self.drained()).await {
            return drained;
        }
        self.phase.send_replace(Phase::Abandoning);
        self.drained().await
    }

    /// # Cancel safety
    /// Yes.
    async fn drained(&mut self) -> Result<(), Error> {
        while !self.tasks.is_empty() {
            tokio::select! {
                biased;
                Some(joined) = self.tasks.join_next() => outcome(joined)?,
                error = self.alive.ended() => return Err(error),
            }
        }
        Ok(())
    }

    /// Says goodbye, if somebody hears it.
    pub(crate) async fn leave(self) {
        let Self {
            mut sweeping, alive, ..
        } = self;
        let swept = async { while sweeping.join_next().await.is_some() {} };
        match timeout(LEAVE_TIME, futures::future::join(swept, alive.leave())).await {
            Ok(_) => debug!("left"),
            Err(_) => warn!("this worker could not say goodbye in time"),
        }
    }
}

fn outcome(joined: Result<Result<(), Error>, JoinError>) -> Result<(), Error> {
    joined.unwrap_or_else(|error| {
        Err(Error::Broken {
            part: "a topic's task",
            problem: error.to_string(),
        })
    })
}
