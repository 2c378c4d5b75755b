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
}

impl History {
    /// Puts the two together, the events in the order of their time.
    #[must_use]
    pub fn new(mut events: Vec<Event>, records: Vec<Record>) -> Self {
        events.sort_by_key(|event| event.at);
        Self { events, records }
    }

    /// Holds what happened against the promises.
    ///
    /// # Errors
    /// Every violation that is found, in the order of the rules.
    pub fn check(&self, rules: &Rules) -> Result<Summary, Vec<Violation>> {
        rules::check(&self.events, &self.records, rules)
    }
}
