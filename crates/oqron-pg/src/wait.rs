//! Registering as a waiter: only when a claim came up short, and only if this process does not believe to be registered.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use oqron_core::time::millis;
use oqron_core::{Error, WorkerId};
use tokio_postgres::Row;

use crate::consume::{PgConsume, lock};
use crate::database::{Connection, Param};
use crate::marks::Ranges;
use crate::statement::statement;

statement!(WAIT, "sql/consume/wait.sql", [INT4, INT8, INT8, INT8]);
statement!(
    MISSED,
    "sql/consume/missed.sql",
    [INT4, INT4_ARRAY, INT8_ARRAY, INT4_ARRAY, INT8]
);

/// Those who wake believe a registration for 90 s; it is renewed well before, by every second look of a worker that looks every
/// 30 s.
const RENEW_AFTER: Duration = Duration::from_secs(55);
/// Until then the last one was believed without a break.
const BELIEVED_FOR: Duration = Duration::from_secs(85);

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

/// A registration that is remembered already and has to be made.
#[derive(Clone, Copy)]
pub(crate) struct Registering {
    topic: i32,
    key: i64,
    /// Of the last registration, which this one replaces.
    last_since: Option<i64>,
    /// By the wall clock, in milliseconds.
    due_at: Option<i64>,
    /// The last one is right and still believed, so nothing can have been missed.
    goes_on: bool,
}

/// Its time, and whether the last one was still there.
fn read(registered: &[Row]) -> (i64, bool) {
    let row = registered.first();
    let since = row.and_then(|row| row.try_get(0).ok()).unwrap_or(0);
    (since, row.and_then(|row| row.try_get(1).ok()).unwrap_or(false))
}

impl PgConsume {
    /// What has to be registered for a worker that came up short, if it is not registered already. Without a presence nobody
    /// could wake it. It is remembered from now on: a wake-up may be here before the answer, and ends it.
    pub(crate) fn registering(
        &self,
        topic: i32,
        worker: &WorkerId,
        due_in: Option<Duration>,
    ) -> Option<Registering> {
        let registrations = &self.memory.registrations;
        let key = registrations.key_of(worker)?;
        let now = Instant::now();
        let due = due_in.map(|due_in| now + due_in);
        let mut waiting = lock(&registrations.waiting);
        let last = waiting.get(&(topic, key)).copied();
        // One that says a later time would not be woken for less; one that says an earlier time is woken too often.
        let last_is_right = last.is_some_and(|last| match (last.due, due) {
            (None, _) => true,
            (Some(last), Some(due)) => last + Duration::from_millis(50) >= due,
            (Some(_), None) => false,
        });
        let made = last.filter(|_| last_is_right).map(|last| last.made);
        if made.is_some_and(|made| now < made + RENEW_AFTER) {
            return None;
        }
        let last_since = last.map(|last| last.since);
        let registration = Registration {
            since: last_since.unwrap_or(0),
            made: now,
            due,
        };
        waiting.insert((topic, key), registration);
        let due_at = due_in.map(|due_in| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            millis(now.saturating_add(due_in))
        });
        Some(Registering {
            topic,
            key,
            last_since,
            due_at,
            goes_on: made.is_some_and(|made| now < made + BELIEVED_FOR),
        })
    }

    /// Registers a waiter. A lost registration costs time and never a job.
    pub(crate) async fn register(&self, connection: &Connection<'_>, registering: Registering) {
        if let Err(error) = self.try_register(connection, registering).await {
            self.forget_registering(registering);
            tracing::debug!(%error, "not registered as a waiter; the safety poll will do");
        }
    }

    pub(crate) fn forget_registering(&self, registering: Registering) {
        self.memory
            .registrations
            .woken(registering.topic, registering.key);
    }

    async fn try_register(&self, connection: &Connection<'_>, registering: Registering) -> Result<(), Error> {
        let Registering {
            topic,
            key,
            last_since,
            due_at,
            goes_on,
        } = registering;
        let wait: [Param<'_>; 4] = [&topic, &key, &due_at, &last_since];
        // A job that was committed between the claim and the registration has woken nobody.
        let ranges: Ranges = self.memory.of_topic(topic, |memory| memory.marks.ranges());
        let missed: [Param<'_>; 5] = [
            &topic,
            &ranges.from_priority,
            &ranges.from_seq,
            &ranges.to_priority,
            &due_at,
        ];
        let registered = if goes_on {
            let registered = connection.query(&WAIT, &wait).await?;
            if !read(&registered).1 {
                connection.query(&MISSED, &missed).await?;
            }
            registered
        } else {
            let [registered, _] = connection.query_both((&WAIT, &wait), (&MISSED, &missed)).await?;
            registered
        };
        let (since, _) = read(&registered);
        if let Some(registration) = lock(&self.memory.registrations.waiting).get_mut(&(topic, key)) {
            registration.since = since;
        }
        Ok(())
    }
}
