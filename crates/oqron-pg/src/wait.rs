//! Registering as a waiter: only when a claim came up short, and only if this process does not believe to be registered.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use oqron_core::time::millis;
use oqron_core::{Error, WorkerId};

use crate::consume::{PgConsume, lock};
use crate::database::Connection;
use crate::marks::Ranges;
use crate::statement::statement;

statement!(WAIT, "sql/consume/wait.sql", [INT4, INT8, INT8, INT8]);
statement!(
    MISSED,
    "sql/consume/missed.sql",
    [INT4, INT4_ARRAY, INT8_ARRAY, INT4_ARRAY, INT8]
);

/// Those who wake believe a registration for a minute; it is renewed well before, by a worker that looks every 30 s.
const RENEW_AFTER: Duration = Duration::from_secs(25);

/// Who is present in this process, and what each waits for. One for the whole process: a worker joins over one connection
/// and takes its turns over another.
#[derive(Clone)]
pub(crate) struct Registrations {
    /// With the number of presences: a worker can join again before its last one is gone.
    present: Arc<Mutex<HashMap<WorkerId, (i64, u32)>>>,
    /// By topic and key of the presence, which has the namespace and the worker in it.
    waiting: Arc<Mutex<HashMap<(i32, i64), Registration>>>,
}

impl Default for Registrations {
    fn default() -> Self {
        static OF_THIS_PROCESS: LazyLock<Registrations> = LazyLock::new(|| Registrations {
            present: Arc::default(),
            waiting: Arc::default(),
        });
        OF_THIS_PROCESS.clone()
    }
}

#[derive(Clone, Copy)]
struct Registration {
    since: i64,
    made: Instant,
    due: Option<Instant>,
}

impl Registrations {
    pub(crate) fn present(&self, worker: WorkerId, key: i64) {
        lock(&self.present).entry(worker).or_insert((key, 0)).1 += 1;
    }

    pub(crate) fn absent(&self, worker: &WorkerId, key: i64) {
        let mut present = lock(&self.present);
        if let Some((_, presences)) = present.get_mut(worker) {
            *presences -= 1;
            if *presences > 0 {
                return;
            }
            present.remove(worker);
        }
        lock(&self.waiting).retain(|(_, waits), _| *waits != key);
    }

    /// The key of a worker's presence, if it has one.
    pub(crate) fn key_of(&self, worker: &WorkerId) -> Option<i64> {
        lock(&self.present).get(worker).map(|(key, _)| *key)
    }

    pub(crate) fn woken(&self, topic: i32, key: i64) {
        lock(&self.waiting).remove(&(topic, key));
    }
}

impl PgConsume {
    /// Registers the worker as a waiter of the topic. Without a presence nobody could wake it.
    pub(crate) async fn wait_for_wakeup(
        &self,
        connection: &Connection<'_>,
        topic: i32,
        worker: &WorkerId,
        due_in: Option<Duration>,
    ) {
        let registrations = &self.memory.registrations;
        let Some(key) = registrations.key_of(worker) else {
            return;
        };
        let now = Instant::now();
        let due = due_in.map(|due_in| now + due_in);
        let last = lock(&registrations.waiting).get(&(topic, key)).copied();
        // One that says a later time would not be woken for less; one that says an earlier time is woken too often.
        if let Some(last) = last
            && now < last.made + RENEW_AFTER
            && match (last.due, due) {
                (None, _) => true,
                (Some(last), Some(due)) => last + Duration::from_millis(50) >= due,
                (Some(_), None) => false,
            }
        {
            return;
        }
        if let Err(error) = self.register(connection, topic, key, last, due_in, due).await {
            tracing::debug!(%error, "not registered as a waiter; the safety poll will do");
        }
    }

    /// Wakes another worker for leases that nobody else knows of, if that is owed.
    pub(crate) async fn tell_of_leases(&self, connection: &Connection<'_>, topic: i32) {
        let now = Instant::now();
        let owed = self.memory.of_topic(topic, |memory| memory.untold.due(now));
        if let Some(wake) = owed {
            self.database.wake(connection, topic, wake).await;
        }
    }

    async fn register(
        &self,
        connection: &Connection<'_>,
        topic: i32,
        key: i64,
        last: Option<Registration>,
        due_in: Option<Duration>,
        due: Option<Instant>,
    ) -> Result<(), Error> {
        let due_at = due_in.map(|due_in| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            millis(now.saturating_add(due_in))
        });
        let last_since = last.map(|last| last.since);
        let waiting = &self.memory.registrations.waiting;
        // Remembered before it is made: a wake-up may be here before the answer, and ends it.
        let registration = Registration {
            since: last_since.unwrap_or(0),
            made: Instant::now(),
            due,
        };
        lock(waiting).insert((topic, key), registration);
        let registered = connection
            .query(&WAIT, &[&topic, &key, &due_at, &last_since])
            .await;
        let rows = registered.inspect_err(|_| {
            lock(waiting).remove(&(topic, key));
        })?;
        let since = rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or(0);
        if let Some(registration) = lock(waiting).get_mut(&(topic, key)) {
            registration.since = since;
        }
        // A job that was committed between the claim and the registration has woken nobody.
        let ranges: Ranges = self.memory.of_topic(topic, |memory| memory.marks.ranges());
        connection
            .query(
                &MISSED,
                &[
                    &topic,
                    &ranges.from_priority,
                    &ranges.from_seq,
                    &ranges.to_priority,
                    &due_at,
                ],
            )
            .await?;
        Ok(())
    }
}
