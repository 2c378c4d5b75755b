//! Removing what is over its time: records, ids, and what dead workers left behind.

use std::collections::HashSet;

use oqron_core::limits::SWEEP_JOBS_MAX;
use oqron_core::{Error, Swept, TopicName};
use rusqlite::{OptionalExtension, params};

use crate::error::Failed;
use crate::file::Handle;
use crate::lock_file::Owner;
use crate::mailbox::Post;
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
            let expired = remove_expired(step, &topic, step.now.wall.as_millis(), SWEEP_JOBS_MAX)?;
            let records = expired + remove_surplus(step, &topic, SWEEP_JOBS_MAX - expired)?;
            Ok(Swept::new(records as u32, more_ids || records == SWEEP_JOBS_MAX))
        })
        .await
}

/// Removes what is over the number that the job that ended last allows. Answers how many went, `room` at most.
fn remove_surplus(step: &Step<'_>, topic: &Topic, room: usize) -> Result<usize, Failed> {
    let keep: Option<Option<i64>> = step
        .connection
        .prepare_cached(include_str!("../sql/consume/last_keep_count.sql"))?
        .query_row(params![topic.number], |row| row.get(0))
        .optional()?;
    let Some(Some(keep)) = keep else {
        return Ok(0);
    };
    let kept: i64 = step
        .connection
        .prepare_cached(include_str!("../sql/consume/count_kept.sql"))?
        .query_row(params![topic.number], |row| row.get(0))?;
    // Everything expires by the end of time.
    let surplus = usize::try_from(kept.saturating_sub(keep)).unwrap_or(0);
    remove_expired(step, topic, i64::MAX, surplus.min(room))
}

/// Removes records that expire until this time, the first to expire first. Answers how many went.
fn remove_expired(step: &Step<'_>, topic: &Topic, until_ms: i64, max: usize) -> Result<usize, Failed> {
    if max == 0 {
        return Ok(0);
    }
    let max = max as i64;
    step.connection
        .prepare_cached(include_str!("../sql/consume/remember_over_age.sql"))?
        .execute(params![topic.number, until_ms, max, step.now.wall.as_millis()])?;
    Ok(step
        .connection
        .prepare_cached(include_str!("../sql/consume/remove_over_age.sql"))?
        .execute(params![topic.number, until_ms, max])?)
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
