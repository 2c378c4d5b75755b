//! Redis (7 or newer) as a backend of Oqron. It moves data and takes no decisions: every step of a job is one Lua script,
//! which the server runs as a whole or, when it finds something wrong, not at all.
//!
//! In the order in which a call goes:
//! - [`RedisPublish`], [`RedisConsume`], [`RedisOperate`]: the types, each behind the feature of its name, so that a
//!   program that only publishes holds no statement of a worker;
//! - `keys`, `job`, `record`: where a job lies, how it is packed, and how it is read;
//! - `script`, `lua/`: the scripts. Each is put together from shared files (`topic`, `run`, `steps`, `wake`, …) and a body;
//! - `server`, `address`, `dial`, `listen`: connections (to one server, by sentinels, to a cluster), the time limit of each call;
//! - `reply`, `error`: what comes back.
//!
//! The layout is described in `lua/topic.lua`, `lua/run.lua` and `job`; why it is so, with figures, in
//! `docs/decisions/0002-redis-layout.md`.

#![forbid(unsafe_code)]

#[cfg(any(feature = "publish", feature = "consume", feature = "operate"))]
mod address;
#[cfg(any(feature = "publish", feature = "consume", feature = "operate"))]
mod dial;
#[cfg(any(feature = "publish", feature = "consume", feature = "operate"))]
mod error;
#[cfg(any(feature = "publish", feature = "consume", feature = "operate"))]
mod job;
#[cfg(any(feature = "publish", feature = "consume", feature = "operate"))]
mod keys;
#[cfg(any(feature = "publish", feature = "consume"))]
mod listen;
#[cfg(any(feature = "publish", feature = "operate"))]
mod record;
#[cfg(any(feature = "publish", feature = "operate"))]
mod records;
#[cfg(any(feature = "publish", feature = "consume", feature = "operate"))]
mod reply;
#[cfg(any(feature = "publish", feature = "consume", feature = "operate"))]
mod script;
#[cfg(any(feature = "publish", feature = "consume", feature = "operate"))]
mod server;

#[cfg(feature = "consume")]
mod consume;
#[cfg(feature = "operate")]
mod operate;
#[cfg(feature = "publish")]
mod publish;

#[cfg(feature = "consume")]
pub use consume::RedisConsume;
#[cfg(feature = "operate")]
pub use operate::RedisOperate;
#[cfg(feature = "publish")]
pub use publish::RedisPublish;
