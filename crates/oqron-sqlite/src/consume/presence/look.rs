//! Finding out what has changed, for a worker that nobody can send to: every 50 ms it asks SQLite whether any process
//! has committed, and looks closer only then.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use oqron_core::{Error, JobRef, Message, TopicName, WorkerId, WorkerInfo};
use rusqlite::params;

use crate::column::{id_text, job_id};
use crate::error::Failed;
use crate::file::Handle;
use crate::step::{OVERDUE_AFTER_MS, Step};

const EVERY: Duration = Duration::from_millis(50);

pub(super) struct Look {
    worker: WorkerId,
    topics: Vec<TopicName>,
    version: Option<i64>,
    /// When the next scheduled job of a topic was due at the last look.
    due: HashMap<TopicName, i64>,
    told: HashSet<JobRef>,
    messages: VecDeque<Message>,
}

/// What a look finds.
struct Found {
    version: i64,
    /// Topics, whether somebody must come to them now, and when the next scheduled job is due.
    topics: Vec<(TopicName, bool, Option<i64>)>,
    cancels: Vec<JobRef>,
}

impl Look {
    pub(super) fn new(info: &WorkerInfo) -> Self {
        Self {
            worker: info.id.clone(),
            topics: info.topics.clone(),
            version: None,
            due: HashMap::new(),
            told: HashSet::new(),
            messages: VecDeque::new(),
        }
    }

    pub(super) async fn next(&mut self, handle: &Handle) -> Result<Message, Error> {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return Ok(message);
            }
            tokio::time::sleep(EVERY).await;
            let (namespace, worker, topics) =
                (handle.namespace.clone(), self.worker.clone(), self.topics.clone());
            let known = self.version;
            let found = handle
                .read("look for changes", move |step| {
                    let version = step
                        .connection
                        .pragma_query_value(None, "data_version", |row| row.get(0))?;
                    if known == Some(version) {
                        return Ok(None);
                    }
                    look_closer(step, &namespace, &worker, &topics, version).map(Some)
                })
                .await?;
            if let Some(found) = found {
                self.take_in(found);
            }
        }
    }

    fn take_in(&mut self, found: Found) {
        self.version = Some(found.version);
        for (topic, is_wanted, due) in found.topics {
            let known = match due {
                Some(due) => self.due.insert(topic.clone(), due),
                None => self.due.remove(&topic),
            };
            let is_earlier = due.is_some_and(|due| known.is_none_or(|known| due < known));
            if is_wanted || is_earlier {
                self.messages.push_back(Message::Wake(topic));
            }
        }
        let cancels: HashSet<JobRef> = found.cancels.into_iter().collect();
        let new = cancels.difference(&self.told).cloned().map(Message::Cancel);
        self.messages.extend(new);
        self.told = cancels;
    }
}

fn look_closer(
    step: &Step<'_>,
    namespace: &oqron_core::Namespace,
    worker: &WorkerId,
    topics: &[TopicName],
    version: i64,
) -> Result<Found, Failed> {
    let mut found = Found {
        version,
        topics: Vec::new(),
        cancels: Vec::new(),
    };
    for name in topics {
        let Some(topic) = step.known_topic(namespace, name)? else {
            continue;
        };
        let now = step.now.wall.as_millis();
        let (is_waiting, due, has_unknown_leases): (bool, _, bool) = step
            .connection
            .prepare_cached(include_str!("../../sql/consume/look.sql"))?
            .query_row(
                params![topic.number, now - step.now.boot_ms, now - OVERDUE_AFTER_MS],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )?;
        found
            .topics
            .push((name.clone(), is_waiting || has_unknown_leases, due));
        let ids: Vec<String> = step
            .connection
            .prepare_cached(include_str!("../../sql/consume/flagged.sql"))?
            .query_map(params![topic.number, worker.as_str()], |row| id_text(row, 0))?
            .collect::<Result<_, _>>()?;
        let ids = ids.into_iter().filter_map(|id| job_id(id).ok());
        found.cancels.extend(ids.map(|id| JobRef::new(name.clone(), id)));
    }
    Ok(found)
}
