//! What a compute node needs: joining, turns, heartbeats, sweeping, and named locks.

mod channel;
mod durability;
mod heartbeat;
mod lease;
mod locks;
mod presence;
mod settlement;
mod sight;
mod turn;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use oqron_core::{
    AbsentLease, Config, Consume, Error, Heartbeat, Presence, Sight, Swept, TopicName, Turn, Turned, Verdict,
    WorkerId, WorkerInfo,
};

use crate::error::forbids;
use crate::reply;
use crate::script::{Call, LazyScript, script};
use crate::server::Server;

static SWEEP: LazyScript = script!(" flags=allow-oom", "topic", "run", "steps", "sweep");

/// Redis for those who work. Cheap to clone; all clones share a few connections.
#[derive(Clone, Debug)]
pub struct RedisConsume {
    server: Arc<Server>,
    runs: Arc<sight::Runs>,
    /// Somebody was told why nobody can be seen.
    blindness_told: Arc<AtomicBool>,
}

impl RedisConsume {
    /// Connects, and checks the versions of the server and of what is stored there. Warns in the log of settings of the
    /// server that would lose jobs.
    ///
    /// # Errors
    /// [`Error::Invalid`] for the URL, or a server older than Redis 7; [`Error::Unavailable`] and
    /// [`Error::AccessDenied`]; [`Error::SchemaTooNew`].
    pub async fn connect(config: &Config) -> Result<Self, Error> {
        let server = Server::connect(config).await?;
        durability::warn_of_losses(&server).await;
        Ok(Self {
            server: Arc::new(server),
            runs: Arc::default(),
            blindness_told: Arc::default(),
        })
    }
}

impl RedisConsume {
    fn tell_of_blindness(&self, error: &Error) {
        if !self.blindness_told.swap(true, Ordering::Relaxed) {
            tracing::info!(
                backend = %self.server.name,
                %error,
                "this server does not show which workers are gone: the jobs of one that dies wait for the end of their \
                 leases; allow its user PUBSUB NUMSUB and INFO"
            );
        }
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

    async fn look(&self, worker: &WorkerId, topics: &[TopicName]) -> Result<Option<Sight>, Error> {
        match sight::look(&self.server, &self.runs, worker, topics).await {
            Err(error) if forbids(&error) => {
                self.tell_of_blindness(&error);
                Ok(None)
            }
            sight => sight.map(Some),
        }
    }

    async fn reclaim(&self, leases: &[AbsentLease]) -> Result<u32, Error> {
        sight::reclaim(&self.server, leases).await
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
