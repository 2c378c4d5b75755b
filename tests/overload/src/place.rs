//! A backend with a namespace of its own, connected as a test is.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oqron::core::{Counts, JobId, Operate};
use oqron::{Config, Publisher, TopicName};
use oqron_testing::servers::{
    PostgresOptions, PostgresServer, RedisOptions, RedisServer, postgres_url, redis_url,
};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::memory;
use crate::program::Builder;

/// One thing that is waited for takes at most this long. Generous: the machine is busy, and in full size it has much to do.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// A server that is flooded on a machine that does other things as well may take its time.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A look at all processes of a server reads many files.
const SERVER_LOOK_EVERY: Duration = Duration::from_millis(500);

/// Where the jobs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Backend {
    /// A file.
    Sqlite,
    /// A Redis server.
    Redis,
    /// A PostgreSQL server.
    Postgres,
}

/// A server of one's own, or none.
enum Server {
    Shared,
    File(PathBuf),
    Redis(RedisServer),
    Postgres(PostgresServer),
}

/// What looks found.
#[derive(Default)]
struct Peak {
    mib: Option<f64>,
    looked_at: Option<Instant>,
}

/// What a scenario has.
pub struct Place {
    /// With a namespace that nobody else uses.
    pub config: Config,
    /// The publisher of the test itself.
    pub publisher: Publisher,
    /// For counts and lists.
    pub operator: Arc<dyn Operate>,
    /// The program to start, see [`crate::role`].
    pub program: PathBuf,
    folder: TempDir,
    server: Server,
    server_peak: Mutex<Peak>,
    environment: String,
}

impl Place {
    /// On the servers that the tests share.
    pub async fn shared(backend: Backend, program: impl AsRef<Path>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (url, server) = match backend {
            Backend::Sqlite => sqlite(&folder),
            Backend::Redis => (redis_url(), Server::Shared),
            Backend::Postgres => (postgres_url(), Server::Shared),
        };
        Self::at(url, server, folder, program.as_ref()).await
    }

    /// On a server of its own that takes as many connections as there are workers in a crowd.
    pub async fn alone(backend: Backend, program: impl AsRef<Path>) -> Self {
        let connections = 1_500;
        let folder = tempfile::tempdir().unwrap();
        let (url, server) = match backend {
            Backend::Sqlite => sqlite(&folder),
            Backend::Redis => {
                let server = RedisServer::start(RedisOptions::new()).unwrap();
                (server.url(), Server::Redis(server))
            }
            Backend::Postgres => {
                let options = PostgresOptions::new().setting("max_connections", connections.to_string());
                let server = PostgresServer::start(options).unwrap();
                (server.url(), Server::Postgres(server))
            }
        };
        Self::at(url, server, folder, program.as_ref()).await
    }

    /// On a PostgreSQL server that takes only so many connections.
    pub async fn with_few_connections(connections: u32, program: impl AsRef<Path>) -> Self {
        let options = PostgresOptions::new()
            .without_durability()
            .setting("max_connections", connections.to_string())
            .setting("superuser_reserved_connections", "0")
            .setting("max_wal_senders", "0");
        let server = PostgresServer::start(options).unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self::at(server.url(), Server::Postgres(server), folder, program.as_ref()).await
    }

    async fn at(url: String, server: Server, folder: TempDir, program: &Path) -> Self {
        let environment = JobId::generate().to_string();
        let mut config = Config::new(url)
            .unwrap()
            .namespace("overload", &environment)
            .unwrap();
        // The default keeps 10,000, and every job is to be counted at the end.
        config.retention.max_count = None;
        config.call_timeout = CALL_TIMEOUT;
        Self {
            publisher: oqron::publisher(config.clone()).await.unwrap(),
            operator: oqron::operator(&config).await.unwrap(),
            program: program.to_owned(),
            config,
            folder,
            server,
            server_peak: Mutex::default(),
            environment,
        }
    }

    /// A process in this namespace, to be told its role and started.
    pub fn process(&self, role: &str) -> Builder {
        Builder::new(&self.program, self.folder.path(), role)
            .env("OQRON_URL", self.config.url.expose())
            .env("OQRON_PROJECT", "overload")
            .env("OQRON_ENVIRONMENT", &self.environment)
            .env("OQRON_WORKER_NAME", role)
            .env("OQRON_CALL_TIMEOUT", format!("{}s", CALL_TIMEOUT.as_secs()))
    }

    /// How many jobs of a topic there are in each state. Looks at the server's memory, too.
    ///
    /// # Panics
    /// When the backend does not answer.
    pub async fn counts(&self, topic: &TopicName) -> Counts {
        self.server_peak_mib();
        self.operator.counts(topic).await.unwrap()
    }

    /// Waits until so many jobs of a topic have ended with a result, and nothing else is left of it.
    ///
    /// # Panics
    /// When that does not come.
    pub async fn all_completed(&self, topic: &TopicName, jobs: u64) {
        let what = format!("{jobs} completed jobs of {topic}");
        eventually(&what, async || {
            let counts = self.counts(topic).await;
            let all = counts.scheduled + counts.waiting + counts.active + counts.completed;
            assert_eq!((all, counts.failed, counts.cancelled), (jobs, 0, 0), "{counts:?}");
            (counts.completed == jobs).then_some(())
        })
        .await;
    }

    /// The most that any look found of what the backend takes, in MiB, looked at twice a second at most: the memory of a server of one's
    /// own, or the size of a file; `None` of a server that others use too.
    pub fn server_peak_mib(&self) -> Option<f64> {
        let mut peak = self.server_peak.lock().unwrap_or_else(PoisonError::into_inner);
        if peak.looked_at.is_none_or(|at| at.elapsed() > SERVER_LOOK_EVERY) {
            peak.mib = larger(peak.mib, self.server_mib());
            peak.looked_at = Some(Instant::now());
        }
        peak.mib
    }

    fn server_mib(&self) -> Option<f64> {
        match &self.server {
            Server::Shared => None,
            Server::Redis(server) => memory::peak_of(server.pid()?),
            Server::Postgres(server) => Some(memory::family_mib(server.pid()?)),
            Server::File(path) => {
                let folder = std::fs::read_dir(path.parent()?).ok()?.flatten();
                let files = folder.filter(|file| file.file_name().to_string_lossy().starts_with("jobs.db"));
                let bytes: u64 = files
                    .filter_map(|file| file.metadata().ok())
                    .map(|data| data.len())
                    .sum();
                Some(bytes as f64 / (1024.0 * 1024.0))
            }
        }
    }
}

fn larger(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    if b > a { b } else { a }
}

fn sqlite(folder: &TempDir) -> (String, Server) {
    let path = folder.path().join("jobs.db");
    (format!("sqlite:{}", path.display()), Server::File(path))
}

/// Looks until there is something, at most for [`PATIENCE`].
///
/// # Panics
/// When there is nothing by then.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
