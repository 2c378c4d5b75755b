//! A worker's own channel. In a cluster it is subscribed at every node, masters and replicas: a script counts only the
//! subscribers of its own node, and a replica that takes over has them already.

use std::sync::Arc;

use deadpool_redis::redis::aio::{PubSub, PubSubSink};
use deadpool_redis::redis::{Msg, Value};
use futures::stream::{BoxStream, SelectAll};
use futures::{StreamExt, stream};
use oqron_core::Error;

use crate::listen::Node;
use crate::server::Server;

const ACTION: &str = "listen for messages to this worker";

pub(super) struct Channel {
    server: Arc<Server>,
    name: String,
    lines: Vec<Line>,
    /// Of all lines, by their place; `None` where a line has ended.
    messages: SelectAll<BoxStream<'static, (usize, Option<Msg>)>>,
}

struct Line {
    /// `None` where there is only one server.
    node: Option<Node>,
    sink: PubSubSink,
}

impl Line {
    fn hears(&self, node: &Node) -> bool {
        self.node.as_ref().is_some_and(|heard| heard.is_at(node))
    }
}

impl Channel {
    /// Subscribed everywhere when it answers.
    pub(super) async fn open(server: Arc<Server>, name: String) -> Result<Self, Error> {
        let mut channel = Self {
            server: server.clone(),
            name,
            lines: Vec::new(),
            messages: SelectAll::new(),
        };
        if server.dialer().is_cluster() {
            channel.follow_nodes().await?;
            if channel.lines.is_empty() {
                return Err(server.connection_closed(ACTION));
            }
        } else {
            channel.subscribe(None, server.listen(ACTION).await?).await?;
        }
        Ok(channel)
    }

    /// The next message. An error means that a line has ended.
    ///
    /// # Cancel safety
    /// Dropping the future loses no message.
    pub(super) async fn next(&mut self) -> Result<Msg, Error> {
        loop {
            match self.messages.next().await {
                // A cluster brings each message to every node, so one line is enough to hear it.
                Some((0, Some(message))) => return Ok(message),
                Some((_, Some(_))) => {}
                Some((_, None)) | None => return Err(self.server.connection_closed(ACTION)),
            }
        }
    }

    /// Asks every line for a sign of life, and subscribes at nodes that are new.
    ///
    /// # Cancel safety
    /// What is dropped half way is made up for by the next call.
    pub(super) async fn ping(&mut self) -> Result<(), Error> {
        for line in &mut self.lines {
            // A subscribed connection answers with a list.
            self.server.limited(ACTION, line.sink.ping::<Value>()).await?;
        }
        if self.server.dialer().is_cluster() {
            self.follow_nodes().await?;
        }
        Ok(())
    }

    pub(super) async fn close(mut self) -> Result<(), Error> {
        for line in &mut self.lines {
            self.server
                .limited(ACTION, line.sink.unsubscribe(&self.name))
                .await?;
        }
        Ok(())
    }

    async fn follow_nodes(&mut self) -> Result<(), Error> {
        for node in self.server.nodes(ACTION).await? {
            if self.lines.iter().any(|line| line.hears(&node)) {
                continue;
            }
            let is_master = node.is_master;
            match self.hear(node).await {
                // A replica holds no topic. It is asked again at the next ping, if it is there then.
                Err(error) if !is_master => tracing::debug!(%error, "a replica is not listened to"),
                heard => heard?,
            }
        }
        Ok(())
    }

    async fn hear(&mut self, node: Node) -> Result<(), Error> {
        let listener = self.server.listen_to(&node, ACTION).await?;
        self.subscribe(Some(node), listener).await
    }

    async fn subscribe(&mut self, node: Option<Node>, listener: PubSub) -> Result<(), Error> {
        let (mut sink, stream) = listener.split();
        self.server.limited(ACTION, sink.subscribe(&self.name)).await?;
        let place = self.lines.len();
        let messages = stream.map(Some).chain(stream::once(async { None }));
        self.messages
            .push(messages.map(move |message| (place, message)).boxed());
        self.lines.push(Line { node, sink });
        Ok(())
    }
}
