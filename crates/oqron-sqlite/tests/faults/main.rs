//! What the suite of all backends cannot know of: a file, the processes on it, the disk under it, a hand that edits it.
//!
//! - [`world`]: a file of its own for each test, and a worker on it;
//! - [`child`]: other processes, which a test kills and freezes; what they do is in [`roles`];
//! - the rest: one file a behaviour.

#![allow(clippy::unwrap_used, reason = "a test ends where its set-up fails")]

mod edited;
mod waiting;
mod world;

#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
mod clock;
#[cfg(target_os = "linux")]
mod disk_full;
#[cfg(target_os = "linux")]
mod frozen;
#[cfg(target_os = "linux")]
mod killed;
#[cfg(target_os = "linux")]
mod refused;
#[cfg(target_os = "linux")]
mod roles;
