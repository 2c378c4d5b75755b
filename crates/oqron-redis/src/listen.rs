//! Connections for subscriptions. They are outside the pool: each belongs to one listener for its whole life.

use deadpool_redis::redis::aio::PubSub;
use deadpool_redis::redis::{Client, RedisResult};
use oqron_core::Error;

use crate::error::from_redis;
use crate::server::Server;

impl Server {
    pub(crate) async fn listen(&self, action: &'static str) -> Result<PubSub, Error> {
        self.limited(action, async {
            let client = Client::open(self.info.clone())?;
            client.get_async_pubsub().await
        })
        .await
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
