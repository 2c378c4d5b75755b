//! Presence: a subscription to the worker's own channel. Others see it by `PUBSUB NUMSUB`, and messages come over it.

use std::sync::Arc;

use async_trait::async_trait;
use deadpool_redis::redis::{self, Msg};
use oqron_core::{Error, JobId, JobRef, Message, Presence, TopicName, WorkerInfo};

use super::channel::Channel;
use super::heartbeat::seen;
use super::sight::may_look;
use crate::error::corrupt;
use crate::script::{Call, LazyScript, script};
use crate::server::Server;

static LEAVE_TOPIC: LazyScript = script!(" flags=allow-oom", "topic", "leave_topic");

pub(super) struct RedisPresence {
    server: Arc<Server>,
    worker: WorkerInfo,
    channel: Channel,
    is_seen: bool,
}

impl RedisPresence {
    /// Subscribes first, so that nobody sees a worker without a presence and takes it for dead.
    pub(super) async fn join(server: Arc<Server>, worker: &WorkerInfo) -> Result<Self, Error> {
        let description = serde_json::to_string(worker)
            .map_err(|error| corrupt("a worker's description", error.to_string()))?;
        let channel = Channel::open(server.clone(), server.keys.worker_channel(&worker.id)).await?;
        let (is_seen, ()) = futures::try_join!(
            may_look(&server, &worker.id),
            seen(&server, &worker.id, &description)
        )?;
        Ok(Self {
            server,
            worker: worker.clone(),
            channel,
            is_seen,
        })
    }
}

#[async_trait]
impl Presence for RedisPresence {
    async fn next(&mut self) -> Result<Message, Error> {
        loop {
            match read(&self.channel.next().await?) {
                Some(message) => return Ok(message),
                None => tracing::warn!("a message on this worker's channel is not one of Oqron's"),
            }
        }
    }

    async fn ping(&mut self) -> Result<(), Error> {
        self.channel.ping().await
    }

    fn is_seen(&self) -> bool {
        self.is_seen
    }

    async fn leave(self: Box<Self>) -> Result<(), Error> {
        const ACTION: &str = "leave";
        let keys = &self.server.keys;
        for topic in &self.worker.topics {
            let call = Call::new(&LEAVE_TOPIC, &[&keys.topic(topic)]).arg(self.worker.id.as_str());
            self.server.run(ACTION, call).await?;
        }
        let mut forget = redis::cmd("HDEL");
        forget.arg(keys.workers()).arg(self.worker.id.as_str());
        self.server.command(ACTION, forget).await?;
        let mut forget = redis::cmd("ZREM");
        forget.arg(keys.seen()).arg(self.worker.id.as_str());
        self.server.command(ACTION, forget).await?;
        self.channel.close().await
    }
}

/// `wake:<topic>` or `cancel:<topic>:<id>`; a topic has no colon.
fn read(message: &Msg) -> Option<Message> {
    let text = std::str::from_utf8(message.get_payload_bytes()).ok()?;
    let (kind, rest) = text.split_once(':')?;
    match kind {
        "wake" => Some(Message::Wake(TopicName::new(rest).ok()?)),
        "cancel" => {
            let (topic, id) = rest.split_once(':')?;
            Some(Message::Cancel(JobRef::new(
                TopicName::new(topic).ok()?,
                JobId::new(id).ok()?,
            )))
        }
        _ => None,
    }
}
