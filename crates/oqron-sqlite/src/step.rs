//! What a command sees while it runs: the connection inside a transaction, the time, the numbers of names, and the
//! letters that go out after the commit.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use oqron_core::{JobId, Namespace, TopicName};
use rusqlite::{Connection, OptionalExtension, params};

use crate::clock::Now;
use crate::error::Failed;
use crate::notice::{Letter, Notice};

/// A topic and its number in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) number: i64,
    pub(crate) namespace: i64,
    pub(crate) name: TopicName,
}

/// Numbers that were looked up. Rows of names are never removed, so a number holds for good once it is committed.
#[derive(Default)]
pub(crate) struct Numbers {
    namespaces: HashMap<Namespace, i64>,
    topics: HashMap<(Namespace, TopicName), Topic>,
}

/// A waiter that is late by so much is not counted on.
#[cfg(any(feature = "publish", feature = "consume"))]
pub(crate) const OVERDUE_AFTER_MS: i64 = 5_000;

/// One transaction's view.
pub(crate) struct Step<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) now: Now,
    numbers: &'a RefCell<Numbers>,
    outbox: RefCell<Vec<Letter>>,
    ends: Cell<i64>,
}

impl<'a> Step<'a> {
    pub(crate) fn new(connection: &'a Connection, numbers: &'a RefCell<Numbers>) -> Self {
        Self {
            connection,
            now: Now::read(),
            numbers,
            outbox: RefCell::default(),
            ends: Cell::new(0),
        }
    }

    pub(crate) fn into_outbox(self) -> Vec<Letter> {
        self.outbox.into_inner()
    }

    /// The number of a namespace, if it has one.
    pub(crate) fn known_namespace(&self, namespace: &Namespace) -> Result<Option<i64>, Failed> {
        if let Some(number) = self.numbers.borrow().namespaces.get(namespace) {
            return Ok(Some(*number));
        }
        let number: Option<i64> = self
            .connection
            .prepare_cached("SELECT id FROM namespaces WHERE name = ?1")?
            .query_row(params![namespace.as_str()], |row| row.get(0))
            .optional()?;
        if let Some(number) = number {
            self.numbers
                .borrow_mut()
                .namespaces
                .insert(namespace.clone(), number);
        }
        Ok(number)
    }

    /// The topic, if it was ever used.
    pub(crate) fn known_topic(
        &self,
        namespace: &Namespace,
        name: &TopicName,
    ) -> Result<Option<Topic>, Failed> {
        let key = (namespace.clone(), name.clone());
        if let Some(topic) = self.numbers.borrow().topics.get(&key) {
            return Ok(Some(topic.clone()));
        }
        let Some(namespace_number) = self.known_namespace(namespace)? else {
            return Ok(None);
        };
        let number: Option<i64> = self
            .connection
            .prepare_cached("SELECT id FROM topics WHERE namespace = ?1 AND name = ?2")?
            .query_row(params![namespace_number, name.as_str()], |row| row.get(0))
            .optional()?;
        Ok(number.map(|number| {
            let topic = Topic {
                number,
                namespace: namespace_number,
                name: name.clone(),
            };
            self.numbers.borrow_mut().topics.insert(key, topic.clone());
            topic
        }))
    }

    /// The number of a namespace, given out now if it has none.
    pub(crate) fn namespace(&self, namespace: &Namespace) -> Result<i64, Failed> {
        if let Some(number) = self.known_namespace(namespace)? {
            return Ok(number);
        }
        self.connection
            .prepare_cached("INSERT INTO namespaces (name) VALUES (?1)")?
            .execute(params![namespace.as_str()])?;
        Ok(self.connection.last_insert_rowid())
    }

    /// The topic, given a number now if it has none.
    pub(crate) fn topic(&self, namespace: &Namespace, name: &TopicName) -> Result<Topic, Failed> {
        if let Some(topic) = self.known_topic(namespace, name)? {
            return Ok(topic);
        }
        let namespace = self.namespace(namespace)?;
        self.connection
            .prepare_cached("INSERT INTO topics (namespace, name) VALUES (?1, ?2)")?
            .execute(params![namespace, name.as_str()])?;
        Ok(Topic {
            number: self.connection.last_insert_rowid(),
            namespace,
            name: name.clone(),
        })
    }

    /// Whether nothing of the topic is claimed until it is resumed.
    #[cfg(feature = "consume")]
    pub(crate) fn is_paused(&self, topic: &Topic) -> Result<bool, Failed> {
        Ok(self
            .connection
            .prepare_cached("SELECT paused FROM topics WHERE id = ?1")?
            .query_row(params![topic.number], |row| row.get(0))?)
    }

