//! Removing jobs by name or by state. Their ids stay remembered until the end of their window.

use oqron_core::limits::{OPERATE_JOBS_MAX, SWEEP_JOBS_MAX, at_most};
use oqron_core::{Error, JobRef, JobState, Operated, TopicName};
use rusqlite::params;

use crate::end::remove;
use crate::error::Failed;
use crate::file::Handle;
use crate::slot::{Slot, read_slots};
use crate::step::{Step, Topic};

pub(super) async fn discard(handle: &Handle, jobs: &[JobRef]) -> Result<Vec<Operated>, Error> {
    at_most("jobs in one discard", jobs.len(), OPERATE_JOBS_MAX)?;
    let (namespace, jobs) = (handle.namespace.clone(), jobs.to_vec());
    handle
        .write("discard jobs", move |step| {
            let mut answers = Vec::with_capacity(jobs.len());
            for job in &jobs {
                answers.push(match step.known_topic(&namespace, &job.topic)? {
                    None => Operated::NotFound,
                    Some(topic) => discard_one(step, &topic, job)?,
                });
            }
            Ok(answers)
        })
        .await
}

fn discard_one(step: &Step<'_>, topic: &Topic, job: &JobRef) -> Result<Operated, Failed> {
    match Slot::find(step, topic, job.id.as_str())? {
        None => Ok(Operated::NotFound),
        Some(slot) if !slot.state.is_finished() => Ok(Operated::WrongState(slot.state)),
        Some(slot) => {
            remove(step, topic, &slot)?;
            Ok(Operated::Done)
        }
    }
}

pub(super) async fn purge(handle: &Handle, topic: &TopicName, state: JobState) -> Result<u64, Error> {
    let sql = match state {
        JobState::Scheduled => include_str!("../sql/operate/purge_scheduled.sql"),
        JobState::Waiting => include_str!("../sql/operate/purge_waiting.sql"),
        JobState::Completed => include_str!("../sql/operate/purge_completed.sql"),
        JobState::Failed => include_str!("../sql/operate/purge_failed.sql"),
        JobState::Cancelled => include_str!("../sql/operate/purge_cancelled.sql"),
        JobState::Active => {
            return Err(Error::Invalid {
                what: "state",
                problem: "active jobs belong to their workers and cannot be purged; cancel them".into(),
            });
        }
    };
    let (namespace, topic) = (handle.namespace.clone(), topic.clone());
    handle
        .write("purge jobs", move |step| {
            let Some(topic) = step.known_topic(&namespace, &topic)? else {
                return Ok(0);
            };
            let slots = read_slots(step, sql, params![topic.number, SWEEP_JOBS_MAX as i64])?;
            for slot in &slots {
                remove(step, &topic, slot)?;
            }
            step.tell_watchers(&topic, slots.iter().map(|slot| slot.id.as_str()))?;
            Ok(slots.len() as u64)
        })
        .await
}
