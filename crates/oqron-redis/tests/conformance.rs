//! Redis runs the suite that every backend runs.

use std::sync::Arc;

use oqron_core::{Config, Error};
use oqron_redis::{RedisConsume, RedisOperate, RedisPublish};
use oqron_testing::conformance::{Backend, Handles};

struct Redis;

#[async_trait::async_trait]
impl Backend for Redis {
    async fn prepare() -> Self {
        Self
    }

    fn url(&self) -> String {
        oqron_testing::servers::redis_url()
    }

    async fn open(&self, config: &Config) -> Result<Handles, Error> {
        Ok(Handles {
            publish: Arc::new(RedisPublish::connect(config).await?),
            consume: Arc::new(RedisConsume::connect(config).await?),
            operate: Arc::new(RedisOperate::connect(config).await?),
        })
    }
}

oqron_testing::conformance!(Redis);