    /// The place of a job that ends now among all ends: by time, and by the order within this step.
    pub(crate) fn next_end(&self) -> i64 {
        self.ends.set(self.ends.get() + 1);
        self.now.wall_us.saturating_add(self.ends.get())
    }

    /// Wakes one waiter if a job is now scheduled before all that were, unless somebody comes back in time for it.
    /// `due_before` is when the first was due before this step.
    #[cfg(any(feature = "publish", feature = "consume"))]
    pub(crate) fn wake_for_earlier(&self, topic: &Topic, due_before: Option<i64>) -> Result<(), Failed> {
        let due: Option<i64> = self
            .connection
            .prepare_cached(include_str!("sql/next_scheduled.sql"))?
            .query_row(params![topic.number], |row| row.get(0))?;
        match due {
            Some(due)
                if due_before.is_none_or(|before| due < before)
                    && !self.somebody_comes("", topic, due)? =>
            {
                self.wake(topic, 1)
            }
            _ => Ok(()),
        }
    }

    /// Wakes one waiter unless one comes back by itself before leases of this worker end. It does not count itself: it is
    /// what may be dead by then.
    #[cfg(feature = "consume")]
    pub(crate) fn wake_for_leases(
        &self,
        topic: &Topic,
        worker: &oqron_core::WorkerId,
        end: oqron_core::Timestamp,
    ) -> Result<(), Failed> {
        match self.somebody_comes(worker.as_str(), topic, end.as_millis())? {
            true => Ok(()),
            false => self.wake_another(topic, worker),
        }
    }

    /// Whether a waiter that is not this one comes back by itself until this time of the wall clock.
    #[cfg(any(feature = "publish", feature = "consume"))]
    fn somebody_comes(&self, but: &str, topic: &Topic, until: i64) -> Result<bool, Failed> {
        let overdue = self.now.wall.as_millis() - OVERDUE_AFTER_MS;
        Ok(self
            .connection
            .prepare_cached(include_str!("sql/comes_back.sql"))?
            .query_row(params![topic.number, until, overdue, but], |row| row.get(0))?)
    }

    /// Wakes up to `count` of those who wait for a job of the topic, the longest waiting first. They are no waiters any
    /// more then, until their next claim.
    pub(crate) fn wake(&self, topic: &Topic, count: usize) -> Result<(), Failed> {
        self.wake_all_but("", topic, count)
    }

    /// Wakes one that is not this one: who has just claimed and left something behind can come back by itself.
    #[cfg(feature = "consume")]
    pub(crate) fn wake_another(&self, topic: &Topic, worker: &oqron_core::WorkerId) -> Result<(), Failed> {
        self.wake_all_but(worker.as_str(), topic, 1)
    }

    fn wake_all_but(&self, worker: &str, topic: &Topic, count: usize) -> Result<(), Failed> {
        if count == 0 {
            return Ok(());
        }
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let waiters: Vec<(i64, String)> = self
            .connection
            .prepare_cached(include_str!("sql/waiters.sql"))?
            .query_map(params![topic.number, topic.namespace, count, worker], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<Result<_, _>>()?;
        for (waiter, mailbox) in waiters {
            self.connection
                .prepare_cached("DELETE FROM waiters WHERE seq = ?1")?
                .execute(params![waiter])?;
            self.post(Letter {
                mailbox,
                notice: Notice::Wake(topic.name.clone()),
                wakes: Some(topic.number),
            });
        }
        Ok(())
    }

    /// Tells those who wait for the end of these jobs, also where the job is gone.
    pub(crate) fn tell_watchers<'b>(
        &self,
        topic: &Topic,
        ended: impl IntoIterator<Item = &'b str>,
    ) -> Result<(), Failed> {
        let mut ended = ended.into_iter().peekable();
        if ended.peek().is_none() {
            return Ok(());
        }
        let nobody_watches: bool = self
            .connection
            .prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM watchers WHERE topic = ?1)")?
            .query_row(params![topic.number], |row| row.get(0))?;
        if nobody_watches {
            return Ok(());
        }
        let mut take = self
            .connection
            .prepare_cached("DELETE FROM watchers WHERE topic = ?1 AND id = ?2 RETURNING mailbox")?;
        for id in ended {
            let mailboxes: Vec<String> = take
                .query_map(params![topic.number, id], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            // Nobody waits for what is no id.
            let Ok(id) = JobId::new(id) else { continue };
            for mailbox in mailboxes {
                self.post(Letter {
                    mailbox,
                    notice: Notice::Finished(vec![(topic.number, id.clone())]),
                    wakes: None,
                });
            }
        }
        Ok(())
    }

    /// Puts a letter aside until the commit.
    pub(crate) fn post(&self, letter: Letter) {
        self.outbox.borrow_mut().push(letter);
    }
}
