//! SQLite runs the suite that every backend runs, each case on a file of its own.

use std::sync::Arc;

use oqron_core::{Config, Error};
use oqron_sqlite::{SqliteConsume, SqliteOperate, SqlitePublish};
use oqron_testing::conformance::{Backend, Handles};
use tempfile::TempDir;

struct Sqlite {
    folder: TempDir,
}

#[async_trait::async_trait]
impl Backend for Sqlite {
    async fn prepare() -> Self {
        Self {
            folder: tempfile::tempdir().expect("the temporary folder can be written"),
        }
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.folder.path().join("jobs.db").display())
    }

    async fn open(&self, config: &Config) -> Result<Handles, Error> {
        Ok(Handles {
            publish: Arc::new(SqlitePublish::connect(config).await?),
            consume: Arc::new(SqliteConsume::connect(config).await?),
            operate: Arc::new(SqliteOperate::connect(config).await?),
        })
    }
}

oqron_testing::conformance!(Sqlite);
