//! Adding jobs.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use oqron_core::time::millis;
use oqron_core::{
    Config, EnqueueOutcome, Enqueued, Error, Finished, JobRef, Limits, NewJob, Publish, Start, Timestamp,
    TopicName,
};
use tokio_postgres::types::Type;
use tokio_postgres::{Row, Transaction};

use crate::database::{Database, Param};
use crate::error::corrupt;
use crate::statement::{Statement, statement};
use crate::wake::{WAKE, Wake};
use crate::watch::Watch;

statement!(
    ENQUEUE,
    "sql/publish/enqueue.sql",
    [
        INT4,
        TEXT_ARRAY,
        BYTEA_ARRAY,
        INT4_ARRAY,
        INT4_ARRAY,
        INT8_ARRAY,
        INT8_ARRAY,
        INT8_ARRAY,
        INT8_ARRAY,
        INT8_ARRAY,
        TEXT_ARRAY,
        INT2,
        BOOL
    ]
);

statement!(
    ADD_ONE,
    "sql/publish/add_one.sql",
    [
        INT4, TEXT, BYTEA, INT4, INT4, INT8, INT8, INT8, INT8, INT8, TEXT, BOOL
    ]
);
statement!(
    ADD_MANY,
    "sql/publish/add_many.sql",
    [
        INT4,
        TEXT_ARRAY,
        BYTEA_ARRAY,
        INT4_ARRAY,
        INT4_ARRAY,
        INT8_ARRAY,
        INT8_ARRAY,
        INT8_ARRAY,
        INT8_ARRAY,
        INT8_ARRAY,
        TEXT_ARRAY,
        BOOL
    ]
);
statement!(CONFIRM, "sql/publish/confirm.sql", []);

/// Publishes to PostgreSQL. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct PgPublish {
    pub(crate) database: Arc<Database>,
    limits: Limits,
    watch: Arc<Watch>,
}

/// Where a job that was just added stands: see the column `lane`.
#[derive(Clone, Copy)]
enum Commit {
    /// In a transaction of its own that commits at once.
    Now,
    /// When the caller's transaction does, which may be late: below the marks of all claims.
    WithTheCaller,
}

impl PgPublish {
    /// Connects and brings the schema up to date.
    ///
    /// # Errors
    /// A URL that does not do, a server that cannot be reached, refuses access or is too old, a schema that is newer than
    /// this version of Oqron.
    pub async fn connect(config: &Config) -> Result<Self, Error> {
        let database = Box::pin(Database::open(config)).await?;
        Ok(Self {
            watch: Arc::new(Watch::new(database.clone())),
            database,
            limits: config.limits.clone(),
        })
    }

