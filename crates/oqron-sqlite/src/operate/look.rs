//! Topics, counts and workers.

use std::sync::Arc;

use oqron_core::{Counts, Error, JobState, Timestamp, TopicName, WorkerInfo, WorkerRecord};
use rusqlite::{OptionalExtension, params};

use crate::error::corrupt;
use crate::file::Handle;
use crate::history::from_json;
use crate::lock_file::Owner;

/// A worker is listed for so long after it was heard of last, present or not.
const LIST_WORKER_FOR_MS: i64 = 90_000;

pub(super) async fn topics(handle: &Handle) -> Result<Vec<TopicName>, Error> {
    let namespace = handle.namespace.clone();
    handle
        .read("list the topics", move |step| {
            let Some(namespace) = step.known_namespace(&namespace)? else {
                return Ok(Vec::new());
            };
            let names: Vec<String> = step
                .connection
                .prepare_cached(include_str!("../sql/operate/topics.sql"))?
                .query_map(params![namespace], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            let topics = names.into_iter().map(|name| {
                TopicName::new(name).map_err(|error| corrupt("a topic's name", error.to_string()))
            });
            Ok(topics.collect::<Result<_, _>>()?)
        })
        .await
}

pub(super) async fn counts(handle: &Handle, topic: &TopicName) -> Result<Counts, Error> {
    let (namespace, topic) = (handle.namespace.clone(), topic.clone());
    handle
        .read("count jobs", move |step| {
            let mut counts = Counts::default();
            let Some(topic) = step.known_topic(&namespace, &topic)? else {
                return Ok(counts);
            };
            let found = step
                .connection
                .prepare_cached(include_str!("../sql/operate/counts.sql"))?
                .query_row(params![topic.number], |row| {
                    for (index, state) in JobState::ALL.into_iter().enumerate() {
                        *counts.of_mut(state) = row.get::<_, i64>(index)?.unsigned_abs();
                    }
                    counts.paused = row.get(JobState::ALL.len())?;
                    Ok(counts)
                })
                .optional()?;
            Ok(found.unwrap_or_default())
        })
        .await
}

pub(super) async fn workers(handle: &Handle) -> Result<Vec<WorkerRecord>, Error> {
    let namespace = handle.namespace.clone();
    let post = Arc::clone(&handle.file.post);
    handle
        .read("list the workers", move |step| {
            let Some(namespace) = step.known_namespace(&namespace)? else {
                return Ok(Vec::new());
            };
            let rows: Vec<(String, i64, String)> = step
                .connection
                .prepare_cached(include_str!("../sql/operate/workers.sql"))?
                .query_map(params![namespace], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?
                .collect::<Result<_, _>>()?;
            let recent = step.now.wall.as_millis() - LIST_WORKER_FOR_MS;
            let mut workers = Vec::new();
            for (info, seen_at, mailbox) in rows {
                if seen_at >= recent || post.owner(&mailbox) == Owner::Lives {
                    match from_json::<WorkerInfo>("a worker", &info) {
                        Ok(info) => workers.push(WorkerRecord::new(info, Timestamp::from_millis(seen_at))),
                        Err(error) => tracing::warn!(%error, "a worker is left out of the list"),
                    }
                }
            }
            Ok(workers)
        })
        .await
}
