//! What a web service needs: adding, and waiting for the end of a job.

mod ended;
mod enqueue;
mod replicated;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use oqron_core::{Config, Enqueued, Error, Finished, JobRef, NewJob, Publish, TopicName};

use crate::publish::ended::Ended;
pub(crate) use crate::publish::replicated::Replicated;
use crate::records::records;
use crate::server::Server;

/// Redis for those who push jobs. Cheap to clone; all clones share a few connections.
#[derive(Clone, Debug)]
pub struct RedisPublish {
    server: Arc<Server>,
    limits: oqron_core::Limits,
    /// Topics that this process has put into the list of topics.
    listed: Arc<Mutex<HashSet<TopicName>>>,
    ended: Ended,
}

impl RedisPublish {
    /// Connects, and checks the versions of the server and of what is stored there.
    ///
    /// # Errors
    /// [`Error::Invalid`] for the URL, or a server older than Redis 7; [`Error::Unavailable`] and
    /// [`Error::AccessDenied`]; [`Error::SchemaTooNew`].
    pub async fn connect(config: &Config) -> Result<Self, Error> {
        let server = Arc::new(Server::connect(config).await?);
        Ok(Self {
            ended: Ended::new(server.clone()),
            server,
            limits: config.limits.clone(),
            listed: Arc::default(),
        })
    }
}

records!(RedisPublish);

#[async_trait]
impl Publish for RedisPublish {
    async fn enqueue(&self, topic: &TopicName, jobs: &[NewJob]) -> Result<Vec<Enqueued>, Error> {
        self.add(topic, jobs).await
    }

    async fn finished(&self, job: &JobRef) -> Result<Finished, Error> {
        self.ended.wait(job).await
    }
}
