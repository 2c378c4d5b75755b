//! What a worker needs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use oqron_core::limits::SWEEP_JOBS_MAX;
use oqron_core::{
    AbsentLease, Config, Consume, Error, Heartbeat, Presence, Sight, Swept, TopicName, Turn, Turned, Verdict,
    WorkerId, WorkerInfo,
};

use crate::afterwards::Afterwards;
use crate::database::{Database, Param};
use crate::due::Due;
use crate::error::corrupt;
use crate::marks::Marks;
use crate::sight::Eyes;
use crate::statement::statement;
use crate::sweeps::Sweeps;
use crate::untold::Untold;
use crate::wait::Registrations;

statement!(SWEEP, "sql/consume/sweep.sql", [INT4, INT8, INT8, INT8, INT8]);
statement!(SWEEP_WORKERS, "sql/consume/sweep_workers.sql", [TEXT, INT4, INT8]);

/// Consumes from PostgreSQL. Cheap to clone; clones share their connections and what they remember of each topic.
#[derive(Clone, Debug)]
pub struct PgConsume {
    pub(crate) database: Arc<Database>,
    pub(crate) memory: Arc<Memory>,
}

/// What a process remembers between calls. Everything here is an accelerator: a process that has just started is right too.
#[derive(Default)]
pub(crate) struct Memory {
    topics: Mutex<HashMap<i32, TopicMemory>>,
    /// By worker and topic.
    pub(crate) heartbeats: Mutex<HashMap<(WorkerId, i32), crate::heartbeat::Mark>>,
    pub(crate) registrations: Registrations,
    pub(crate) eyes: Eyes,
    pub(crate) afterwards: Afterwards,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

pub(crate) struct TopicMemory {
    pub(crate) marks: Marks,
    pub(crate) due: Due,
    pub(crate) untold: Untold,
    sweeps: Sweeps,
}

impl Memory {
    /// Calls `with` with what is remembered of a topic.
    pub(crate) fn of_topic<T>(&self, topic: i32, with: impl FnOnce(&mut TopicMemory) -> T) -> T {
        let mut topics = lock(&self.topics);
        with(topics.entry(topic).or_insert_with(|| TopicMemory {
            marks: Marks::new(),
            due: Due::default(),
            untold: Untold::default(),
            sweeps: Sweeps::new(),
        }))
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PgConsume {
    /// Connects and brings the schema up to date.
    ///
    /// # Errors
    /// A URL that does not do, a server that cannot be reached, refuses access or is too old, a schema that is newer than
    /// this version of Oqron.
    pub async fn connect(config: &Config) -> Result<Self, Error> {
        let database = Box::pin(Database::open(config)).await?;
        crate::durability::warn(&database).await?;
        Ok(Self {
            database,
            memory: Arc::default(),
        })
    }
}

#[async_trait]
impl Consume for PgConsume {
    async fn join(&self, worker: &WorkerInfo) -> Result<Box<dyn Presence>, Error> {
        crate::presence::join(self, worker).await
    }

    async fn turn(&self, turn: &Turn<'_>) -> Result<Turned, Error> {
        crate::turn::turn(self, turn).await
    }

    async fn heartbeat(&self, heartbeat: &Heartbeat<'_>) -> Result<Vec<Verdict>, Error> {
        crate::heartbeat::heartbeat(self, heartbeat).await
    }

    async fn look(&self, worker: &WorkerId, topics: &[TopicName]) -> Result<Option<Sight>, Error> {
        crate::sight::look(self, worker, topics).await
    }

    async fn reclaim(&self, leases: &[AbsentLease]) -> Result<u32, Error> {
        crate::sight::reclaim(self, leases).await
    }

    async fn sweep(&self, topic: &TopicName) -> Result<Swept, Error> {
        let action = "sweep a topic";
        let topic = self.database.topic_made(action, topic).await?;
        let most = SWEEP_JOBS_MAX as i64;
        let began = Instant::now();
        let from = self.memory.of_topic(topic, |memory| memory.sweeps.from(began));
        let connection = self.database.connection(action).await?;
        let params: [Param<'_>; 5] = [&topic, &most, &from.expires_at, &from.seq, &from.kept_until];
        let rows = connection.query(&SWEEP, &params).await?;
        let row = rows
            .first()
            .ok_or_else(|| corrupt("answer to a sweep", "it is empty"))?;
        let read = |error| corrupt("answer to a sweep", error);
        let (records, ids): (i64, i64) = (row.try_get(0).map_err(read)?, row.try_get(1).map_err(read)?);
        let more: bool = row.try_get(2).map_err(read)?;
        let (expires_at, seq): (Option<i64>, Option<i64>) =
            (row.try_get(3).map_err(read)?, row.try_get(4).map_err(read)?);
        let kept_until = row.try_get(5).map_err(read)?;
        let now = Instant::now();
        let (took, removed) = (now - began, records.max(ids).unsigned_abs());
        let workers_are_due = self.memory.of_topic(topic, |memory| {
            let sweeps = &mut memory.sweeps;
            sweeps.swept(now, from, took, removed, expires_at.zip(seq), kept_until);
            !more && sweeps.workers_are_due(now)
        });
        if workers_are_due {
            let namespace = self.database.namespace.as_str();
            connection
                .query(&SWEEP_WORKERS, &[&namespace, &topic, &most])
                .await?;
        }
        Ok(Swept::new(u32::try_from(records).unwrap_or(u32::MAX), more))
    }
}
