//! The topics, and the payload that says what a handler does.

use oqron::Topic;
use serde::{Deserialize, Serialize};

/// The flooded topic.
pub const FLOOD: Topic<Load, String> = Topic::new("flood");
/// The other one, whose jobs should not notice. The payload is when the job was added, the result when it began: both in
/// microseconds of the machine's clock.
pub const OTHER: Topic<u64, u64> = Topic::new("other");

/// A job of the flooded topic.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Load {
    /// What the handler does.
    pub work: Work,
    /// Makes the payload as large as the scenario wants it.
    pub padding: String,
}

/// What a handler does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Work {
    /// Nothing.
    Nothing,
    /// Waits for so many milliseconds.
    Slow(u64),
    /// Answers so many bytes.
    Result(usize),
    /// Logs and reports without a pause, for so many milliseconds.
    Talk(u64),
}

impl Load {
    /// A job with so many bytes beside its work.
    pub fn new(work: Work, padding: usize) -> Self {
        Self {
            work,
            padding: "x".repeat(padding),
        }
    }
}

/// Of many flooded topics, the one with this number.
pub fn numbered(number: usize) -> Topic<Load, String> {
    let name = format!("flood-{number}").parse().unwrap();
    Topic::named(&name)
}

/// Microseconds of the machine's clock.
pub fn now_micros() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default().as_micros() as u64
}
