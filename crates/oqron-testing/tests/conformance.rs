//! The in-memory backend runs the suite that it is the model of.

use std::sync::Arc;

use oqron_core::{Config, Error};
use oqron_testing::conformance::{Backend, Handles};
use oqron_testing::memory::{MemoryConsume, MemoryOperate, MemoryPublish};

struct Memory;

#[async_trait::async_trait]
impl Backend for Memory {
    async fn prepare() -> Self {
        Self
    }

    fn url(&self) -> String {
        "memory:conformance".into()
    }

    async fn open(&self, config: &Config) -> Result<Handles, Error> {
        Ok(Handles {
            publish: Arc::new(MemoryPublish::connect(config).await?),
            consume: Arc::new(MemoryConsume::connect(config).await?),
            operate: Arc::new(MemoryOperate::connect(config).await?),
        })
    }
}

oqron_testing::conformance!(Memory);
