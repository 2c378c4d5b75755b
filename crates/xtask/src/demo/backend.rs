//! What stands between the API and the workers.

use std::path::{self, Path, PathBuf};

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
    /// A URL as the person in front of the demo gave it.
    pub(super) fn elsewhere(url: &str) -> Result<Self, Error> {
        match url.split_once(':') {
            Some(("memory", _)) => Err(Error::found(
                "memory: is gone with its process, and the API and its workers are three; leave --url out for SQLite",
            )),
            // The programs run in a folder of their own, and the name is meant from here.
            Some(("sqlite", file)) if !file.starts_with('/') => {
                let file = path::absolute(file).map_err(Error::io(format!("find the folder of {file}")))?;
                Ok(Self::Elsewhere(format!("sqlite:{}", file.display())))
            }
            // What else is wrong with it, the programs tell better.
            _ => Ok(Self::Elsewhere(url.to_string())),
        }
    }

    /// One that has no past, so that what it does not know may only be late.
    pub(super) fn is_a_new_server(&self) -> bool {
        matches!(self, Self::Redis(_) | Self::Postgres(_))
    }

    /// A server of somebody else may stand behind a pooler, which hides the end of a connection.
    pub(super) fn shows_deaths(&self) -> bool {
        !matches!(self, Self::Elsewhere(_))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_meant_from_the_folder_in_which_the_demo_was_started() {
        let here = std::env::current_dir().unwrap();
        let url = |given: &str| Started::elsewhere(given).unwrap().url();
        assert_eq!(
            url("sqlite:jobs.db"),
            format!("sqlite:{}/jobs.db", here.display())
        );
        for as_given in [
            "sqlite:/tmp/jobs.db",
            "sqlite:///tmp/jobs.db",
            "redis://u:p@host:1/2",
            "nonsense",
        ] {
            assert_eq!(url(as_given), as_given);
        }
    }

    #[test]
    fn a_password_in_the_url_is_not_shown() {
        let name = Started::elsewhere("postgres://me:secret@host/db").unwrap().name();
        assert_eq!(name, "your postgres server");
    }
}
