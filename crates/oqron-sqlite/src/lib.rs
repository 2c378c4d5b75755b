//! An embedded SQLite file as a backend of Oqron: many processes of one machine, one file, no server.
//!
//! A process has one thread that writes to a file and one that reads it, shared by all of its adapters. What queues up
//! at the writer is committed together. It never holds a lock on the file between calls, and it runs no timer of its
//! own: whoever waits for work is woken by the process that commits some.
//!
//! In the order in which a call meets them:
//! - `location`, `file_system`: which file, and with which options;
//! - `file`, `connection`, `schema`: the file as a process has it open;
//! - `writer`, `step`, `clock`: the transaction and what a command sees in it;
//! - `publish`, `consume`, `operate`: the commands, one file a behaviour, each behind the feature of its name;
//! - `column`, `history`, `slot`, `record`: the job's row; `records`, `end`: the steps that they share;
//! - `notice`, `mailbox`, `lock_file`: how processes wake each other after a commit, and see each other's end;
//! - `backend`, `error`, `holder`: how the file is named, what SQLite's errors mean, who keeps the file locked.
//!
//! ```text
//! sqlite:jobs.db                      in the current folder
//! sqlite:/var/lib/app/jobs.db         anywhere, also written sqlite:///var/lib/app/jobs.db
//!     ?synchronous=full               every commit reaches the disk before it is answered (default)
//!     ?synchronous=normal             faster; a power loss may take the last commits, a crash of a process nothing
//!     ?wakeups=sockets                workers are woken through sockets in the folder jobs.db-oqron (default)
//!     ?wakeups=poll                   workers look for changes every 50 ms, where sockets cannot be used
//! ```

#![cfg(any(feature = "publish", feature = "consume", feature = "operate"))]

mod backend;
mod clock;
mod column;
mod connection;
mod end;
mod error;
mod file;
mod file_system;
mod history;
mod holder;
mod location;
mod lock_file;
mod mailbox;
mod notice;
#[cfg(any(feature = "publish", feature = "operate"))]
mod record;
#[cfg(any(feature = "publish", feature = "operate"))]
mod records;
mod schema;
mod slot;
mod step;
mod writer;

#[cfg(feature = "consume")]
mod consume;
#[cfg(feature = "operate")]
mod operate;
#[cfg(feature = "publish")]
mod publish;

#[cfg(feature = "consume")]
pub use consume::SqliteConsume;
#[cfg(feature = "operate")]
pub use operate::SqliteOperate;
#[cfg(feature = "publish")]
pub use publish::SqlitePublish;
