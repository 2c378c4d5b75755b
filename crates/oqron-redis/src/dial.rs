//! How connections are opened: to one server, to the master that sentinels name, or to a whole cluster.

use std::time::Duration;

use deadpool::managed::{Manager, Metrics, RecycleResult};
use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::cluster::{ClusterClient, ClusterClientBuilder};
use deadpool_redis::redis::cluster_async::ClusterConnection;
use deadpool_redis::redis::{
    self, Arg, AsyncConnectionConfig, Cmd, ConnectionInfo, ErrorKind, RedisError, RedisResult,
    ServerErrorKind, TlsCertificates, TlsMode, Value,
};

use crate::address::{Address, Place, Sentinels};
use crate::script::Script;

/// Opens connections of one URL. The pool of them asks it.
pub(crate) struct Dialer {
    pub(crate) road: Road,
    limits: AsyncConnectionConfig,
    pub(crate) certificates: Option<TlsCertificates>,
}

#[cfg_attr(
    not(any(feature = "publish", feature = "consume")),
    allow(dead_code, reason = "who listens to nothing reads less of it")
)]
pub(crate) enum Road {
    One {
        pooled: deadpool_redis::Manager,
        info: ConnectionInfo,
    },
    Sentinel(Sentinels),
    Cluster {
        client: ClusterClient,
        /// User, password and TLS of the nodes.
        template: ConnectionInfo,
    },
}

/// An open connection, shared by all who call. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Wire {
    One(MultiplexedConnection),
    /// A connection to each node, which sends a call where its keys are.
    Cluster(ClusterConnection),
}

impl Dialer {
    /// Each call has a limit of its own, which covers waiting for a connection as well.
    pub(crate) fn new(address: Address, call_timeout: Duration) -> RedisResult<Self> {
        let Address {
            place, certificates, ..
        } = address;
        let limits = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(call_timeout))
            .set_response_timeout(None);
        let road = match place {
            Place::One(info) => Road::One {
                pooled: deadpool_redis::Manager::new_with_config(info.clone(), limits.clone())?,
                info,
            },
            Place::Sentinel(sentinels) => Road::Sentinel(sentinels),
            Place::Cluster(nodes) => Road::Cluster {
                template: nodes[0].clone(),
                client: cluster_client(nodes, certificates.as_ref(), call_timeout)?,
            },
        };
        Ok(Self {
            road,
            limits,
            certificates,
        })
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.road, Road::Cluster { .. })
    }
}

fn cluster_client(
    nodes: Vec<ConnectionInfo>,
    certificates: Option<&TlsCertificates>,
    call_timeout: Duration,
) -> RedisResult<ClusterClient> {
    let mut builder = ClusterClientBuilder::new(nodes)
        .connection_timeout(call_timeout)
        .response_timeout(call_timeout);
    if let Some(certificates) = certificates {
        builder = builder.tls(TlsMode::Secure).certs(certificates.clone());
    }
    builder.build()
}

impl Manager for Dialer {
    type Type = Wire;
    type Error = RedisError;

    async fn create(&self) -> RedisResult<Wire> {
        match &self.road {
            Road::One { pooled, .. } => Ok(Wire::One(pooled.create().await?)),
            Road::Sentinel(sentinels) => {
                let mut client = sentinels.client(self.certificates.as_ref())?;
                let master = client.get_async_connection_with_config(&self.limits).await?;
                Ok(Wire::One(master))
            }
            Road::Cluster { client, .. } => Ok(Wire::Cluster(client.get_async_connection().await?)),
        }
    }

    /// A connection is held until it fails, so none comes back to be used again.
    async fn recycle(&self, _: &mut Wire, _: &Metrics) -> RecycleResult<RedisError> {
        Ok(())
    }
}

impl Wire {
    /// Sends a command; a script that the server does not know (any more) goes with it.
    pub(crate) async fn send(&mut self, command: &Cmd, script: Option<&Script>) -> RedisResult<Value> {
        let answer = self.query(command).await;
        match (answer, script) {
            (Err(error), Some(script)) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.send_with_source(command, script).await
            }
            (answer, _) => answer,
        }
    }

    async fn query(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::One(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }

    async fn send_with_source(&mut self, command: &Cmd, script: &Script) -> RedisResult<Value> {
        if matches!(self, Self::One(_)) {
            let mut load = redis::cmd("SCRIPT");
            load.arg("LOAD").arg(script.source);
            self.query(&load).await?;
            return self.query(command).await;
        }
        // A cluster would send SCRIPT LOAD to every node, and fail where one of them is down. EVAL goes where the keys are.
        let mut eval = redis::cmd("EVAL");
        eval.arg(script.source);
        for argument in command.args_iter().skip(2) {
            if let Arg::Simple(bytes) = argument {
                eval.arg(bytes);
            }
        }
        self.query(&eval).await
    }
}
