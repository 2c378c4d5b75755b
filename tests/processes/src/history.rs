//! What happened so far, as the tests look at it: one entry for each thing that a job or a process did.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use oqron::EnqueueOutcome;
use oqron_testing::history::{Answer, Ask, Event as Recorded, Moment, Phase, Reader, What};

/// What a process did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A worker is connected and about to work.
    Up,
    /// A handler began.
    Started,
    /// Its signal fired; the note says why.
    Signalled,
    /// It ended by itself; the note is `ok`, or the error. One that was killed, or dropped, has no such entry.
    Ended,
    /// The worker was told that the result is stored.
    Stored,
    /// The backend acknowledged an add; the note says whether it made the job.
    Added,
}

/// One entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What.
    pub event: Event,
    /// When.
    pub at: Moment,
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
    /// See [`Event`].
    pub note: String,
}

/// The histories of a test, read as they grow.
#[derive(Debug)]
pub struct Past {
    reader: Reader,
    read: usize,
    entries: Vec<Entry>,
    adds: HashMap<(Arc<str>, u64), Vec<String>>,
}

impl Past {
    /// In this folder.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            reader: Reader::new(folder),
            read: 0,
            entries: Vec::new(),
            adds: HashMap::new(),
        }
    }

    /// Everything that was recorded.
    pub fn events(&mut self) -> Vec<Recorded> {
        self.reader.read_on().unwrap().to_vec()
    }

    /// All entries, in the order of their time.
    pub fn entries(&mut self) -> &[Entry] {
        let events = self.reader.read_on().unwrap();
        for event in &events[self.read..] {
            let entry = |event_of, job: &str, note: String| Entry {
                event: event_of,
                at: event.at,
                job: job.to_owned(),
                attempt: 0,
                token: 0,
                label: event.process.split('.').next().unwrap_or_default().to_owned(),
                worker: String::new(),
                pid: event.pid,
                note,
            };
            match &event.what {
                What::Up { worker } => self.entries.push(Entry {
                    worker: worker.as_ref().map_or(String::new(), ToString::to_string),
                    ..entry(Event::Up, "", String::new())
                }),
                What::Asked {
                    call,
                    ask: Ask::Add { jobs, .. },
                } => {
                    let ids = jobs.iter().map(|asked| asked.id.to_string()).collect();
                    self.adds.insert((Arc::clone(&event.process), *call), ids);
                }
                What::Answered {
                    call,
                    answer: Answer::Added(made),
                } => {
                    let ids = self.adds.remove(&(Arc::clone(&event.process), *call));
                    for (id, made) in ids.unwrap_or_default().iter().zip(made) {
                        let outcome = match made {
                            true => EnqueueOutcome::Created,
                            false => EnqueueOutcome::Existing,
                        };
                        let note = format!("{outcome:?}");
                        self.entries.push(entry(Event::Added, id, note));
                    }
                }
                What::Run(run) => {
                    let (event_of, note) = match &run.phase {
                        Phase::Started => (Event::Started, String::new()),
                        Phase::Signalled(why) => (Event::Signalled, why.clone()),
                        Phase::Returned => (Event::Ended, "ok".to_owned()),
                        Phase::Erred(error) => (Event::Ended, error.clone()),
                        Phase::Stored => (Event::Stored, String::new()),
                        Phase::Dropped => continue,
                    };
                    self.entries.push(Entry {
                        attempt: run.attempt,
                        token: run.token.0,
                        worker: run.worker.to_string(),
                        ..entry(event_of, run.id.as_str(), note)
                    });
                }
                What::Began { .. } | What::Asked { .. } | What::Answered { .. } => {}
            }
        }
        self.read = events.len();
        self.entries.sort_by_key(|entry| entry.at);
        &self.entries
    }
}
