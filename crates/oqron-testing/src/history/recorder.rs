//! The file of one process.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use oqron_core::{JobId, Token, TopicName, WorkerId};
use serde::Serialize;

use super::{Answer, Ask, Moment, Phase, Run, What};

/// How the names of the files end.
pub(super) const EXTENSION: &str = "history";

/// Writes down what this process does.
///
/// Each line is one write to a file that nobody else writes to, so a process that is killed loses at most the line that
/// it was writing, and the [`Reader`](super::Reader) passes that over.
#[derive(Debug)]
pub struct Recorder {
    file: File,
    calls: AtomicU64,
}

/// A line as it is written.
#[derive(Serialize)]
struct Line<'a> {
    at: Moment,
    what: &'a What,
}

impl Recorder {
    /// A new file in the folder, named after the label, which may be that of an earlier process.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(folder: impl AsRef<Path>, label: &str) -> io::Result<Arc<Self>> {
        let pid = std::process::id();
        let name = format!("{label}.{pid}.{}.{EXTENSION}", Moment::now().0);
        let recorder = Self {
            file: File::create_new(folder.as_ref().join(name))?,
            calls: AtomicU64::new(0),
        };
        recorder.write(&What::Began { pid });
        Ok(Arc::new(recorder))
    }

    /// Writes one line.
    ///
    /// # Panics
    /// If it cannot be written: a history with holes proves nothing.
    pub fn write(&self, what: &What) {
        let line = Line {
            at: Moment::now(),
            what,
        };
        let mut line = serde_json::to_vec(&line).expect("names and numbers are always JSON");
        line.push(b'\n');
        (&self.file)
            .write_all(&line)
            .expect("a history with holes proves nothing");
    }

    /// The process is connected and about to work.
    pub fn up(&self, worker: Option<&WorkerId>) {
        self.write(&What::Up {
            worker: worker.cloned(),
        });
    }

    /// A call is about to be sent; answers its number.
    pub fn ask(&self, ask: Ask) -> u64 {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        self.write(&What::Asked { call, ask });
        call
    }

    /// A call was answered.
    pub fn answer(&self, call: u64, answer: Answer) {
        self.write(&What::Answered { call, answer });
    }

    /// A handler begins.
    #[must_use = "dropping it says that the handler was dropped"]
    pub fn run(
        self: &Arc<Self>,
        topic: &TopicName,
        id: &JobId,
        token: Token,
        attempt: u32,
        worker: &WorkerId,
    ) -> Running {
        let run = Run {
            topic: topic.clone(),
            id: id.clone(),
            token,
            attempt,
            worker: worker.clone(),
            phase: Phase::Started,
        };
        let running = Running {
            recorder: Arc::clone(self),
            run,
            has_ended: false,
        };
        running.phase(Phase::Started);
        running
    }
}

/// A handler that runs. Dropping it before [`ended`](Self::ended) writes down that the handler was dropped.
#[derive(Debug)]
pub struct Running {
    recorder: Arc<Recorder>,
    run: Run,
    has_ended: bool,
}

impl Running {
    /// Its signal fired.
    pub fn signalled(&self, why: impl Into<String>) {
        self.phase(Phase::Signalled(why.into()));
    }

    /// It came to a result, or to this error.
    pub fn ended(mut self, error: Option<String>) {
        self.has_ended = true;
        self.phase(error.map_or(Phase::Returned, Phase::Erred));
    }

    fn phase(&self, phase: Phase) {
        let run = Run {
            phase,
            ..self.run.clone()
        };
        self.recorder.write(&What::Run(run));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended {
            self.phase(Phase::Dropped);
        }
    }
}
