//! The servers of a benchmark, and a clean place on them for each process that measures: what one has left is never in the
//! way of the next.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use clap::ValueEnum;
use oqron_testing::servers::{
    PostgresOptions, PostgresServer, RedisOptions, RedisServer, find_postgres, find_redis,
};
use serde::{Deserialize, Serialize};

use super::process;
use crate::{
    cargo::Workspace,
    error::Error,
    interrupt::Interrupt,
    run::output_of,
    servers::{Server, install_missing},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Backend {
    /// Without persistence
    Redis,
    /// With `appendfsync everysec`
    RedisEverysec,
    /// With its own defaults: every commit is durable
    Postgres,
    /// A file with `synchronous=FULL`
    Sqlite,
}

impl Backend {
    pub(crate) const ALL: [Self; 4] = [Self::Redis, Self::RedisEverysec, Self::Postgres, Self::Sqlite];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Redis => "Redis",
            Self::RedisEverysec => "Redis, appendfsync everysec",
            Self::Postgres => "PostgreSQL",
            Self::Sqlite => "SQLite",
        }
    }
}

/// In which everybody measures, one after the other.
const DATABASE: &str = "bench";

/// The servers that the chosen backends need. Dropped, they stop.
pub(crate) struct Stage {
    redis: Option<RedisServer>,
    everysec: Option<RedisServer>,
    postgres: Option<PostgresServer>,
    pub(crate) program: PathBuf,
    /// For what programs print, for SQLite files, and for programs that the next build would replace.
    pub(crate) folder: PathBuf,
}

impl Stage {
    pub(crate) fn set(
        backends: &[Backend],
        workspace: &Workspace,
        interrupt: &Interrupt,
    ) -> Result<Self, Error> {
        let wants = |backend| backends.contains(&backend);
        let mut servers = Vec::new();
        if wants(Backend::Redis) || wants(Backend::RedisEverysec) {
            servers.push(Server::Redis);
        }
        if wants(Backend::Postgres) {
            servers.push(Server::Postgres);
        }
        install_missing(&servers, interrupt)?;
        let folder = workspace
            .scratch("bench")
            .join(format!("run-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(Error::io(format!("make the folder {}", folder.display())))?;
        let everysec = RedisOptions::new()
            .setting("appendonly", "yes")
            .setting("appendfsync", "everysec");
        Ok(Self {
            redis: wants(Backend::Redis)
                .then(|| RedisServer::start(RedisOptions::new()))
                .transpose()?,
            everysec: wants(Backend::RedisEverysec)
                .then(|| RedisServer::start(everysec))
                .transpose()?,
            postgres: wants(Backend::Postgres)
                .then(|| PostgresServer::start(PostgresOptions::new()))
                .transpose()?,
            program: workspace.built_for_release("oqron-bench"),
            folder,
        })
    }

    /// The URL of an empty database: what the last one who measured had is gone.
    pub(crate) fn clean(&self, backend: Backend) -> Result<String, Error> {
        match backend {
            Backend::Redis | Backend::RedisEverysec => {
                let server = self.redis(backend)?;
                output_of(redis_cli(server.port())?.args(["FLUSHALL", "SYNC"]))?;
                Ok(server.url())
            }
            Backend::Postgres => {
                let url = self.postgres()?.url();
                sql(&url, &format!("drop database if exists {DATABASE} with (force)"))?;
                sql(&url, &format!("create database {DATABASE}"))?;
                sql(&url, "checkpoint")?;
                let server = url.rsplit_once('/').map_or(url.as_str(), |(server, _)| server);
                Ok(format!("{server}/{DATABASE}"))
            }
            Backend::Sqlite => {
                let folder = self.folder.join("sqlite");
                let _ = fs::remove_dir_all(&folder);
                fs::create_dir_all(&folder)
                    .map_err(Error::io(format!("make the folder {}", folder.display())))?;
                Ok(format!("sqlite:{}", folder.join("jobs.db").display()))
            }
        }
    }

    /// Where the program stands that some sections start, with this backend alone.
    pub(crate) fn process(&self, backend: Backend) -> PathBuf {
        let name = format!("{}-{}", process::PACKAGE, process::feature(backend));
        self.folder.join(name)
    }

    pub(crate) fn redis(&self, backend: Backend) -> Result<&RedisServer, Error> {
        let server = match backend {
            Backend::RedisEverysec => &self.everysec,
            _ => &self.redis,
        };
        server
            .as_ref()
            .ok_or_else(|| Error::found("this Redis was not started"))
    }

    pub(crate) fn postgres(&self) -> Result<&PostgresServer, Error> {
        self.postgres
            .as_ref()
            .ok_or_else(|| Error::found("PostgreSQL was not started"))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What is left in the scratch folder does no harm.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// `redis-cli`, which stands beside the server.
pub(crate) fn redis_cli(port: u16) -> Result<Command, Error> {
    let mut command = Command::new(beside_redis("redis-cli")?);
    command.args(["-p", &port.to_string()]);
    Ok(command)
}

pub(crate) fn beside_redis(program: &str) -> Result<PathBuf, Error> {
    let path = find_redis()?
        .parent()
        .map(|folder| folder.join(program))
        .unwrap_or_default();
    must_exist(path)
}

pub(crate) fn beside_postgres(program: &str) -> Result<PathBuf, Error> {
    must_exist(find_postgres()?.join(program))
}

fn must_exist(path: PathBuf) -> Result<PathBuf, Error> {
    match path.is_file() {
        true => Ok(path),
        false => Err(Error::found(format!(
            "{} is missing; it comes with the tools of the server's package",
            path.display()
        ))),
    }
}

/// Runs one statement and answers its values.
pub(crate) fn sql(url: &str, statement: &str) -> Result<String, Error> {
    let mut psql = Command::new(beside_postgres("psql")?);
    psql.args([url, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
    psql.args(["--set=ON_ERROR_STOP=1", "--command", statement]);
    psql.env("PGOPTIONS", "-c client_min_messages=warning");
    output_of(&mut psql).map(|output| output.trim().to_owned())
}

/// Runs the statements of a file.
pub(crate) fn sql_file(url: &str, file: &Path, variables: &[(&str, String)]) -> Result<(), Error> {
    let mut psql = Command::new(beside_postgres("psql")?);
    psql.args([url, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]);
    for (name, value) in variables {
        psql.arg(format!("--set={name}={value}"));
    }
    output_of(psql.arg("--file").arg(file)).map(drop)
}
