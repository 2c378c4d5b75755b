/// Why a measurement could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Core(#[from] oqron::Error),
    #[error(transparent)]
    Publish(#[from] oqron::PublishError),
    #[error(transparent)]
    Worker(#[from] oqron::WorkerError),
    #[error("a process or a file: {0}")]
    Io(#[from] std::io::Error),
    #[error("the figures could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("Redis: {0}")]
    Redis(#[from] deadpool_redis::redis::RedisError),
    #[error("PostgreSQL: {0}")]
    Postgres(#[from] tokio_postgres::Error),
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{0}")]
    Found(String),
}
