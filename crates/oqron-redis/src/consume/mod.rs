//! What a compute node needs: joining, turns, heartbeats, sweeping, and named locks.

mod heartbeat;
mod lease;
mod locks;
mod presence;
mod settlement;
mod turn;

use std::sync::Arc;

use async_trait::async_trait;
use oqron_core::{
    Config, Consume, Error, Heartbeat, Presence, Swept, TopicName, Turn, Turned, Verdict, WorkerInfo,
};

use crate::reply;
use crate::script::{Call, LazyScript, script};
use crate::server::Server;

static SWEEP: LazyScript = script!(" flags=allow-oom", "topic", "run", "steps", "sweep");

/// Redis for those who work. Cheap to clone; all clones share a few connections.
#[derive(Clone, Debug)]
pub struct RedisConsume {
    server: Arc<Server>,
}

impl RedisConsume {
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
}

#[async_trait]
impl Consume for RedisConsume {
    async fn join(&self, worker: &WorkerInfo) -> Result<Box<dyn Presence>, Error> {
        let presence = presence::RedisPresence::join(self.server.clone(), worker).await?;
        Ok(Box::new(presence))
    }

    async fn turn(&self, turn: &Turn<'_>) -> Result<Turned, Error> {
        turn::turn(&self.server, turn).await
    }

    async fn heartbeat(&self, heartbeat: &Heartbeat<'_>) -> Result<Vec<Verdict>, Error> {
        heartbeat::heartbeat(&self.server, heartbeat).await
    }

    async fn sweep(&self, topic: &TopicName) -> Result<Swept, Error> {
        let call =
            Call::new(&SWEEP, &[&self.server.keys.topic(topic)]).arg(oqron_core::limits::SWEEP_JOBS_MAX);
        let answer = reply::list(self.server.run("sweep", call).await?)?;
        let [records, more] = answer.as_slice() else {
            return Err(crate::error::corrupt("an answer", "a sweep answers two numbers"));
        };
        let records = u32::try_from(reply::number(records)?).unwrap_or(u32::MAX);
        Ok(Swept::new(records, reply::number(more)? == 1))
    }
}
