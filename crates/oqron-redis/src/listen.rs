//! Connections for subscriptions. They are outside the pool: each belongs to one listener for its whole life.

use deadpool_redis::redis::aio::PubSub;
use deadpool_redis::redis::{self, Client, ConnectionAddr, RedisResult};
use oqron_core::Error;

use crate::address::with_certificates;
use crate::dial::{Dialer, Road};
use crate::error::from_redis;
use crate::reply;
use crate::server::Server;

/// A node of a cluster, as the others know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Empty for one that does not know its own address yet: the one in the URL.
    pub(crate) host: String,
    pub(crate) port: u16,
    #[cfg_attr(not(feature = "consume"), allow(dead_code, reason = "only a presence cares"))]
    pub(crate) is_master: bool,
}

#[cfg(feature = "consume")]
impl Node {
    pub(crate) fn is_at(&self, other: &Self) -> bool {
        (&self.host, self.port) == (&other.host, other.port)
    }
}

impl Dialer {
    /// A connection for subscriptions: to the server, or to the master. In a cluster, to a node of the URL.
    async fn listen(&self) -> RedisResult<PubSub> {
        match &self.road {
            Road::One { info, .. } => Client::open(info.clone())?.get_async_pubsub().await,
            Road::Sentinel(sentinels) => {
                let mut client = sentinels.client(self.certificates.as_ref())?;
                client.async_get_client().await?.get_async_pubsub().await
            }
            Road::Cluster { template, .. } => Client::open(template.clone())?.get_async_pubsub().await,
        }
    }

    async fn listen_to_node(&self, node: &Node) -> RedisResult<PubSub> {
        let template = match &self.road {
            Road::Cluster { template, .. } if !node.host.is_empty() => template.clone(),
            _ => return self.listen().await,
        };
        let (host, port) = (node.host.clone(), node.port);
        let address = match self.certificates {
            None => ConnectionAddr::Tcp(host, port),
            Some(_) => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            },
        };
        let info = with_certificates(template.set_addr(address), self.certificates.as_ref())?;
        Client::open(info)?.get_async_pubsub().await
    }
}

impl Server {
    /// Listens where every message arrives: at the server, or in a cluster at any node that answers.
    pub(crate) async fn listen(&self, action: &'static str) -> Result<PubSub, Error> {
        if !self.dialer().is_cluster() {
            return self.limited(action, self.dialer().listen()).await;
        }
        let mut refused = None;
        for node in self.nodes(action).await? {
            match self.listen_to(&node, action).await {
                Ok(listener) => return Ok(listener),
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.unwrap_or_else(|| self.connection_closed(action)))
    }

    pub(crate) async fn listen_to(&self, node: &Node, action: &'static str) -> Result<PubSub, Error> {
        let listening = self.dialer().listen_to_node(node);
        self.limited(action, listening).await
    }

    /// The nodes of a cluster that are not known to be down, replicas as well.
    pub(crate) async fn nodes(&self, action: &'static str) -> Result<Vec<Node>, Error> {
        let mut command = redis::cmd("CLUSTER");
        command.arg("NODES");
        let text = reply::text(self.command(action, command).await?)?;
        Ok(text.lines().filter_map(read_node).collect())
    }

    /// Awaits a step of a listener within `call_timeout`.
    pub(crate) async fn limited<T>(
        &self,
        action: &'static str,
        step: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(self.call_timeout, step).await {
            Ok(result) => result.map_err(|error| from_redis(&self.name, action, &error)),
            Err(_) => Err(self.timeout(action)),
        }
    }

    pub(crate) fn connection_closed(&self, action: &'static str) -> Error {
        Error::Unavailable {
            backend: self.name.clone(),
            action,
            problem: "the server closed the connection".into(),
        }
    }
}

/// A line of `CLUSTER NODES`: `id ip:port@bus-port[,name] flags …`.
fn read_node(line: &str) -> Option<Node> {
    let mut words = line.split(' ');
    let (address, flags) = (words.nth(1)?, words.next()?);
    let is_down = |flag: &str| matches!(flag, "fail" | "fail?" | "handshake" | "noaddr");
    if flags.split(',').any(is_down) {
        return None;
    }
    let (host, port) = address.split('@').next()?.rsplit_once(':')?;
    Some(Node {
        host: host.to_owned(),
        port: port.parse().ok()?,
        is_master: flags.split(',').any(|flag| flag == "master"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_are_down_are_left_out() {
        let text = "\
a1 127.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-5460
a2 127.0.0.1:7001@17001,shard-2.example master - 0 1 2 connected 5461-10922
a3 ::1:7002@17002 slave a1 0 1 1 connected
a4 127.0.0.1:7003@17003 master,fail - 0 1 3 disconnected
a5 127.0.0.1:7004@17004 slave,fail? a1 0 1 1 connected
a6 :0@0 master,noaddr - 0 0 0 disconnected
a7 127.0.0.1:7005@17005 handshake - 0 0 0 connected
a8 :7006@17006 myself,master - 0 0 0 connected
nonsense
";
        let nodes: Vec<_> = text.lines().filter_map(read_node).collect();
        let expected = [
            ("127.0.0.1", 7000, true),
            ("127.0.0.1", 7001, true),
            ("::1", 7002, false),
            ("", 7006, true),
        ];
        let node = |(host, port, is_master): (&str, u16, bool)| Node {
            host: host.to_owned(),
            port,
            is_master,
        };
        assert_eq!(nodes, expected.map(node));
    }
}
