//! Whose presence has ended, and what they still hold.

use std::sync::Arc;

use oqron_core::limits::LOOK_LEASES_MAX;
use oqron_core::{AbsentLease, Error, Sight, TopicName, WORKER_GONE, WorkerId};
use rusqlite::params;

use super::settle::Effects;
use super::stall::stall;
use crate::column::{id_text, job_id, token};
use crate::error::Failed;
use crate::file::Handle;
use crate::history::to_json;
use crate::lock_file::Owner;
use crate::mailbox::Post;
use crate::slot::{read_slots, stored_token};
use crate::step::{Step, Topic};

/// Reads only: it takes no lock that a writer waits for.
pub(super) async fn look(
    handle: &Handle,
    worker: &WorkerId,
    topics: &[TopicName],
) -> Result<Option<Sight>, Error> {
    let post = Arc::clone(&handle.file.post);
    let (namespace_name, worker, topics) = (handle.namespace.clone(), worker.clone(), topics.to_vec());
    handle
        .read("look who is present", move |step| {
            let mut sight = Sight::default();
            let Some(namespace) = step.known_namespace(&namespace_name)? else {
                return Ok(Some(sight));
            };
            let Some(gone) = gone_workers(step, namespace, &post)? else {
                return Ok(None);
            };
            for name in &topics {
                let Some(topic) = step.known_topic(&namespace_name, name)? else {
                    continue;
                };
                sight.others = sight.others || do_others_hold(step, &topic, &worker)?;
                if !gone.is_empty() {
                    absent_leases(step, &topic, &gone, &mut sight.absent)?;
                }
            }
            Ok(Some(sight))
        })
        .await
}

/// Workers that have joined and did not leave, and whose lock is free. `None` where no worker can be seen.
fn gone_workers(step: &Step<'_>, namespace: i64, post: &Post) -> Result<Option<Vec<String>>, Failed> {
    let mut statement = step
        .connection
        .prepare_cached(include_str!("../sql/consume/joined.sql"))?;
    let mut rows = statement.query(params![namespace])?;
    let (mut gone, mut seen, mut unseen) = (Vec::new(), 0, 0);
    while let Some(row) = rows.next()? {
        let (worker, mailbox, is_seen): (String, String, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if !is_seen {
            unseen += 1;
            continue;
        }
        seen += 1;
        if post.owner(&mailbox) == Owner::Gone {
            gone.push(worker);
        }
    }
    Ok((seen > 0 || unseen == 0).then_some(gone))
}

fn do_others_hold(step: &Step<'_>, topic: &Topic, worker: &WorkerId) -> Result<bool, Failed> {
    Ok(step
        .connection
        .prepare_cached(include_str!("../sql/consume/do_others_hold.sql"))?
        .query_row(params![topic.number, worker.as_str()], |row| row.get(0))?)
}

fn absent_leases(
    step: &Step<'_>,
    topic: &Topic,
    gone: &[String],
    absent: &mut Vec<AbsentLease>,
) -> Result<(), Failed> {
    let mut statement = step
        .connection
        .prepare_cached(include_str!("../sql/consume/absent_leases.sql"))?;
    let mut rows = statement.query(params![topic.number, to_json(gone), LOOK_LEASES_MAX as i64])?;
    while let Some(row) = rows.next()? {
        let (id, lease_token, ends): (String, i64, i64) = (id_text(row, 0)?, row.get(1)?, row.get(2)?);
        // What cannot be read is left to the end of its lease.
        if let (Ok(id), Ok(lease_token), Ok(ends)) = (job_id(id), token(lease_token), u64::try_from(ends)) {
            absent.push(AbsentLease::new(topic.name.clone(), id, lease_token, ends));
        }
    }
    Ok(())
}

pub(super) async fn reclaim(handle: &Handle, leases: &[AbsentLease]) -> Result<u32, Error> {
    let mut ended = 0;
    for leases in leases.chunks(LOOK_LEASES_MAX) {
        let (namespace, leases) = (handle.namespace.clone(), leases.to_vec());
        ended += handle
            .write("reclaim leases", move |step| {
                let mut ended = 0;
                // Each topic's leases stand together: so a look answers.
                for of_topic in leases.chunk_by(|one, next| one.topic == next.topic) {
                    if let Some(topic) = step.known_topic(&namespace, &of_topic[0].topic)? {
                        ended += reclaim_in(step, &topic, of_topic)?;
                    }
                }
                Ok(ended)
            })
            .await?;
    }
    Ok(ended)
}

fn reclaim_in(step: &Step<'_>, topic: &Topic, leases: &[AbsentLease]) -> Result<u32, Failed> {
    let mut effects = Effects::default();
    let mut ended = 0;
    for lease in leases {
        let (Ok(token), Ok(ends)) = (stored_token(lease.token), i64::try_from(lease.until)) else {
            continue;
        };
        let unchanged = read_slots(
            step,
            include_str!("../sql/consume/unchanged_lease.sql"),
            params![topic.number, lease.id.as_str(), token, ends],
        )?;
        for slot in unchanged {
            stall(step, topic, &slot, WORKER_GONE, &mut effects)?;
            ended += 1;
        }
    }
    step.tell_watchers(topic, effects.ended.iter().map(String::as_str))?;
    if !step.is_paused(topic)? {
        step.wake(topic, effects.requeued)?;
    }
    Ok(ended)
}
