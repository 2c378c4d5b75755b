//! Adding jobs.

use std::collections::HashSet;

use oqron_core::time::millis;
use oqron_core::{
    EnqueueOutcome, Enqueued, Error, JobOptions, JobState, NewJob, Start, Timestamp, TopicName,
};
use rusqlite::params;

use crate::error::Failed;
use crate::file::Handle;
use crate::step::{Step, Topic};

pub(super) async fn enqueue(
    handle: &Handle,
    topic: &TopicName,
    jobs: &[NewJob],
) -> Result<Vec<Enqueued>, Error> {
    handle.limits.check_enqueue(jobs)?;
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let (namespace, topic) = (handle.namespace.clone(), topic.clone());
    // What can be written before the wait for the file is.
    let jobs: Vec<Prepared> = jobs.iter().map(Prepared::new).collect();
    handle
        .write("add jobs", move |step| {
            let topic = step.topic(&namespace, &topic)?;
            insert(step, &topic, &jobs)
        })
        .await
}

struct Prepared {
    job: NewJob,
    extras: Option<String>,
}

impl Prepared {
    fn new(job: &NewJob) -> Self {
        Self {
            extras: job.options.extras(),
            job: job.clone(),
        }
    }
}

fn insert(step: &Step<'_>, topic: &Topic, jobs: &[Prepared]) -> Result<Vec<Enqueued>, Failed> {
    let now = step.now.wall;
    let (paused, ids_outlive_records, next_due): (bool, bool, Option<i64>) = step
        .connection
        .prepare_cached(include_str!("../sql/publish/topic.sql"))?
        .query_row(params![topic.number, now.as_millis()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let mut insert = step
        .connection
        .prepare_cached(include_str!("../sql/publish/insert.sql"))?;
    let remembered = match ids_outlive_records {
        true => remembered(step, topic, jobs)?,
        false => HashSet::new(),
    };

    let mut answers = Vec::with_capacity(jobs.len());
    let (mut scheduled, mut due) = (0, 0);
    for Prepared { job, extras } in jobs {
        let options = &job.options;
        let (state, run_at) = start(options, now);
        let is_new = !remembered.contains(job.id.as_str())
            && insert.execute(params![
                topic.number,
                job.id.as_str(),
                state as i64,
                options.priority,
                run_at.as_millis(),
                now.as_millis(),
                now.after(options.id_window).as_millis(),
                options.retention.max_age.map(millis),
                options.retention.max_count,
                extras,
                job.payload.format.number(),
                &job.payload.bytes[..],
            ])? == 1;
        let outcome = match is_new {
            true => EnqueueOutcome::Created,
            false => EnqueueOutcome::Existing,
        };
        if is_new {
            match state {
                JobState::Scheduled => scheduled += 1,
                _ => due += 1,
            }
        }
        answers.push(Enqueued::new(job.id.clone(), outcome));
    }
    if scheduled + due > 0 {
        step.connection
            .prepare_cached("UPDATE topics SET used = 1 WHERE id = ?1 AND used = 0")?
            .execute(params![topic.number])?;
    }
    if !paused {
        step.wake(topic, due)?;
        if scheduled > 0 {
            step.wake_for_earlier(topic, next_due)?;
        }
    }
    Ok(answers)
}

fn start(options: &JobOptions, now: Timestamp) -> (JobState, Timestamp) {
    let run_at = match options.start {
        Start::Now => now,
        Start::After(delay) => now.after(delay),
        Start::At(time) => time,
    };
    match run_at > now {
        true => (JobState::Scheduled, run_at),
        false => (JobState::Waiting, run_at),
    }
}

/// Those of the ids that are known although their record is gone.
fn remembered<'a>(step: &Step<'_>, topic: &Topic, jobs: &'a [Prepared]) -> Result<HashSet<&'a str>, Failed> {
    let mut is_remembered = step
        .connection
        .prepare_cached(include_str!("../sql/publish/is_remembered.sql"))?;
    let mut found = HashSet::new();
    for Prepared { job, .. } in jobs {
        let id = job.id.as_str();
        if is_remembered.query_row(params![topic.number, id, step.now.wall.as_millis()], |row| {
            row.get(0)
        })? {
            found.insert(id);
        }
    }
    Ok(found)
}
