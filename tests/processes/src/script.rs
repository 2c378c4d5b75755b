//! The payload: what the worker program's handler does, step by step.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A job of the worker program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// The label of the publisher.
    pub author: String,
    /// One after the other.
    pub steps: Vec<Step>,
}

impl Script {
    /// A script by the test itself.
    pub fn new(steps: impl Into<Vec<Step>>) -> Self {
        Self {
            author: "test".into(),
            steps: steps.into(),
        }
    }
}

/// One thing that the handler does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Waits until the gate is open, whatever the signal says.
    Wait(Gate),
    /// Waits for the signal, and stops.
    WaitForSignal,
    /// Waits by await.
    Sleep(Duration),
    /// Blocks the thread that it is on until the gate is open.
    Block(Gate),
    /// Blocks the thread that it is on for a while.
    BlockFor(Duration),
    /// Reports how far it is.
    Progress(u8),
    /// Writes into the job's log.
    Log(String),
    /// Fails in the attempts up to this one.
    FailUpTo(u32),
    /// Panics.
    Panic,
    /// Ends the process, as a crash in C code would.
    Abort,
    /// The same, until the job has stalled so often.
    AbortUpTo(u32),
    /// Takes memory until the process may have no more, and so ends it.
    Allocate,
}

/// What a job ends with: who ran it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// The label of the process.
    pub label: String,
    /// The worker's id.
    pub worker: String,
    /// The fencing token of the attempt.
    pub token: u64,
    /// The number of the attempt.
    pub attempt: u32,
}

/// A folder in which a file opens the way, for one process or for all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate(PathBuf);

/// No process has this label.
const EVERYBODY: &str = "everybody";
/// How often a waiting job looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

impl Gate {
    /// A closed gate.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn make(folder: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    /// The gate of a folder that somebody else made.
    pub fn at(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Its folder.
    pub fn folder(&self) -> &std::path::Path {
        &self.0
    }

    /// Lets everybody through.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn open(&self) -> io::Result<()> {
        self.open_for(EVERYBODY)
    }

    /// Lets one process through.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn open_for(&self, label: &str) -> io::Result<()> {
        std::fs::write(self.0.join(label), "")
    }

    /// Waits until it is open for the process `label`.
    pub async fn pass(&self, label: &str) {
        while !self.is_open_for(label) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The same, blocking the thread.
    pub fn pass_blocking(&self, label: &str) {
        while !self.is_open_for(label) {
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn is_open_for(&self, label: &str) -> bool {
        [EVERYBODY, label]
            .into_iter()
            .any(|name| self.0.join(name).exists())
    }
}
