//! What happened, for people: simulated time, who, what.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Who reads the trace.
#[derive(Debug)]
pub(crate) enum Reader {
    /// Nobody, so nothing is written, which makes thousands of seeds faster.
    Nobody,
    /// A test, at the end.
    Test(Mutex<Vec<String>>),
    /// A person, line by line.
    Person(fn(&str)),
}

/// A trace under way.
#[derive(Debug)]
pub(crate) struct Trace {
    start: Instant,
    reader: Reader,
}

impl Trace {
    pub(crate) fn new(reader: Reader) -> Self {
        Self {
            start: Instant::now(),
            reader,
        }
    }

    /// Since the beginning.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn say(&self, who: &dyn fmt::Display, what: fmt::Arguments<'_>) {
        let line = || format!("{} {who:<12} {what}", Shown(self.now()));
        match &self.reader {
            Reader::Nobody => {}
            Reader::Test(lines) => lock(lines).push(line()),
            Reader::Person(tell) => tell(&line()),
        }
    }

    /// What was kept for a test.
    pub(crate) fn take(&self) -> Vec<String> {
        match &self.reader {
            Reader::Test(lines) => std::mem::take(&mut *lock(lines)),
            Reader::Nobody | Reader::Person(_) => Vec::new(),
        }
    }
}

fn lock(lines: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A time of the simulation, as its trace shows it.
pub(crate) struct Shown(pub(crate) Duration);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>5}.{:03}s", self.0.as_secs(), self.0.subsec_millis())
    }
}
