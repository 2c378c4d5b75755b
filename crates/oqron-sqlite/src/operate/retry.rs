//! A fresh start for dead letters and cancelled jobs.

use std::collections::HashMap;

use oqron_core::limits::{OPERATE_JOBS_MAX, at_most};
use oqron_core::{Error, JobRef, JobState, Operated, TimelineEvent, TimelineKind};
use rusqlite::params;

use crate::error::Failed;
use crate::file::Handle;
use crate::history::with_events;
use crate::slot::Slot;
use crate::step::{Step, Topic};

pub(super) async fn retry(handle: &Handle, jobs: &[JobRef]) -> Result<Vec<Operated>, Error> {
    at_most("jobs in one retry", jobs.len(), OPERATE_JOBS_MAX)?;
    let (namespace, jobs) = (handle.namespace.clone(), jobs.to_vec());
    handle
        .write("retry jobs", move |step| {
            let mut answers = Vec::with_capacity(jobs.len());
            let mut woken: HashMap<i64, (Topic, usize)> = HashMap::new();
            for job in &jobs {
                let Some(topic) = step.known_topic(&namespace, &job.topic)? else {
                    answers.push(Operated::NotFound);
                    continue;
                };
                let answer = match Slot::find(step, &topic, job.id.as_str())? {
                    None => Operated::NotFound,
                    Some(slot) => start_afresh(step, &slot)?,
                };
                if answer == Operated::Done {
                    woken.entry(topic.number).or_insert((topic, 0)).1 += 1;
                }
                answers.push(answer);
            }
            for (topic, count) in woken.values() {
                step.wake(topic, *count)?;
            }
            Ok(answers)
        })
        .await
}

fn start_afresh(step: &Step<'_>, slot: &Slot) -> Result<Operated, Failed> {
    if !matches!(slot.state, JobState::Failed | JobState::Cancelled) {
        return Ok(Operated::WrongState(slot.state));
    }
    let event = TimelineEvent::new(step.now.wall, TimelineKind::RetriedByOperator, None, "");
    step.connection
        .prepare_cached(include_str!("../sql/operate/retry.sql"))?
        .execute(params![
            slot.seq,
            with_events(slot.timeline.as_deref(), vec![event])
        ])?;
    Ok(Operated::Done)
}
