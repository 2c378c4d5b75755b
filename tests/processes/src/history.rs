//! One file to which every process of a test appends what it does, so that a test can hold what happened against what
//! the backend recorded.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// What a process did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A worker is connected and about to work.
    Up,
    /// A handler began.
    Started,
    /// Its signal fired; the note says why.
    Signalled,
    /// It ended by itself; the note is `ok`, or the error. One that was killed or dropped has no such entry.
    Ended,
    /// The worker was told that the result is stored.
    Stored,
    /// The backend acknowledged an add; the note says whether it made the job.
    Added,
}

/// One entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// What.
    pub event: Event,
    /// The job's id; empty for [`Event::Up`].
    pub job: String,
    /// The number of the attempt.
    pub attempt: u32,
    /// The fencing token of the attempt.
    pub token: u64,
    /// The label of the process.
    pub label: String,
    /// The worker's id; empty for a publisher.
    pub worker: String,
    /// The process.
    pub pid: u32,
    /// By the machine's clock.
    pub at_ms: u64,
    /// See [`Event`].
    pub note: String,
}

impl Entry {
    /// An entry of this process, now.
    pub fn now(event: Event, label: &str, worker: &str) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            event,
            job: String::new(),
            attempt: 0,
            token: 0,
            label: label.to_owned(),
            worker: worker.to_owned(),
            pid: std::process::id(),
            at_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
            note: String::new(),
        }
    }
}

/// The file, open for appending.
#[derive(Debug)]
pub struct History(File);

impl History {
    /// Opens it, or makes it.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(path).map(Self)
    }

    /// Appends a line by one write, so that lines of several processes do not mix and a killed one leaves no half.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append(&self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        (&self.0).write_all(&line)
    }

    /// All entries, in the order in which they were written. A file that is not there has none.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub fn read(path: &Path) -> io::Result<Vec<Entry>> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text?,
        };
        // What stands behind the last line's end is being written just now.
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete
            .lines()
            .map(|line| Ok(serde_json::from_str(line)?))
            .collect()
    }
}
