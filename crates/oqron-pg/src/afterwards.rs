//! What a turn leaves to be done while the jobs that it brought already run.

use std::sync::Mutex;
use std::time::Instant;

use tokio::task::JoinSet;

use crate::consume::{PgConsume, lock};
use crate::database::Connection;
use crate::wait::Registering;
use crate::wake::Wake;

/// Tasks under way at most. Each ends within the call timeout; whoever finds no place waits for its own.
const TASKS_MAX: usize = 64;

/// Tasks of calls that have been answered. They end with the adapter.
#[derive(Default)]
pub(crate) struct Afterwards(Mutex<JoinSet<()>>);

impl Afterwards {
    /// Gives the task back if too many are under way.
    fn spawn<T: Future<Output = ()> + Send + 'static>(&self, task: T) -> Result<(), T> {
        let mut tasks = lock(&self.0);
        while tasks.try_join_next().is_some() {}
        if tasks.len() >= TASKS_MAX {
            return Err(task);
        }
        tasks.spawn(task);
        Ok(())
    }
}

/// Hints to others and to oneself. A lost one costs time and never a job.
pub(crate) struct Hints {
    pub(crate) topic: i32,
    pub(crate) wake: Option<Wake>,
    /// For leases that another worker should know of.
    pub(crate) leases: Option<Wake>,
    /// Of the worker that came up short.
    pub(crate) waits: Option<Registering>,
}

impl Hints {
    fn is_nothing(&self) -> bool {
        self.wake.is_none() && self.leases.is_none() && self.waits.is_none()
    }
}

impl PgConsume {
    /// Another worker is woken for leases that nobody else knows of, if that is owed.
    pub(crate) fn owed_for_leases(&self, topic: i32) -> Option<Wake> {
        let now = Instant::now();
        self.memory.of_topic(topic, |memory| memory.untold.due(now))
    }

    pub(crate) async fn hint(&self, connection: &Connection<'_>, hints: Hints) {
        for wake in hints.wake.into_iter().chain(hints.leases) {
            self.database.wake(connection, hints.topic, wake).await;
        }
        if let Some(registering) = hints.waits {
            self.register(connection, registering).await;
        }
    }

    /// Gives the hints in a task of their own, which holds up no job.
    pub(crate) async fn hint_afterwards(&self, hints: Hints) {
        if hints.is_nothing() {
            return;
        }
        let consume = self.clone();
        let task = async move {
            match consume.database.connection("wake and wait").await {
                Ok(connection) => consume.hint(&connection, hints).await,
                Err(error) => {
                    hints
                        .waits
                        .into_iter()
                        .for_each(|waits| consume.forget_registering(waits));
                    tracing::debug!(%error, "no hints were given; the safety poll will do");
                }
            }
        };
        if let Err(task) = self.memory.afterwards.spawn(task) {
            task.await;
        }
    }
}
