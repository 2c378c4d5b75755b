//! The URL chooses the backend. Each of the three functions names only the types of its own side, so that a program
//! that publishes links nothing that consumes.

#[cfg(any(feature = "worker", feature = "operate", feature = "publisher"))]
use std::sync::Arc;

use oqron_core::{BackendKind, Config, Error};

/// Connects one side of the backend that the URL names, or says which feature is missing.
macro_rules! connect {
    ($side:path, $config:expr, $redis:ident, $pg:ident, $sqlite:ident, $memory:ident) => {{
        let connected: Result<Arc<dyn $side>, Error> = match $config.url.kind() {
            #[cfg(feature = "sqlite")]
            BackendKind::Sqlite => Ok(Arc::new(Box::pin(oqron_sqlite::$sqlite::connect($config)).await?)),
            #[cfg(feature = "redis")]
            BackendKind::Redis => Ok(Arc::new(Box::pin(oqron_redis::$redis::connect($config)).await?)),
            #[cfg(feature = "postgres")]
            BackendKind::Postgres => Ok(Arc::new(Box::pin(oqron_pg::$pg::connect($config)).await?)),
            #[cfg(feature = "memory")]
            BackendKind::Memory => Ok(Arc::new(oqron_testing::memory::$memory::connect($config).await?)),
            #[allow(unreachable_patterns, reason = "with all features on there is no other kind")]
            kind => Err(feature_missing(kind)),
        };
        connected
    }};
}

/// Connects a publisher to the backend that the configuration's URL names.
///
/// # Errors
/// What the backend says: it cannot be reached, refuses access, or holds data of a newer version; or this build does
/// not have the feature of that backend.
#[cfg(feature = "publisher")]
pub async fn publisher(config: Config) -> Result<oqron_publisher::Publisher, Error> {
    let backend = connect!(
        oqron_core::Publish,
        &config,
        RedisPublish,
        PgPublish,
        SqlitePublish,
        MemoryPublish
    )?;
    Ok(oqron_publisher::Publisher::new(backend, config))
}

/// Connects a runtime for workers to the backend that the configuration's URL names. Add workers, then run it.
///
/// # Errors
/// Those of [`publisher`](crate::publisher).
#[cfg(feature = "worker")]
pub async fn runtime(config: Config) -> Result<oqron_worker::Runtime, oqron_worker::Error> {
    let for_backend = config.clone();
    let connector: oqron_worker::Connector = Arc::new(move || {
        let config = for_backend.clone();
        Box::pin(async move { consume(&config).await })
    });
    oqron_worker::Runtime::connect(connector, config).await
}

#[cfg(feature = "worker")]
async fn consume(config: &Config) -> Result<Arc<dyn oqron_core::Consume>, Error> {
    connect!(
        oqron_core::Consume,
        config,
        RedisConsume,
        PgConsume,
        SqliteConsume,
        MemoryConsume
    )
}

/// Connects what people and their tools need: lists, counts, retrying and discarding dead letters, pausing.
///
/// # Errors
/// Those of [`publisher`](crate::publisher).
#[cfg(feature = "operate")]
pub async fn operator(config: &Config) -> Result<Arc<dyn oqron_core::Operate>, Error> {
    connect!(
        oqron_core::Operate,
        config,
        RedisOperate,
        PgOperate,
        SqliteOperate,
        MemoryOperate
    )
}

fn feature_missing(kind: BackendKind) -> Error {
    let (name, feature) = match kind {
        BackendKind::Sqlite => ("SQLite", "sqlite"),
        BackendKind::Redis => ("Redis", "redis"),
        BackendKind::Postgres => ("PostgreSQL", "postgres"),
        BackendKind::Memory => ("the in-memory backend", "memory"),
        _ => ("this backend", "of its name"),
    };
    Error::Invalid {
        what: "url",
        problem: format!(
            "it names {name}, which this program was built without; enable the feature `{feature}` of the crate oqron"
        ),
    }
}
