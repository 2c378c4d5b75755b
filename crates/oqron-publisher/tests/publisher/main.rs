//! What a web service relies on, on the in-memory backend: [`world`] counts the calls, and can break them.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod world;

mod adding;
mod following;
mod limits;
mod quiet;
mod repeating;
mod sharing;
