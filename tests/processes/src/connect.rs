//! The backends behind the URLs, each recorded. It does what the facade does, with a [`Recording`] in between.

use std::sync::Arc;

use oqron::Config;
use oqron::core::BackendKind;
use oqron::core::{Consume, Error, Publish};
use oqron::{Publisher, Runtime, WorkerError};
use oqron_pg::{PgConsume, PgPublish};
use oqron_redis::{RedisConsume, RedisPublish};
use oqron_sqlite::{SqliteConsume, SqlitePublish};
use oqron_testing::history::{Recorder, Recording};

/// A publisher whose every call is written down.
///
/// # Errors
/// What the backend says.
pub async fn publisher(config: Config, recorder: Arc<Recorder>) -> Result<Publisher, Error> {
    let backend: Arc<dyn Publish> = match config.url.kind() {
        BackendKind::Sqlite => Arc::new(SqlitePublish::connect(&config).await?),
        BackendKind::Redis => Arc::new(RedisPublish::connect(&config).await?),
        _ => Arc::new(PgPublish::connect(&config).await?),
    };
    Ok(Publisher::new(
        Arc::new(Recording::new(backend, recorder)),
        config,
    ))
}

/// A runtime whose every call is written down.
///
/// # Errors
/// What the backend says.
pub async fn runtime(config: Config, recorder: Arc<Recorder>) -> Result<Runtime, WorkerError> {
    let of_connector = config.clone();
    let connect = move || {
        let (config, recorder) = (of_connector.clone(), Arc::clone(&recorder));
        let connected: futures::future::BoxFuture<'static, _> = Box::pin(async move {
            let backend = consume(&config).await?;
            let recording: Arc<dyn Consume> = Arc::new(Recording::new(backend, recorder));
            Ok(recording)
        });
        connected
    };
    Runtime::connect(Arc::new(connect), config).await
}

async fn consume(config: &Config) -> Result<Arc<dyn Consume>, Error> {
    Ok(match config.url.kind() {
        BackendKind::Sqlite => Arc::new(SqliteConsume::connect(config).await?),
        BackendKind::Redis => Arc::new(RedisConsume::connect(config).await?),
        _ => Arc::new(PgConsume::connect(config).await?),
    })
}
