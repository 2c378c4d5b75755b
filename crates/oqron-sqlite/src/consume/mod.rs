//! What a compute node needs: presence, turns, heartbeats, a look at who is gone, sweeps, locks.

mod claim;
mod due;
mod heartbeat;
mod locks;
mod presence;
mod requeue;
mod settle;
mod sight;
mod stall;
mod sweep;
mod turn;
mod unreadable;
mod wait;

use std::time::Duration;

use async_trait::async_trait;
use oqron_core::{
    AbsentLease, Config, Consume, Error, Heartbeat, LockName, Locks, Presence, Sight, Swept, Token,
    TopicName, Turn, Turned, Verdict, WorkerId, WorkerInfo,
};
use rusqlite::params;

use crate::error::Failed;
use crate::file::Handle;
use crate::step::Step;

/// Consuming from a SQLite file. Cheap to clone; all adapters of a process on one file share its threads.
#[derive(Clone, Debug)]
pub struct SqliteConsume {
    handle: Handle,
}

impl SqliteConsume {
    /// Opens the file of `config.url`, and makes it, with its schema, where it is not there yet. The folder must exist.
    /// After a reboot of the machine this ends every lease.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a URL that does not do, a folder that is missing, a network file system, or a file of
    /// another program; [`Error::SchemaTooNew`]; [`Error::AccessDenied`]; [`Error::Corrupt`] for a file that is no
    /// SQLite database; [`Error::Unavailable`] while another process keeps it locked.
    ///
    /// # Cancel safety
    /// Dropping the future lets the opening go on in the background, without an effect on the jobs.
    pub async fn connect(config: &Config) -> Result<Self, Error> {
        let handle = Handle::connect(config).await?;
        Ok(Self { handle })
    }
}

#[async_trait]
impl Consume for SqliteConsume {
    async fn join(&self, worker: &WorkerInfo) -> Result<Box<dyn Presence>, Error> {
        let presence = presence::join(&self.handle, worker).await?;
        Ok(Box::new(presence))
    }

    async fn turn(&self, turn: &Turn<'_>) -> Result<Turned, Error> {
        turn::turn(&self.handle, turn).await
    }

    async fn heartbeat(&self, heartbeat: &Heartbeat<'_>) -> Result<Vec<Verdict>, Error> {
        heartbeat::heartbeat(&self.handle, heartbeat).await
    }

    async fn look(&self, worker: &WorkerId, topics: &[TopicName]) -> Result<Option<Sight>, Error> {
        sight::look(&self.handle, worker, topics).await
    }

    async fn reclaim(&self, leases: &[AbsentLease]) -> Result<u32, Error> {
        sight::reclaim(&self.handle, leases).await
    }

    async fn sweep(&self, topic: &TopicName) -> Result<Swept, Error> {
        sweep::sweep(&self.handle, topic).await
    }
}

#[async_trait]
impl Locks for SqliteConsume {
    async fn acquire(&self, name: &LockName, ttl: Duration) -> Result<Option<Token>, Error> {
        locks::acquire(&self.handle, name, ttl).await
    }

    async fn renew(&self, name: &LockName, token: Token, ttl: Duration) -> Result<bool, Error> {
        locks::renew(&self.handle, name, token, ttl).await
    }

    async fn release(&self, name: &LockName, token: Token) -> Result<bool, Error> {
        locks::release(&self.handle, name, token).await
    }
}

/// A turn notes that its worker was heard of, when the last note is at least this old: the busiest take thousands a second.
const NOTE_TURNS_EVERY_MS: i64 = 5_000;

/// Notes that a worker was heard of, unless it was less than `at_least_after_ms` ago.
fn note_seen(
    step: &Step<'_>,
    namespace: i64,
    worker: &WorkerId,
    at_least_after_ms: i64,
) -> Result<(), Failed> {
    let now = step.now.wall.as_millis();
    step.connection
        .prepare_cached(include_str!("../sql/consume/note_seen.sql"))?
        .execute(params![namespace, worker.as_str(), now, now - at_least_after_ms])?;
    Ok(())
}
