//! The server: a few shared connections out of a pool, and calls of scripts over them, each within `call_timeout`.
//!
//! The connections are multiplexed, so calls of many tasks share round trips on one of them and none waits for another's
//! answer. A connection is held until it fails; then it leaves the pool, and the next call opens another one.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Object, Pool, PoolError, TimeoutType};
use deadpool_redis::redis::{self, Cmd, RedisError, Value};
use oqron_core::{Config, Error};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::address::read_url;
use crate::dial::{Dialer, Wire};
use crate::error::from_redis;
use crate::keys::Keys;
#[cfg(feature = "publish")]
use crate::publish::Replicated;
use crate::reply;
use crate::script::{Call, LazyScript, Script, script};

/// Shared connections a process. The server has one thread, so more of them bring only more system calls; but a large
/// payload does not hold up what goes over another one.
const CONNECTIONS: usize = 3;
/// The layout of keys and records that this version writes.
const SCHEMA_VERSION: u64 = 1;
const OLDEST_MAJOR: u32 = 7;

static SCHEMA: LazyScript = script!(" flags=allow-oom", "schema");

pub(crate) struct Server {
    pub(crate) keys: Keys,
    pub(crate) call_timeout: Duration,
    pub(crate) name: String,
    /// For adds that wait for replicas.
    #[cfg(feature = "publish")]
    pub(crate) replicated: Replicated,
    pool: Pool<Dialer>,
    lines: [Line; CONNECTIONS],
    next: AtomicUsize,
}

/// One shared connection.
pub(crate) struct Line {
    connection: Mutex<Option<Held>>,
    /// One task opens, the others wait for it.
    opening: Semaphore,
}

/// The number tells a connection that failed from the one that has replaced it.
struct Held {
    number: u64,
    connection: Object<Dialer>,
}

