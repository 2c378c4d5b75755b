//! PostgreSQL keeps every promise of the conformance suite.

use std::sync::Arc;

use oqron_core::{Config, Error};
use oqron_pg::{PgConsume, PgOperate, PgPublish};
use oqron_testing::conformance::{Backend, Handles};
use oqron_testing::servers::postgres_url;

struct Postgres {
    url: String,
}

#[async_trait::async_trait]
impl Backend for Postgres {
    async fn prepare() -> Self {
        Self { url: postgres_url() }
    }

    fn url(&self) -> String {
        self.url.clone()
    }

    async fn open(&self, config: &Config) -> Result<Handles, Error> {
        Ok(Handles {
            publish: Arc::new(PgPublish::connect(config).await?),
            consume: Arc::new(PgConsume::connect(config).await?),
            operate: Arc::new(PgOperate::connect(config).await?),
        })
    }
}

oqron_testing::conformance!(Postgres);
