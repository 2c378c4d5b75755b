//! The files of all processes, read as they grow.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::recorder::EXTENSION;
use super::{Event, Moment, What};

/// Reads what is new in a folder of files, so that a test can look often.
#[derive(Debug)]
pub struct Reader {
    folder: PathBuf,
    files: BTreeMap<PathBuf, Tail>,
    events: Vec<Event>,
}

/// How far one file was read.
#[derive(Debug)]
struct Tail {
    process: Arc<str>,
    pid: u32,
    read: u64,
}

#[derive(Deserialize)]
struct Line {
    at: Moment,
    what: What,
}

impl Reader {
    /// Of this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            files: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    /// Reads what was written since, and answers everything so far: the lines of one process in their order, those of
    /// different processes as they were found.
    ///
    /// # Errors
    /// A file cannot be read, or holds something else.
    pub fn read_on(&mut self) -> io::Result<&[Event]> {
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                let tail = self.files.entry(path).or_insert_with_key(|path| Tail::new(path));
                self.events.extend(tail.read_on(&self.folder)?);
            }
        }
        Ok(&self.events)
    }
}

impl Tail {
    fn new(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self {
            process: name.into(),
            pid: 0,
            read: 0,
        }
    }

    fn read_on(&mut self, folder: &Path) -> io::Result<Vec<Event>> {
        let mut file = File::open(folder.join(&*self.process))?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        // What stands behind the end of the last line is being written just now, or never will be.
        let complete = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        self.read += complete as u64;
        let mut events = Vec::new();
        for line in bytes[..complete].split(|byte| *byte == b'\n') {
            if line.is_empty() {
                continue;
            }
            let Line { at, what } = serde_json::from_slice(line)?;
            if let What::Began { pid } = what {
                self.pid = pid;
            }
            events.push(Event {
                at,
                process: Arc::clone(&self.process),
                pid: self.pid,
                what,
            });
        }
        Ok(events)
    }
}
