//! Waiting for jobs of a topic that has none.

use std::time::Duration;

use rusqlite::params;

use super::turn::Request;
use crate::error::Failed;
use crate::step::{Step, Topic};

pub(super) fn is_anything_waiting(step: &Step<'_>, topic: &Topic) -> Result<bool, Failed> {
    Ok(step
        .connection
        .prepare_cached(include_str!("../sql/consume/is_anything_waiting.sql"))?
        .query_row(params![topic.number], |row| row.get(0))?)
}

/// Registers the worker behind those that wait already. One that has not joined cannot be woken and does not wait.
pub(super) fn wait(
    step: &Step<'_>,
    topic: &Topic,
    request: &Request,
    due_in: Option<Duration>,
) -> Result<(), Failed> {
    step.connection
        .prepare_cached(include_str!("../sql/consume/wait.sql"))?
        .execute(params![
            topic.number,
            topic.namespace,
            request.worker.as_str(),
            due_in.map(|due_in| step.now.wall.after(due_in).as_millis()),
        ])?;
    Ok(())
}

pub(super) fn stop_waiting(step: &Step<'_>, topic: &Topic, request: &Request) -> Result<(), Failed> {
    step.connection
        .prepare_cached("DELETE FROM waiters WHERE topic = ?1 AND worker = ?2")?
        .execute(params![topic.number, request.worker.as_str()])?;
    Ok(())
}
