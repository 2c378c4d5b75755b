//! Removing what is over its time: records, ids, and what dead workers left behind.

use std::collections::HashSet;

use oqron_core::limits::SWEEP_JOBS_MAX;
use oqron_core::{Error, Swept, TopicName};
use rusqlite::{OptionalExtension, params};

use crate::end::remove;
use crate::error::Failed;
use crate::file::Handle;
use crate::lock_file::Owner;
use crate::mailbox::Post;
use crate::slot::{Slot, read_slots};
use crate::step::{Step, Topic};

/// A worker that was not heard of for so long, whose lock is free, and that has no lease left, is forgotten.
const FORGET_WORKER_AFTER_MS: i64 = 90_000;
/// The last turn of a worker is kept for so long, whether or not it lives: it may be repeated.
const FORGET_TURN_AFTER_MS: i64 = 24 * 3600 * 1000;

pub(super) async fn sweep(handle: &Handle, topic: &TopicName) -> Result<Swept, Error> {
    let (namespace, topic) = (handle.namespace.clone(), topic.clone());
    let post = std::sync::Arc::clone(&handle.file.post);
    handle
        .write("sweep", move |step| {
            let Some(topic) = step.known_topic(&namespace, &topic)? else {
                return Ok(Swept::default());
            };
            forget_dead_workers(step, &topic, &post)?;
            let more_ids = forget_ids(step, &topic)?;
            let expired = expired(step, &topic)?;
            let room = SWEEP_JOBS_MAX - expired.len();
            remove_all(step, &topic, &expired)?;
            let surplus = surplus(step, &topic, room)?;
            remove_all(step, &topic, &surplus)?;
            let records = expired.len() + surplus.len();
            Ok(Swept::new(records as u32, more_ids || records == SWEEP_JOBS_MAX))
        })
        .await
}

fn expired(step: &Step<'_>, topic: &Topic) -> Result<Vec<Slot>, Failed> {
    read_slots(
        step,
        include_str!("../sql/consume/over_age.sql"),
        params![topic.number, step.now.wall.as_millis(), SWEEP_JOBS_MAX as i64],
    )
}

/// Those over the number that the job that ended last allows.
fn surplus(step: &Step<'_>, topic: &Topic, room: usize) -> Result<Vec<Slot>, Failed> {
    let keep: Option<Option<i64>> = step
        .connection
        .prepare_cached(include_str!("../sql/consume/last_keep_count.sql"))?
        .query_row(params![topic.number], |row| row.get(0))
        .optional()?;
    let Some(Some(keep)) = keep else {
        return Ok(Vec::new());
    };
    let kept: i64 = step
        .connection
        .prepare_cached(include_str!("../sql/consume/count_kept.sql"))?
        .query_row(params![topic.number], |row| row.get(0))?;
    let surplus = kept.saturating_sub(keep).clamp(0, room as i64);
    if surplus == 0 {
        return Ok(Vec::new());
    }
    // Everything expires by the end of time.
    read_slots(
        step,
        include_str!("../sql/consume/over_age.sql"),
        params![topic.number, i64::MAX, surplus],
    )
}

fn remove_all(step: &Step<'_>, topic: &Topic, slots: &[Slot]) -> Result<(), Failed> {
    for slot in slots {
        remove(step, topic, slot)?;
    }
    Ok(())
}

/// Answers whether more are left.
fn forget_ids(step: &Step<'_>, topic: &Topic) -> Result<bool, Failed> {
    let forgotten = step
        .connection
        .prepare_cached(include_str!("../sql/consume/forget_ids.sql"))?
        .execute(params![
            topic.number,
            step.now.wall.as_millis(),
            SWEEP_JOBS_MAX as i64
        ])?;
    Ok(forgotten == SWEEP_JOBS_MAX)
}

fn forget_dead_workers(step: &Step<'_>, topic: &Topic, post: &Post) -> Result<(), Failed> {
    let now = step.now.wall.as_millis();
    let silent: Vec<(String, String)> = step
        .connection
        .prepare_cached(include_str!("../sql/consume/silent_workers.sql"))?
        .query_map(params![topic.namespace, now - FORGET_WORKER_AFTER_MS], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<Result<_, _>>()?;
    for (worker, mailbox) in silent {
        if post.owner(&mailbox) != Owner::Lives {
            step.connection
                .prepare_cached("DELETE FROM workers WHERE namespace = ?1 AND worker = ?2 AND mailbox = ?3")?
                .execute(params![topic.namespace, worker, mailbox])?;
        }
    }
    // Who is known is asked for, and a file that is not there would say nothing.
    let known: HashSet<String> = step
        .connection
        .prepare_cached("SELECT mailbox FROM workers /* oqron:consume:known_mailboxes */")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    post.sweep(&known);
    // Also of workers that never joined: nobody can wake them.
    step.connection
        .prepare_cached(include_str!("../sql/consume/forget_absent_waiters.sql"))?
        .execute(params![topic.number, topic.namespace])?;
    step.connection
        .prepare_cached("DELETE FROM turns WHERE topic = ?1 AND at < ?2 /* oqron:consume:forget_turns */")?
        .execute(params![topic.number, now - FORGET_TURN_AFTER_MS])?;
    Ok(())
}