    /// Adds jobs inside a transaction of the caller's own: they appear if and only if it commits, and wake a worker then.
    /// The transaction must be on the database (not the server alone) that this publisher's URL names. Under repeatable
    /// read or serializable, an id that somebody else added since the transaction began is a serialization error.
    ///
    /// ```no_run
    /// # async fn example(client: &mut oqron_pg::tokio_postgres::Client, publish: oqron_pg::PgPublish,
    /// #     topic: oqron_core::TopicName, job: oqron_core::NewJob) -> Result<(), Box<dyn std::error::Error>> {
    /// let transaction = client.transaction().await?;
    /// transaction.execute("insert into orders (id) values ($1)", &[&7]).await?;
    /// publish.enqueue_in(&transaction, &topic, &[job]).await?;
    /// transaction.commit().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As `enqueue`; after an error of the database the transaction is aborted, as after any other.
    ///
    /// # Cancel safety
    /// After dropping the future, roll the transaction back: the jobs may or may not be in it.
    pub async fn enqueue_in(
        &self,
        transaction: &Transaction<'_>,
        topic: &TopicName,
        jobs: &[NewJob],
    ) -> Result<Vec<Enqueued>, Error> {
        let action = "add jobs in a transaction";
        self.limits.check_enqueue(jobs)?;
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        // Made outside of the transaction, so that no other adder of a new topic waits for it.
        let topic = self.database.topic_made(action, topic).await?;
        let attempt = self.database.attempt(action);
        let text = self.database.text_of(&ENQUEUE);
        let columns = Columns::of(jobs);
        let params = columns.params(&topic, Commit::WithTheCaller);
        let typed: Vec<(Param<'_>, Type)> = params.into_iter().zip(ENQUEUE.types.iter().cloned()).collect();
        let rows = tokio::time::timeout(self.database.call_timeout, transaction.query_typed(&text, &typed))
            .await
            .map_err(|_| attempt.timed_out())?
            .map_err(|error| attempt.of_driver(&error))?;
        read_enqueued(jobs, &rows)
    }
}

impl PgPublish {
    /// Adds jobs in a transaction of its own, and wakes who waits for them right behind it.
    async fn add(
        &self,
        topic: i32,
        jobs: &[NewJob],
        statement: &'static Statement,
        params: &[Param<'_>],
    ) -> Result<Vec<Enqueued>, Error> {
        let mut wakes = wakes(jobs);
        let first = wakes.next().map(|wake| self.database.wake_up(topic, wake));
        let (connection, rows, woken) = loop {
            let connection = self.database.connection("add jobs").await?;
            let then = first.as_ref().map(|first| (&WAKE, first.params()));
            let then = then.as_ref().map(|(wake, params)| (*wake, &params[..]));
            match connection.query_then((statement, params), then).await {
                Ok((rows, woken)) => break (connection, rows, woken),
                Err(Error::Unavailable { .. }) if !connection.is_fresh() => {}
                Err(error) => return Err(error),
            }
        };
        let enqueued = read_enqueued(jobs, &rows)?;
        if enqueued.iter().any(|job| job.outcome == EnqueueOutcome::Existing) {
            connection.query(&CONFIRM, &[]).await?;
        }
        if let (Some(first), Some(woken)) = (first, woken) {
            self.database.woke(&first, woken).await;
        }
        for wake in wakes {
            self.database.wake(&connection, topic, wake).await;
        }
        Ok(enqueued)
    }
}

#[async_trait]
impl Publish for PgPublish {
    async fn enqueue(&self, topic: &TopicName, jobs: &[NewJob]) -> Result<Vec<Enqueued>, Error> {
        let action = "add jobs";
        self.limits.check_enqueue(jobs)?;
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let topic = self.database.topic_made(action, topic).await?;
        let is_first = !self.database.topics.has_jobs(topic);
        let enqueued = if let [job] = jobs {
            let job = One::of(job);
            self.add(topic, jobs, &ADD_ONE, &job.params(&topic, &is_first))
                .await?
        } else {
            let columns = Columns::of(jobs);
            if columns.ids.is_sorted_by(|one, next| one < next) {
                let params = columns.params_of_many(&topic, &is_first);
                self.add(topic, jobs, &ADD_MANY, &params).await?
            } else {
                let params = columns.params(&topic, Commit::Now);
                self.add(topic, jobs, &ENQUEUE, &params).await?
            }
        };
        self.database.topics.keep_that_it_has_jobs(topic);
        Ok(enqueued)
    }

    async fn finished(&self, job: &JobRef) -> Result<Finished, Error> {
        self.watch.finished(job).await
    }
}

crate::records::impl_records!(PgPublish);

/// Whom an add has to wake, for jobs that are there already too: perhaps they were made by the same add, whose answer was
/// lost before anybody was woken.
fn wakes(jobs: &[NewJob]) -> impl Iterator<Item = Wake> {
    let mut due = 0;
    let mut next: Option<Timestamp> = None;
    for job in jobs {
        let at = match job.options.start {
            Start::Now => {
                due += 1;
                continue;
            }
            Start::At(time) => time,
            // By this machine's clock: it only decides whether a sleeper is woken to look again.
            Start::After(delay) => Timestamp::now().after(delay),
        };
        next = Some(next.map_or(at, |next| next.min(at)));
    }
    let due = (due > 0).then_some(Wake::Jobs(due));
    due.into_iter().chain(next.map(|at| Wake::At(at.as_millis())))
}

/// A single job, without arrays.
struct One<'a> {
    id: &'a str,
    payload: &'a [u8],
    format: i32,
    priority: i32,
    delay: Option<i64>,
    time: Option<i64>,
    retain_ms: Option<i64>,
    retain_count: Option<i64>,
    id_window: i64,
    extras: Option<String>,
}

impl<'a> One<'a> {
    fn of(job: &'a NewJob) -> Self {
        let options = &job.options;
        Self {
            id: job.id.as_str(),
            payload: &job.payload.bytes,
            format: i32::from(job.payload.format.number()),
            priority: options.priority as i32,
            delay: delay_ms(options.start),
            time: time_ms(options.start),
            retain_ms: options.retention.max_age.map(millis),
            retain_count: options.retention.max_count.map(i64::from),
            id_window: millis(options.id_window),
            extras: options.extras(),
        }
    }

