//! The presence of a worker: a listening connection that holds an advisory lock. Its end frees the lock, and others see it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oqron_core::{Error, JobId, JobRef, Message, Presence, TopicName, WorkerId, WorkerInfo};

use crate::consume::{Memory, PgConsume};
use crate::database::Database;
use crate::error::corrupt;
use crate::listen::Listening;
use crate::statement::statement;

statement!(JOIN, "sql/consume/join.sql", [TEXT, TEXT, TEXT, BOOL]);
statement!(PRESENCE_KEY, "sql/consume/presence_key.sql", [TEXT, TEXT]);
statement!(LEAVE, "sql/consume/leave.sql", [TEXT, TEXT, INT8]);
statement!(TOPIC_NAME, "sql/consume/topic_name.sql", [INT4]);

/// Where no connection shows the presence, the worker says that it lives this often.
const SEEN_EVERY: Duration = Duration::from_secs(30);

pub(crate) async fn join(consume: &PgConsume, worker: &WorkerInfo) -> Result<Box<dyn Presence>, Error> {
    let database = consume.database.clone();
    let info = crate::settle::json(worker);
    let key = presence_key(&database, &worker.id).await?;
    if !database.prepared {
        consume.memory.eyes.say_unseen();
        make_known(&database, &worker.id, &info, Seen::Never).await?;
        return Ok(Box::new(Unconnected {
            database,
            worker: worker.id.clone(),
            info,
            key,
        }));
    }
    let setup = format!(
        "select pg_advisory_lock_shared({key}); listen \"oqron_{key:x}\"; set application_name = 'oqron worker'"
    );
    let listening = Listening::open(&database, &setup).await?;
    make_known(&database, &worker.id, &info, Seen::ByItsLock).await?;
    consume.memory.registrations.present(worker.id.clone(), key);
    Ok(Box::new(Connected {
        listening,
        unread: None,
        seat: Seat {
            database,
            memory: consume.memory.clone(),
            worker: worker.id.clone(),
            key,
        },
    }))
}

/// Whether others can see the end of a presence.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    ByItsLock,
    Never,
}

async fn make_known(database: &Database, worker: &WorkerId, info: &str, seen: Seen) -> Result<(), Error> {
    let (namespace, visible) = (database.namespace.as_str(), seen == Seen::ByItsLock);
    database
        .query("join", &JOIN, &[&namespace, &worker.as_str(), &info, &visible])
        .await
        .map(drop)
}

async fn presence_key(database: &Database, worker: &WorkerId) -> Result<i64, Error> {
    let namespace = database.namespace.as_str();
    let rows = database
        .query("join", &PRESENCE_KEY, &[&namespace, &worker.as_str()])
        .await?;
    rows.first()
        .ok_or_else(|| corrupt("answer to a join", "it is empty"))?
        .try_get("key")
        .map_err(|error| corrupt("answer to a join", error))
}

async fn forget(database: &Database, worker: &WorkerId, key: i64) -> Result<(), Error> {
    let namespace = database.namespace.as_str();
    database
        .query("leave", &LEAVE, &[&namespace, &worker.as_str(), &key])
        .await
        .map(drop)
}

/// A present worker's place in the process. Without it nobody registers as a waiter.
struct Seat {
    database: Arc<Database>,
    memory: Arc<Memory>,
    worker: WorkerId,
    key: i64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.memory.registrations.absent(&self.worker, self.key);
    }
}

struct Connected {
    listening: Listening,
    /// Received, and not yet handed over.
    unread: Option<String>,
    seat: Seat,
}

impl Connected {
    async fn topic(&self, number: i32) -> Result<Option<TopicName>, Error> {
        let database = &self.seat.database;
        if let Some(name) = database.topics.name_of(number) {
            return Ok(Some(name));
        }
        let rows = database.query("read a topic", &TOPIC_NAME, &[&number]).await?;
        rows.first()
            .map(|row| {
                let name: &str = row.try_get(0).map_err(|error| corrupt("topic", error))?;
                TopicName::new(name)
            })
            .transpose()
    }

    async fn read(&self, payload: &str) -> Result<Option<Message>, Error> {
        if let Some(number) = payload.strip_prefix("w:").and_then(|number| number.parse().ok()) {
            self.seat.memory.registrations.woken(number, self.seat.key);
            return Ok(self.topic(number).await?.map(Message::Wake));
        }
        let cancel = payload.strip_prefix("c:").and_then(|rest| rest.split_once(':'));
        if let Some((number, id)) = cancel
            && let (Ok(number), Ok(id)) = (number.parse(), JobId::new(id))
        {
            let topic = self.topic(number).await?;
            return Ok(topic.map(|topic| Message::Cancel(JobRef::new(topic, id))));
        }
        tracing::debug!(payload, "a notification that is none of Oqron's");
        Ok(None)
    }
}

#[async_trait]
impl Presence for Connected {
    async fn next(&mut self) -> Result<Message, Error> {
        loop {
            if self.unread.is_none() {
                let Some(payload) = self.listening.next().await else {
                    let attempt = self.seat.database.attempt("listen for wake-ups");
                    return Err(attempt.unavailable("the listening connection is gone"));
                };
                self.unread = Some(payload);
            }
            let payload = self.unread.clone().unwrap_or_default();
            let message = self.read(&payload).await;
            self.unread = None;
            if let Some(message) = message? {
                return Ok(message);
            }
        }
    }

    /// TCP keepalive does not notice a dead connection where a proxy, a NAT or a frozen host acknowledges packets.
    async fn ping(&mut self) -> Result<(), Error> {
        self.listening.ping(&self.seat.database).await
    }

    async fn leave(self: Box<Self>) -> Result<(), Error> {
        forget(&self.seat.database, &self.seat.worker, self.seat.key).await
    }
}

/// Behind a transaction pooler: no connection is the worker's own, so nothing can be sent to it.
struct Unconnected {
    database: Arc<Database>,
    worker: WorkerId,
    info: String,
    key: i64,
}

#[async_trait]
impl Presence for Unconnected {
    async fn next(&mut self) -> Result<Message, Error> {
        loop {
            tokio::time::sleep(SEEN_EVERY).await;
            make_known(&self.database, &self.worker, &self.info, Seen::Never).await?;
        }
    }

    fn is_seen(&self) -> bool {
        false
    }

    fn wakes(&self) -> bool {
        false
    }

    async fn leave(self: Box<Self>) -> Result<(), Error> {
        forget(&self.database, &self.worker, self.key).await
    }
}
