//! Redis fails under load, in every way that it knows.
//!
//! - `restarts`: a server that is killed and started again with its file;
//! - `connections`: scripts that are forgotten, connections that are killed;
//! - `memory`: a server that is full;
//! - `takeovers`: replicas that take the place of their masters.

mod connections;
mod memory;
mod restarts;
mod takeovers;

use deadpool_redis::redis::cmd;
use oqron_testing::fleets::ask;

/// One command to a server that is up.
async fn tell(port: u16, words: &[&str]) {
    let command = cmd(words[0]).arg(&words[1..]).clone();
    let answer: Option<deadpool_redis::redis::Value> = ask(port, &command).await;
    assert!(answer.is_some(), "{words:?} was refused");
}