    fn params(&'a self, topic: &'a i32, is_first: &'a bool) -> [Param<'a>; 12] {
        [
            topic,
            &self.id,
            &self.payload,
            &self.format,
            &self.priority,
            &self.delay,
            &self.time,
            &self.retain_ms,
            &self.retain_count,
            &self.id_window,
            &self.extras,
            is_first,
        ]
    }
}

fn delay_ms(start: Start) -> Option<i64> {
    match start {
        Start::After(delay) => Some(millis(delay)),
        _ => None,
    }
}

fn time_ms(start: Start) -> Option<i64> {
    match start {
        Start::At(time) => Some(time.as_millis()),
        _ => None,
    }
}

/// A batch as arrays, one a column.
struct Columns<'a> {
    ids: Vec<&'a str>,
    payloads: Vec<&'a [u8]>,
    formats: Vec<i32>,
    priorities: Vec<i32>,
    delays: Vec<Option<i64>>,
    times: Vec<Option<i64>>,
    retain_ms: Vec<Option<i64>>,
    retain_counts: Vec<Option<i64>>,
    id_windows: Vec<i64>,
    extras: Vec<Option<String>>,
}

impl<'a> Columns<'a> {
    fn of(jobs: &'a [NewJob]) -> Self {
        let all = || jobs.iter();
        Self {
            ids: all().map(|job| job.id.as_str()).collect(),
            payloads: all().map(|job| &*job.payload.bytes).collect(),
            formats: all().map(|job| i32::from(job.payload.format.number())).collect(),
            priorities: all().map(|job| job.options.priority as i32).collect(),
            delays: all().map(|job| delay_ms(job.options.start)).collect(),
            times: all().map(|job| time_ms(job.options.start)).collect(),
            retain_ms: all()
                .map(|job| job.options.retention.max_age.map(millis))
                .collect(),
            retain_counts: all()
                .map(|job| job.options.retention.max_count.map(i64::from))
                .collect(),
            id_windows: all().map(|job| millis(job.options.id_window)).collect(),
            extras: all().map(|job| job.options.extras()).collect(),
        }
    }

    fn params_of_many(&'a self, topic: &'a i32, is_first: &'a bool) -> [Param<'a>; 12] {
        [
            topic,
            &self.ids,
            &self.payloads,
            &self.formats,
            &self.priorities,
            &self.delays,
            &self.times,
            &self.retain_ms,
            &self.retain_counts,
            &self.id_windows,
            &self.extras,
            is_first,
        ]
    }

    fn params(&'a self, topic: &'a i32, commit: Commit) -> [Param<'a>; 13] {
        let (lane, wake): (&i16, &bool) = match commit {
            Commit::Now => (&2, &false),
            Commit::WithTheCaller => (&1, &true),
        };
        [
            topic,
            &self.ids,
            &self.payloads,
            &self.formats,
            &self.priorities,
            &self.delays,
            &self.times,
            &self.retain_ms,
            &self.retain_counts,
            &self.id_windows,
            &self.extras,
            lane,
            wake,
        ]
    }
}

fn read_enqueued(jobs: &[NewJob], rows: &[Row]) -> Result<Vec<Enqueued>, Error> {
    let made: Option<Vec<&str>> = rows
        .first()
        .ok_or_else(|| corrupt("answer to an add", "it is empty"))?
        .try_get(0)
        .map_err(|error| corrupt("answer to an add", error))?;
    let mut made: Option<HashSet<&str>> = made.map(|made| made.into_iter().collect());
    Ok(jobs
        .iter()
        .map(|job| {
            // The first of two with the same id is the one that was made. Without a list, all were.
            let is_new = made.as_mut().is_none_or(|made| made.remove(job.id.as_str()));
            let outcome = if is_new {
                EnqueueOutcome::Created
            } else {
                EnqueueOutcome::Existing
            };
            Enqueued::new(job.id.clone(), outcome)
        })
        .collect())
}