impl Server {
    /// Reads the URL, connects, and checks the versions of the server and of what is stored.
    pub(crate) async fn connect(config: &Config) -> Result<Self, Error> {
        let address = read_url(&config.url)?;
        let name = config.url.redacted();
        #[cfg(feature = "publish")]
        let replicated = Replicated::new(address.wait_replicas);
        let dialer = Dialer::new(address, config.call_timeout)
            .map_err(|error| from_redis(&name, "connect", &error))?;
        let pool = Pool::builder(dialer)
            .max_size(CONNECTIONS + 1)
            .wait_timeout(Some(config.call_timeout))
            .create_timeout(Some(config.call_timeout))
            .recycle_timeout(Some(config.call_timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::Invalid {
                what: "pool",
                problem: error.to_string(),
            })?;
        let server = Self {
            keys: Keys::new(config.namespace.clone()),
            call_timeout: config.call_timeout,
            name,
            #[cfg(feature = "publish")]
            replicated,
            pool,
            lines: std::array::from_fn(|_| Line::new()),
            next: AtomicUsize::new(0),
        };
        server.check_server_version().await?;
        server.check_schema().await?;
        Ok(server)
    }

    /// HELLO answers the version without any right beyond that to connect; servers without it are too old.
    async fn check_server_version(&self) -> Result<(), Error> {
        const ACTION: &str = "ask for its version";
        if self.dialer().is_cluster() {
            return self.check_node_versions(ACTION).await;
        }
        let answer = match self.command(ACTION, redis::cmd("HELLO")).await {
            Err(Error::Backend { problem, .. }) if problem.to_lowercase().contains("unknown command") => {
                return Err(self.too_old("older than 6"));
            }
            answer => answer?,
        };
        let pairs: Vec<(String, Value)> = redis::from_redis_value(answer).unwrap_or_default();
        let version = pairs
            .into_iter()
            .find(|(name, _)| name == "version")
            .map(|(_, value)| value);
        let version = version.map_or_else(|| Ok(String::new()), reply::text)?;
        self.check_version(&version)
    }

    /// In a cluster a call without a key goes to any node, and each may be of another version.
    async fn check_node_versions(&self, action: &'static str) -> Result<(), Error> {
        for info in self.info(action, "server").await? {
            self.check_version(reply::info_field(&info, "redis_version").unwrap_or_default())?;
        }
        Ok(())
    }

    fn check_version(&self, version: &str) -> Result<(), Error> {
        let major = version
            .split('.')
            .next()
            .and_then(|major| major.parse::<u32>().ok());
        match major {
            Some(major) if major < OLDEST_MAJOR => Err(self.too_old(version)),
            _ => Ok(()),
        }
    }

    fn too_old(&self, version: &str) -> Error {
        Error::Invalid {
            what: "url",
            problem: format!(
                "{} is Redis {version}, and Oqron needs {OLDEST_MAJOR} or newer",
                self.name
            ),
        }
    }

    /// A section of `INFO`: one text, or in a cluster one of each node that takes writes.
    pub(crate) async fn info(&self, action: &'static str, section: &str) -> Result<Vec<String>, Error> {
        let mut command = redis::cmd("INFO");
        command.arg(section);
        match self.command(action, command).await? {
            Value::Map(nodes) => nodes.into_iter().map(|(_, text)| reply::text(text)).collect(),
            text => Ok(vec![reply::text(text)?]),
        }
    }

    pub(crate) fn dialer(&self) -> &Dialer {
        self.pool.manager()
    }

    async fn check_schema(&self) -> Result<(), Error> {
        let key = self.keys.schema();
        let call = Call::new(&SCHEMA, &[&key]).arg(SCHEMA_VERSION);
        let found = reply::text(self.run("read the version of its data", call).await?)?;
        let found: u64 = found.parse().map_err(|_| Error::Corrupt {
            what: "the schema version",
            problem: format!("{found:?} is no number (key {key})"),
        })?;
        if found > SCHEMA_VERSION {
            return Err(Error::SchemaTooNew {
                backend: self.name.clone(),
                found,
                supported: SCHEMA_VERSION,
            });
        }
        Ok(())
    }

    /// Calls a script; one that the server does not know (any more) is sent to it first.
    pub(crate) async fn run(&self, action: &'static str, call: Call) -> Result<Value, Error> {
        self.within_limit(action, &call.command, Some(call.script)).await
    }

    /// Sends a single command.
    pub(crate) async fn command(&self, action: &'static str, command: Cmd) -> Result<Value, Error> {
        self.within_limit(action, &command, None).await
    }

    /// A connection that broke while nobody used it shows only at the next call. Everything that is sent here may be sent
    /// again, so that call is made until a connection that was opened for it fails as well.
    async fn within_limit(
        &self,
        action: &'static str,
        command: &Cmd,
        script: Option<&Script>,
    ) -> Result<Value, Error> {
        let deadline = Instant::now() + self.call_timeout;
        let mut repeats_left = CONNECTIONS;
        loop {
            let line = &self.lines[self.next.fetch_add(1, Ordering::Relaxed) % CONNECTIONS];
            let (number, mut connection, is_fresh) = match timeout_at(deadline, self.open(line)).await {
                Ok(Ok(opened)) => opened,
                Ok(Err(error)) => return Err(self.pool_error(action, error)),
                Err(_) => return Err(self.no_connection(action)),
            };
            match timeout_at(deadline, connection.send(command, script)).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) if is_lost(&error) => {
                    line.close(number);
                    if is_fresh || repeats_left == 0 {
                        return Err(from_redis(&self.name, action, &error));
                    }
                    repeats_left -= 1;
                }
                Ok(Err(error)) => return Err(from_redis(&self.name, action, &error)),
                Err(_) => {
                    // The connection may be one whose other end is gone without a word.
                    line.close(number);
                    return Err(self.timeout(action));
                }
            }
        }
    }

    pub(crate) async fn open(&self, line: &Line) -> Result<(u64, Wire, bool), PoolError<RedisError>> {
        static NUMBERS: AtomicUsize = AtomicUsize::new(0);
        if let Some((number, connection)) = line.current() {
            return Ok((number, connection, false));
        }
        let _permit = line
            .opening
            .acquire()
            .await
            .expect("the semaphore is never closed");
        if let Some((number, connection)) = line.current() {
            return Ok((number, connection, false));
        }
        let connection = self.pool.get().await?;
        let shared: Wire = (*connection).clone();
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed) as u64;
        *line.held() = Some(Held { number, connection });
        Ok((number, shared, true))
    }

    pub(crate) fn timeout(&self, action: &'static str) -> Error {
        Error::Timeout {
            backend: self.name.clone(),
            action,
            after: self.call_timeout,
        }
    }

    fn no_connection(&self, action: &'static str) -> Error {
        Error::Unavailable {
            backend: self.name.clone(),
            action,
            problem: format!(
                "no connection within {:?}; is the server running, is the address right, and does a firewall stand between?",
                self.call_timeout
            ),
        }
    }

    pub(crate) fn pool_error(&self, action: &'static str, error: PoolError<RedisError>) -> Error {
        match error {
            PoolError::Backend(error) => from_redis(&self.name, action, &error),
            PoolError::Timeout(TimeoutType::Create) => self.no_connection(action),
            PoolError::Timeout(_) => self.timeout(action),
            error => Error::Unavailable {
                backend: self.name.clone(),
                action,
                problem: error.to_string(),
            },
        }
    }
}

/// Whether another connection may do better: it broke, or the server is no master any more.
pub(crate) fn is_lost(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error() || error.code() == Some("READONLY")
}

impl Line {
    pub(crate) fn new() -> Self {
        Self {
            connection: Mutex::new(None),
            opening: Semaphore::new(1),
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<Held>> {
        // What it guards is whole at every moment, so a panic elsewhere has not spoilt it.
        self.connection
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn current(&self) -> Option<(u64, Wire)> {
        let held = self.held();
        held.as_ref()
            .map(|held| (held.number, (*held.connection).clone()))
    }

    pub(crate) fn close(&self, number: u64) {
        let mut held = self.held();
        if let Some(failed) = held.take_if(|held| held.number == number) {
            drop(Object::take(failed.connection));
        }
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.name)
    }
}
