//! PostgreSQL (13 or newer) as a backend of Oqron, through tokio-postgres and deadpool-postgres, TLS by rustls.
//!
//! It moves data and takes no decisions: retry delays come from the worker, expiry from the server's clock. Jobs that have
//! not ended stand in one small table, finished ones in another; every arrow of `docs/state-machine.md` is one statement.
//!
//! In the order in which a call meets them:
//! - [`address`], `tls`: the URL and what it may say;
//! - `database`, `hosts`, `statement`, `error`, `migrate`: connections, deadlines, statements, the schema;
//! - `topics`, `record`, `records`: what all three sides share;
//! - `publish`, `watch`: adding jobs, waiting for their end;
//! - `consume`, `durability`, `turn`, `marks`, `due`, `heartbeat`, `presence`, `sight`, `wait`, `untold`, `sweeps`,
//!   `locks`: what a worker needs. Why claims and sweeps stay fast while a session pins an old snapshot is told in
//!   `docs/decisions/0004-postgres-claim.md`;
//! - `operate`: what a person needs.
//!
//! Publishing, consuming and operating are features with types and statements of their own: a program that only publishes
//! holds no statement that claims.
#![cfg_attr(
    not(any(feature = "publish", feature = "consume", feature = "operate")),
    allow(dead_code, reason = "without a feature there is nobody who connects")
)]

pub mod address;
#[cfg(feature = "consume")]
mod afterwards;
#[cfg(feature = "consume")]
mod claimed;
#[cfg(feature = "consume")]
mod consume;
mod database;
#[cfg(feature = "consume")]
mod due;
#[cfg(feature = "consume")]
mod durability;
mod error;
#[cfg(feature = "consume")]
mod heartbeat;
mod hosts;
#[cfg(any(feature = "publish", feature = "consume"))]
mod listen;
#[cfg(feature = "consume")]
mod locks;
#[cfg(feature = "consume")]
mod marks;
mod migrate;
#[cfg(feature = "operate")]
mod operate;
mod plans;
#[cfg(feature = "consume")]
mod presence;
#[cfg(feature = "publish")]
mod publish;
#[cfg(any(feature = "publish", feature = "operate"))]
mod record;
#[cfg(any(feature = "publish", feature = "operate"))]
mod records;
#[cfg(feature = "consume")]
mod settle;
#[cfg(feature = "consume")]
mod sight;
mod statement;
#[cfg(feature = "consume")]
mod sweeps;
mod tls;
mod topics;
#[cfg(feature = "consume")]
mod turn;
#[cfg(feature = "consume")]
mod untold;
#[cfg(feature = "consume")]
mod wait;
mod wake;
#[cfg(feature = "publish")]
mod watch;

#[cfg(feature = "consume")]
pub use consume::PgConsume;
#[cfg(feature = "operate")]
pub use operate::PgOperate;
#[cfg(feature = "publish")]
pub use publish::PgPublish;
/// The driver, for the transaction that [`PgPublish::enqueue_in`](crate::PgPublish) takes.
#[cfg(feature = "publish")]
pub use tokio_postgres;
