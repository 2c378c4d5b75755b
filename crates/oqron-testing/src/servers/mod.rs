//! Private servers for tests, demos and benches: a `redis-server` and a PostgreSQL of one's own, on a free loopback port,
//! with their data in a temporary folder. Dropping a server stops it and removes the folder; if the process that owns it
//! is killed, the kernel ends the server too (on Linux, by `setpriv --pdeathsig`).
//!
//! Everything here blocks, so that a build tool without a runtime can use it; in an async test, start servers before the
//! runtime or in `spawn_blocking`.
//!
//! `cargo xtask test` starts one server of each kind for the whole run. Tests reach them through [`redis_url`] and
//! [`postgres_url`], each in a namespace of its own. Tests that stop or restart a server start their own with
//! [`RedisServer`] and [`PostgresServer`].
//!
//! ```no_run
//! use oqron_testing::servers::{RedisOptions, RedisServer};
//!
//! let mut redis = RedisServer::start(RedisOptions::new().password("secret"))?;
//! println!("{}", redis.url());
//! redis.restart()?; // same port; without persistence, so all data is gone
//! # Ok::<(), oqron_testing::servers::ServerError>(())
//! ```

mod account;
mod credentials;
mod error;
mod folder;
mod pgbouncer;
mod port;
mod postgres;
mod process;
mod program;
mod redis;
mod shared;
#[cfg(test)]
mod tests;

pub use error::ServerError;
pub use pgbouncer::PgBouncer;
pub use postgres::{PostgresOptions, PostgresServer};
pub use process::tied_to_this_thread;
pub use program::{find_faketime, find_openssl, find_pgbouncer, find_postgres, find_redis};
pub use redis::{RedisOptions, RedisServer};
pub use shared::{POSTGRES_URL_VARIABLE, REDIS_URL_VARIABLE, postgres_url, redis_url};
