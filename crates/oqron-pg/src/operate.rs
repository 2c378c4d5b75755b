//! What a person needs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use oqron_core::limits::{OPERATE_JOBS_MAX, PAGE_JOBS_MAX, SWEEP_JOBS_MAX, at_most};
use oqron_core::{
    Config, Counts, Cursor, Error, JobRef, JobState, ListQuery, Operate, Operated, Page, Timestamp,
    TopicName, WorkerRecord,
};

use crate::database::{Database, Param};
use crate::error::corrupt;
use crate::record::read_record;
use crate::statement::{Statement, statement};
use crate::wake::Wake;

statement!(TOPICS, "sql/operate/topics.sql", [TEXT]);
statement!(COUNTS, "sql/operate/counts.sql", [INT4]);
statement!(
    LIST_WAITING,
    "sql/operate/list_waiting.sql",
    [INT4, INT8, INT8, INT8, INT8]
);
statement!(
    LIST_SCHEDULED,
    "sql/operate/list_scheduled.sql",
    [INT4, INT8, INT8, INT8, INT8]
);
statement!(
    LIST_ACTIVE,
    "sql/operate/list_active.sql",
    [INT4, INT8, INT8, INT8, INT8]
);
statement!(
    LIST_FINISHED,
    "sql/operate/list_finished.sql",
    [INT4, INT8, INT8, INT8, INT2]
);
statement!(RETRY, "sql/operate/retry.sql", [INT4, TEXT_ARRAY]);
statement!(DISCARD, "sql/operate/discard.sql", [INT4, TEXT_ARRAY]);
statement!(
    PURGE_UNFINISHED,
    "sql/operate/purge_unfinished.sql",
    [INT4, INT2, INT8]
);
statement!(
    PURGE_FINISHED,
    "sql/operate/purge_finished.sql",
    [INT4, INT2, INT8]
);
statement!(PAUSE, "sql/operate/pause.sql", [INT4, BOOL]);
statement!(WORKERS, "sql/operate/workers.sql", [TEXT]);

/// Operates on PostgreSQL. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct PgOperate {
    pub(crate) database: Arc<Database>,
}

impl PgOperate {
    /// Connects and brings the schema up to date.
    ///
    /// # Errors
    /// A URL that does not do, a server that cannot be reached, refuses access or is too old, a schema that is newer than
    /// this version of Oqron.
    pub async fn connect(config: &Config) -> Result<Self, Error> {
        Ok(Self {
            database: Box::pin(Database::open(config)).await?,
        })
    }

    /// Does `statement` to jobs of several topics, a statement for each topic.
    async fn operate(
        &self,
        action: &'static str,
        statement: &'static Statement,
        jobs: &[JobRef],
    ) -> Result<Vec<Operated>, Error> {
        at_most("jobs in one call of an operator", jobs.len(), OPERATE_JOBS_MAX)?;
        let mut by_topic: HashMap<&TopicName, Vec<usize>> = HashMap::new();
        for (place, job) in jobs.iter().enumerate() {
            by_topic.entry(&job.topic).or_default().push(place);
        }
        let mut answers = vec![Operated::NotFound; jobs.len()];
        for (name, places) in by_topic {
            let Some(topic) = self.database.topic(action, name).await? else {
                continue;
            };
            let ids: Vec<&str> = places.iter().map(|place| jobs[*place].id.as_str()).collect();
            let connection = self.database.connection(action).await?;
            let rows = connection.query(statement, &[&topic, &ids]).await?;
            let read = |error| corrupt("answer to an operator", error);
            let mut done = HashSet::new();
            let mut states = HashMap::new();
            for row in &rows {
                let id: &str = row.try_get("id").map_err(read)?;
                if row.try_get("done").map_err(read)? {
                    done.insert(id);
                } else {
                    let state: i16 = row.try_get("state").map_err(read)?;
                    states.insert(id, state);
                }
            }
            let count = i32::try_from(done.len()).unwrap_or(i32::MAX);
            let all_done = done.clone();
            for (place, id) in places.into_iter().zip(ids) {
                // Named twice, a job is found by the second in the state in which the first has left it.
                answers[place] = if done.remove(id) {
                    Operated::Done
                } else if all_done.contains(id) {
                    if std::ptr::eq(statement, &RETRY) {
                        Operated::WrongState(JobState::Waiting)
                    } else {
                        Operated::NotFound
                    }
                } else if let Some(state) = states.get(id) {
                    let state = JobState::from_number((*state).into())
                        .ok_or_else(|| corrupt("job record", format!("state is {state}")))?;
                    Operated::WrongState(state)
                } else {
                    Operated::NotFound
                };
            }
            if std::ptr::eq(statement, &RETRY) && count > 0 {
                self.database.wake(&connection, topic, Wake::Jobs(count)).await;
            }
        }
        Ok(answers)
    }

    async fn set_paused(&self, action: &'static str, topic: &TopicName, paused: bool) -> Result<(), Error> {
        let topic = self.database.topic_made(action, topic).await?;
        let connection = self.database.connection(action).await?;
        connection.query(&PAUSE, &[&topic, &paused]).await?;
        if !paused {
            self.database.wake(&connection, topic, Wake::Jobs(i32::MAX)).await;
        }
        Ok(())
    }
}

crate::records::impl_records!(PgOperate);

