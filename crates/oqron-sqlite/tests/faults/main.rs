//! What the suite of all backends cannot know of: a file, the processes on it, the disk under it, a hand that edits it.
#![allow(clippy::unwrap_used, reason = "a test ends where its set-up fails")]

mod edited;
mod polling;
mod world;
