//! The backends behind the URLs, with every call written down: what the facade does, with a [`Recording`] in between.

use std::sync::Arc;

use oqron::core::{BackendKind, Consume, Error, Publish};
use oqron::{Config, Publisher, Runtime, WorkerError};
use oqron_pg::{PgConsume, PgPublish};
use oqron_redis::{RedisConsume, RedisPublish};
use oqron_sqlite::{SqliteConsume, SqlitePublish};
use oqron_testing::history::{Recorder, Recording};

pub(crate) async fn publisher(config: &Config, recorder: &Arc<Recorder>) -> Result<Publisher, Error> {
    let backend: Arc<dyn Publish> = match config.url.kind() {
        BackendKind::Sqlite => Arc::new(SqlitePublish::connect(config).await?),
        BackendKind::Redis => Arc::new(RedisPublish::connect(config).await?),
        _ => Arc::new(PgPublish::connect(config).await?),
    };
    let recording = Recording::new(backend, Arc::clone(recorder));
    Ok(Publisher::new(Arc::new(recording), config.clone()))
}

pub(crate) async fn runtime(config: &Config, recorder: &Arc<Recorder>) -> Result<Runtime, WorkerError> {
    let (of_connector, recorder) = (config.clone(), Arc::clone(recorder));
    let connect = move || {
        let (config, recorder) = (of_connector.clone(), Arc::clone(&recorder));
        let connected: futures::future::BoxFuture<'static, _> = Box::pin(async move {
            let backend = consume(&config).await?;
            let recording: Arc<dyn Consume> = Arc::new(Recording::new(backend, recorder));
            Ok(recording)
        });
        connected
    };
    Runtime::connect(Arc::new(connect), config.clone()).await
}

async fn consume(config: &Config) -> Result<Arc<dyn Consume>, Error> {
    Ok(match config.url.kind() {
        BackendKind::Sqlite => Arc::new(SqliteConsume::connect(config).await?),
        BackendKind::Redis => Arc::new(RedisConsume::connect(config).await?),
        _ => Arc::new(PgConsume::connect(config).await?),
    })
}
