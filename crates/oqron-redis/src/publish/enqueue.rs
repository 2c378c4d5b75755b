//! Adding jobs.

use deadpool_redis::redis;
use oqron_core::{EnqueueOutcome, Enqueued, Error, NewJob, TopicName};

use super::RedisPublish;
use crate::error::corrupt;
use crate::job::pack_body;
use crate::reply;
use crate::script::{Call, LazyScript, script};

static ENQUEUE: LazyScript = script!("", "topic", "wake", "enqueue");

impl RedisPublish {
    pub(super) async fn add(&self, topic: &TopicName, jobs: &[NewJob]) -> Result<Vec<Enqueued>, Error> {
        self.limits.check_enqueue(jobs)?;
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        if !self.listed().contains(topic) {
            self.list(topic).await?;
        }
        let mut call = Call::new(&ENQUEUE, &[&self.server.keys.topic(topic)])
            .arg(self.server.keys.worker_channels())
            .arg(topic.as_str());
        let mut body = Vec::new();
        for job in jobs {
            pack_body(job, &mut body);
            call.push(job.id.as_str());
            call.push(body.as_slice());
        }
        let answer = self.server.add("add jobs", topic, call).await?;
        let answer = reply::bytes(answer)?.unwrap_or_default();
        if answer.len() != jobs.len() + 1 {
            return Err(corrupt(
                "an answer",
                format!("{} outcomes came for {} jobs", answer.len(), jobs.len()),
            ));
        }
        if answer[0] == b'1' {
            // A new topic may be one that somebody has removed with the list.
            self.list(topic).await?;
        }
        let outcomes = answer[1..].iter().map(|made| match made {
            b'1' => EnqueueOutcome::Created,
            _ => EnqueueOutcome::Existing,
        });
        Ok(jobs
            .iter()
            .zip(outcomes)
            .map(|(job, outcome)| Enqueued::new(job.id.clone(), outcome))
            .collect())
    }

    /// Puts a topic into the list of topics. The list has a slot of its own in a cluster, so the script cannot do it.
    async fn list(&self, topic: &TopicName) -> Result<(), Error> {
        let mut add = redis::cmd("SADD");
        add.arg(self.server.keys.topics()).arg(topic.as_str());
        self.server.command("list a topic", add).await?;
        self.listed().insert(topic.clone());
        Ok(())
    }

    fn listed(&self) -> std::sync::MutexGuard<'_, std::collections::HashSet<TopicName>> {
        // A set is whole at every moment, so a panic elsewhere has not spoilt it.
        self.listed
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
