//! What really happened, and the proof that it is what was promised.
//!
//! Every process of a test writes its own file: each call to the backend before it is sent and after it is answered, and
//! what its handlers do. The files of all processes are put together by a clock that they share, what the backend has
//! recorded in the end is added, and [`History::check`] holds the two against the promises: nothing lost, nothing run
//! twice without a lost lease, no write of a stale attempt taken.
//!
//! - [`Event`]: one line;
//! - [`Recorder`]: the file of one process, and what its handlers do;
//! - [`Recording`]: a backend that writes down every call;
//! - [`Reader`]: the files of all processes, read as they grow;
//! - [`History`]: events and records, to be checked by one file of `rules` for each promise.
//!
//! ```no_run
//! # async fn example(operator: &dyn oqron_core::Operate, topic: &oqron_core::TopicName) -> Result<(), Box<dyn std::error::Error>> {
//! use oqron_testing::history::{Reader, Record, Rules};
//!
//! // … processes have worked, each with a `Recorder` in this folder …
//! let events = Reader::new("the/folder").read_on()?.to_vec();
//! let records = Record::all(operator, topic).await?;
//! match oqron_testing::history::History::new(events, records).check(&Rules::default()) {
//!     Ok(summary) => println!("{summary}"),
//!     Err(violations) => panic!("{violations:#?}"),
//! }
//! # Ok(()) }
//! ```

mod clock;
mod consume;
mod event;
mod job;
mod lease;
mod publish;
mod read;
mod record;
mod recorder;
mod rules;
#[cfg(test)]
mod tests;
mod violation;

use std::collections::{BTreeSet, HashMap};

use oqron_core::JobId;

pub use clock::Moment;
pub use consume::Recording;
pub use event::{
    Answer, Ask, Asked, Beat, Claiming, Ending, Event, Leased, Listed, Phase, Run, Settling, What,
};
pub use read::Reader;
pub use record::Record;
pub use recorder::{Recorder, Running};
pub use rules::Rules;
pub use violation::{Rule, Summary, Violation};

/// Everything that is known of a run: what happened, and what the backend recorded.
#[derive(Clone, Debug, Default)]
pub struct History {
    events: Vec<Event>,
    records: Vec<Record>,
    excused: BTreeSet<JobId>,
}

impl History {
    /// Puts the two together, the events in the order of their time.
    #[must_use]
    pub fn new(mut events: Vec<Event>, records: Vec<Record>) -> Self {
        events.sort_by_key(|event| event.at);
        Self {
            events,
            records,
            excused: BTreeSet::new(),
        }
    }

    /// Leaves out these jobs, with all that was done to them: a server that fails over to a copy which may be behind has
    /// promised nothing about what it did just before.
    #[must_use]
    pub fn without(mut self, is_excused: impl Fn(&JobId) -> bool) -> Self {
        let all = self.events.iter().flat_map(Event::jobs);
        let all = all.chain(self.records.iter().map(|record| &record.id));
        self.excused = all.filter(|id| is_excused(id)).cloned().collect();
        self
    }

    /// The jobs that a call may have touched in this time, and those that a handler did something for.
    #[must_use]
    pub fn touched(&self, from: Moment, until: Moment) -> BTreeSet<JobId> {
        let mut touched = BTreeSet::new();
        let mut open = HashMap::new();
        for event in self.events.iter().filter(|event| event.at <= until) {
            match &event.what {
                What::Asked { call, .. } => {
                    open.insert((&event.process, *call), event);
                }
                What::Answered { call, .. } => {
                    let asked = open.remove(&(&event.process, *call));
                    if event.at >= from {
                        touched.extend(asked.into_iter().flat_map(Event::jobs).cloned());
                    }
                }
                What::Began { .. } | What::Up { .. } | What::Run(_) => {}
            }
            if event.at >= from {
                touched.extend(event.jobs().cloned());
            }
        }
        // What has no answer by the end of that time may have had its effect in it.
        touched.extend(open.into_values().flat_map(Event::jobs).cloned());
        touched
    }

    /// Holds what happened against the promises.
    ///
    /// # Errors
    /// Every violation that is found, in the order of the rules.
    pub fn check(&self, rules: &Rules) -> Result<Summary, Vec<Violation>> {
        rules::check(&self.events, &self.records, &self.excused, rules)
    }
}
