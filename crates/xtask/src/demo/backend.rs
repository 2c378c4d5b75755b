//! What stands between the API and the workers.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use oqron_testing::servers::{PostgresOptions, PostgresServer, RedisOptions, RedisServer};

use crate::{
    error::Error,
    interrupt::Interrupt,
    servers::{Server, install_missing},
};

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Backend {
    /// A new file; no server
    Sqlite,
    /// A private redis-server
    Redis,
    /// A private PostgreSQL
    Postgres,
}

/// A backend that is ready. What the demo has started is stopped when this is dropped.
pub(super) enum Started {
    Sqlite(PathBuf),
    Redis(RedisServer),
    Postgres(PostgresServer),
    Elsewhere(String),
}

impl Backend {
    pub(super) fn start(self, folder: &Path, interrupt: &Interrupt) -> Result<Started, Error> {
        Ok(match self {
            Self::Sqlite => Started::Sqlite(folder.join("jobs.db")),
            Self::Redis => {
                install_missing(&[Server::Redis], interrupt)?;
                Started::Redis(RedisServer::start(RedisOptions::new())?)
            }
            Self::Postgres => {
                install_missing(&[Server::Postgres], interrupt)?;
                Started::Postgres(PostgresServer::start(PostgresOptions::new())?)
            }
        })
    }
}

impl Started {
    pub(super) fn elsewhere(url: &str) -> Self {
        Self::Elsewhere(url.to_string())
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::Sqlite(file) => format!("sqlite:{}", file.display()),
            Self::Redis(server) => server.url(),
            Self::Postgres(server) => server.url(),
            Self::Elsewhere(url) => url.clone(),
        }
    }

    /// For people; a URL of somebody else's server may hold a password, so it is not shown.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Sqlite(file) => format!("SQLite in {}", file.display()),
            Self::Redis(server) => format!("Redis on port {}", server.port()),
            Self::Postgres(server) => format!("PostgreSQL on port {}", server.port()),
            Self::Elsewhere(url) => format!("your {} server", url.split(':').next().unwrap_or_default()),
        }
    }
}
