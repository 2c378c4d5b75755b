//! Where heart and presence run: on a thread of their own, with a runtime and a connection of their own.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use oqron_core::{Consume, WorkerInfo};
use tokio::runtime::{self, Handle};
use tokio::sync::{mpsc, oneshot, watch};

use crate::Error;
use crate::attempt::TopicShared;
use crate::heart::{Heart, ToHeart};
use crate::inbox::Inboxes;
use crate::lookout::Lookout;
use crate::presence::PresenceKeeper;
use crate::report::Bell;
use crate::watchdog::Watchdog;
use crate::watcher::Watcher;

/// Opens a connection to the backend. Connections belong to the tokio runtime that made them, and a worker's runtime
/// needs two.
pub type Connector =
    Arc<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Consume>, oqron_core::Error>> + Send + Sync>;

/// Where the heart beats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing that the program does can stop it.
    #[default]
    OwnThread,
    /// For tests with paused time.
    SameRuntime,
}

/// What heart and presence need.
pub(crate) struct Vitals {
    pub(crate) connector: Connector,
    pub(crate) worker: WorkerInfo,
    pub(crate) topics: Vec<Arc<TopicShared>>,
    pub(crate) inboxes: Arc<Inboxes>,
    pub(crate) bell: Arc<Bell>,
    pub(crate) lookout: Arc<Lookout>,
    /// Whether this process watches over the others.
    pub(crate) watches: bool,
    pub(crate) presence_grace: Duration,
    pub(crate) to_heart: mpsc::Sender<ToHeart>,
    pub(crate) heart_inbox: mpsc::Receiver<ToHeart>,
}

/// Heart and presence under way. Dropping it ends them without a goodbye: the others see a death.
pub(crate) struct Alive {
    leave: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl Vitals {
    /// Connects and joins.
    pub(crate) async fn start(self, place: Place) -> Result<Alive, Error> {
        let (ready, is_ready) = oneshot::channel();
        let (leave, until_leave) = oneshot::channel();
        let (end, ended) = oneshot::channel::<()>();
        match place {
            Place::OwnThread => {
                let watchdog = Watchdog::new(Handle::current());
                let runtime = runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .map_err(|error| broken(&error))?;
                std::thread::Builder::new()
                    .name("oqron-heart".into())
                    .spawn(move || {
                        runtime.block_on(self.run(Some(watchdog), ready, until_leave));
                        drop(end);
                    })
                    .map_err(|error| broken(&error))?;
            }
            Place::SameRuntime => {
                tokio::spawn(async move {
                    self.run(None, ready, until_leave).await;
                    drop(end);
                });
            }
        }
        is_ready
            .await
            .unwrap_or_else(|_| Err(broken(&"it panicked while it started")))?;
        Ok(Alive { leave, ended })
    }

    async fn run(
        self,
        watchdog: Option<Watchdog>,
        ready: oneshot::Sender<Result<(), Error>>,
        mut until_leave: oneshot::Receiver<()>,
    ) {
        let (holds_any, is_busy) = watch::channel(false);
        let joined = async {
            let backend = (self.connector)().await?;
            let presence = PresenceKeeper::join(
                Arc::clone(&backend),
                self.worker.clone(),
                self.inboxes,
                self.to_heart,
                is_busy,
                Arc::clone(&self.lookout),
            );
            Ok((Arc::clone(&backend), presence.await?))
        };
        let (backend, mut presence) = match joined.await {
            Ok(joined) => joined,
            Err(error) => {
                // Who started this may have gone.
                let _ = ready.send(Err(Error::Core(error)));
                return;
            }
        };
        if ready.send(Ok(())).is_err() {
            return;
        }
        let longest = self.topics.iter().map(|shared| shared.options.lock_ttl).max();
        let mut watcher = self.watches.then(|| {
            Watcher::new(
                Arc::clone(&backend),
                self.worker.id,
                self.worker.topics,
                self.lookout,
                self.presence_grace,
                longest.unwrap_or_default(),
            )
        });
        let heart = Heart::new(
            backend,
            self.topics,
            self.bell,
            watchdog,
            holds_any,
            self.presence_grace,
        );
        let says_goodbye = tokio::select! {
            biased;
            () = heart.run(self.heart_inbox) => false,
            () = presence.keep() => false,
            () = watch(watcher.as_mut()) => false,
            end = &mut until_leave => end.is_ok(),
        };
        if says_goodbye {
            let watcher = async {
                if let Some(watcher) = watcher {
                    watcher.leave().await;
                }
            };
            futures::future::join(watcher, presence.leave()).await;
        }
    }
}

/// Never returns.
async fn watch(watcher: Option<&mut Watcher>) {
    match watcher {
        Some(watcher) => watcher.run().await,
        None => std::future::pending().await,
    }
}

impl Alive {
    /// Resolves only if they end before [`leave`](Self::leave).
    ///
    /// # Cancel safety
    /// Yes.
    pub(crate) async fn ended(&mut self) -> Error {
        // The other end is dropped when they end, also by a panic.
        let _ = (&mut self.ended).await;
        broken(&"it panicked, or its thread was ended")
    }

    /// Says goodbye, and waits for the end.
    pub(crate) async fn leave(self) {
        if self.leave.send(()).is_ok() {
            let _ = self.ended.await;
        }
    }
}

fn broken(problem: &dyn std::fmt::Display) -> Error {
    Error::Broken {
        part: "the heart",
        problem: problem.to_string(),
    }
}