#[async_trait]
impl Operate for PgOperate {
    async fn topics(&self) -> Result<Vec<TopicName>, Error> {
        let namespace = self.database.namespace.as_str();
        let rows = self.database.query("list topics", &TOPICS, &[&namespace]).await?;
        rows.iter()
            .map(|row| {
                let name: &str = row.try_get(0).map_err(|error| corrupt("topic", error))?;
                TopicName::new(name).map_err(|error| corrupt("topic", error))
            })
            .collect()
    }

    async fn counts(&self, topic: &TopicName) -> Result<Counts, Error> {
        let action = "count jobs";
        let mut counts = Counts::default();
        let Some(topic) = self.database.topic(action, topic).await? else {
            return Ok(counts);
        };
        for row in self.database.query(action, &COUNTS, &[&topic]).await? {
            let read = |error| corrupt("answer to a count", error);
            let (state, jobs): (i16, i64) = (row.try_get(0).map_err(read)?, row.try_get(1).map_err(read)?);
            if state == -1 {
                counts.paused = true;
            } else {
                let state = JobState::from_number(state.into())
                    .ok_or_else(|| corrupt("job record", format!("state is {state}")))?;
                *counts.of_mut(state) = u64::try_from(jobs).unwrap_or(0);
            }
        }
        Ok(counts)
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        let action = "list jobs";
        let limit = query.limit as usize;
        at_most("records on a page", limit, PAGE_JOBS_MAX)?;
        if limit == 0 {
            return Err(Error::Invalid {
                what: "limit",
                problem: format!("it is 0; a page has 1 to {PAGE_JOBS_MAX} records"),
            });
        }
        let after = query.after.as_ref().map(read_cursor).transpose()?;
        let Some(topic) = self.database.topic(action, &query.topic).await? else {
            return Ok(Page::default());
        };
        let one_more = limit as i64 + 1;
        let first = if query.state.is_finished() { i64::MAX } else { -1 };
        let (a, b, c) = after.unwrap_or((first, first, first));
        let state = query.state as i16;
        let (statement, last): (&'static Statement, Param<'_>) = match query.state {
            JobState::Scheduled => (&LIST_SCHEDULED, &c),
            JobState::Waiting => (&LIST_WAITING, &c),
            JobState::Active => (&LIST_ACTIVE, &c),
            JobState::Completed | JobState::Failed | JobState::Cancelled => (&LIST_FINISHED, &state),
        };
        let rows = self
            .database
            .query(action, statement, &[&topic, &one_more, &a, &b, last])
            .await?;
        let shown = &rows[..rows.len().min(limit)];
        let jobs = shown
            .iter()
            .map(|row| read_record(&query.topic, row))
            .collect::<Result<_, _>>()?;
        let mut next = None;
        if let (true, Some(row)) = (rows.len() > limit, shown.last()) {
            let read = |column| -> Result<i64, Error> {
                row.try_get(column)
                    .map_err(|error| corrupt("page of jobs", error))
            };
            next = Some(Cursor(format!("{},{},{}", read("a")?, read("b")?, read("c")?)));
        }
        Ok(Page::new(jobs, next))
    }

    async fn retry(&self, jobs: &[JobRef]) -> Result<Vec<Operated>, Error> {
        self.operate("retry jobs", &RETRY, jobs).await
    }

    async fn discard(&self, jobs: &[JobRef]) -> Result<Vec<Operated>, Error> {
        self.operate("discard jobs", &DISCARD, jobs).await
    }

    async fn pause(&self, topic: &TopicName) -> Result<(), Error> {
        self.set_paused("pause a topic", topic, true).await
    }

    async fn resume(&self, topic: &TopicName) -> Result<(), Error> {
        self.set_paused("resume a topic", topic, false).await
    }

    async fn purge(&self, topic: &TopicName, state: JobState) -> Result<u64, Error> {
        let action = "purge jobs";
        if state == JobState::Active {
            return Err(Error::Invalid {
                what: "state",
                problem: "active jobs cannot be purged; cancel them, or purge another state".into(),
            });
        }
        let Some(topic) = self.database.topic(action, topic).await? else {
            return Ok(0);
        };
        let statement = if state.is_finished() {
            &PURGE_FINISHED
        } else {
            &PURGE_UNFINISHED
        };
        let most = SWEEP_JOBS_MAX as i64;
        let number = state as i16;
        let rows = self
            .database
            .query(action, statement, &[&topic, &number, &most])
            .await?;
        let jobs: i64 = rows
            .first()
            .ok_or_else(|| corrupt("answer to a purge", "it is empty"))?
            .try_get(0)
            .map_err(|error| corrupt("answer to a purge", error))?;
        Ok(u64::try_from(jobs).unwrap_or(0))
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>, Error> {
        let namespace = self.database.namespace.as_str();
        let rows = self
            .database
            .query("list workers", &WORKERS, &[&namespace])
            .await?;
        rows.iter()
            .map(|row| {
                let read = |error| corrupt("worker", error);
                let info: &str = row.try_get("info").map_err(read)?;
                let info = serde_json::from_str(info).map_err(|error| corrupt("worker", error))?;
                let seen_at = Timestamp::from_millis(row.try_get("seen_at").map_err(read)?);
                Ok(WorkerRecord::new(info, seen_at))
            })
            .collect()
    }
}

fn read_cursor(cursor: &Cursor) -> Result<(i64, i64, i64), Error> {
    let numbers: Option<Vec<i64>> = cursor.0.split(',').map(|number| number.parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[a, b, c]) => Ok((a, b, c)),
        _ => Err(Error::Invalid {
            what: "cursor",
            problem: format!("{:?} is not what a page has answered as its next", cursor.0),
        }),
    }
}
