//! What a person needs: to see, and to decide about what went wrong.

mod decide;
mod list;
mod workers;

use std::sync::Arc;

use async_trait::async_trait;
use deadpool_redis::redis;
use oqron_core::limits::SWEEP_JOBS_MAX;
use oqron_core::{
    Config, Counts, Error, JobRef, JobState, ListQuery, Operate, Operated, Page, TopicName, WorkerRecord,
};

use crate::error::corrupt;
use crate::records::records;
use crate::reply;
use crate::script::{Call, LazyScript, script};
use crate::server::Server;

static COUNTS: LazyScript = script!(" flags=no-writes,allow-oom", "topic", "counts");
static PAUSE: LazyScript = script!(" flags=allow-oom", "topic", "pause");
static RESUME: LazyScript = script!(" flags=allow-oom", "topic", "wake", "resume");
static PURGE: LazyScript = script!(" flags=allow-oom", "topic", "run", "steps", "removal", "purge");

/// Redis for those who operate: a command line, a dashboard. Cheap to clone; all clones share a few connections.
#[derive(Clone, Debug)]
pub struct RedisOperate {
    server: Arc<Server>,
}

impl RedisOperate {
    /// Connects, and checks the versions of the server and of what is stored there.
    ///
    /// # Errors
    /// [`Error::Invalid`] for the URL, or a server older than Redis 7; [`Error::Unavailable`] and
    /// [`Error::AccessDenied`]; [`Error::SchemaTooNew`].
    pub async fn connect(config: &Config) -> Result<Self, Error> {
        Ok(Self {
            server: Arc::new(Server::connect(config).await?),
        })
    }

    fn call(&self, script: &'static LazyScript, topic: &TopicName) -> Call {
        Call::new(script, &[&self.server.keys.topic(topic)])
    }
}

records!(RedisOperate);

#[async_trait]
impl Operate for RedisOperate {
    async fn topics(&self) -> Result<Vec<TopicName>, Error> {
        let mut members = redis::cmd("SMEMBERS");
        members.arg(self.server.keys.topics());
        let mut topics = Vec::new();
        for name in reply::list(self.server.command("list topics", members).await?)? {
            let name = reply::text(name)?;
            topics.push(TopicName::new(name).map_err(|error| corrupt("a topic's name", error.to_string()))?);
        }
        topics.sort();
        Ok(topics)
    }

    async fn counts(&self, topic: &TopicName) -> Result<Counts, Error> {
        let answer = reply::list(self.server.run("count jobs", self.call(&COUNTS, topic)).await?)?;
        if answer.len() != JobState::ALL.len() + 1 {
            return Err(corrupt("an answer", format!("{} counts came", answer.len())));
        }
        let mut counts = Counts::default();
        for (state, number) in JobState::ALL.into_iter().zip(&answer) {
            *counts.of_mut(state) = u64::try_from(reply::number(number)?).unwrap_or(0);
        }
        counts.paused = reply::number(&answer[JobState::ALL.len()])? == 1;
        Ok(counts)
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        list::list(&self.server, query).await
    }

    async fn retry(&self, jobs: &[JobRef]) -> Result<Vec<Operated>, Error> {
        decide::retry(&self.server, jobs).await
    }

    async fn discard(&self, jobs: &[JobRef]) -> Result<Vec<Operated>, Error> {
        decide::discard(&self.server, jobs).await
    }

    async fn pause(&self, topic: &TopicName) -> Result<(), Error> {
        self.server.run("pause a topic", self.call(&PAUSE, topic)).await?;
        Ok(())
    }

    async fn resume(&self, topic: &TopicName) -> Result<(), Error> {
        let call = self
            .call(&RESUME, topic)
            .arg(self.server.keys.worker_channels())
            .arg(topic.as_str());
        self.server.run("resume a topic", call).await?;
        Ok(())
    }

    async fn purge(&self, topic: &TopicName, state: JobState) -> Result<u64, Error> {
        if state == JobState::Active {
            return Err(Error::Invalid {
                what: "state",
                problem: "active jobs cannot be purged; cancel them, or pause the topic and wait".into(),
            });
        }
        let call = self.call(&PURGE, topic).arg(state as u8).arg(SWEEP_JOBS_MAX);
        let removed = reply::number(&self.server.run("purge jobs", call).await?)?;
        Ok(u64::try_from(removed).unwrap_or(0))
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>, Error> {
        workers::workers(&self.server).await
    }
}
