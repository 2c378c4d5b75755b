//! The floods. Each asserts that nothing is lost, that the counts are right and that the processes stay below their bound,
//! and has a row to show.

mod crowd;
mod fast_publisher;
mod large_results;
mod many_topics;
mod many_waiting;
mod talk;

use std::time::{Duration, Instant};

use oqron::core::Counts;

use crate::place::Place;
use crate::probe::{Latencies, Probe};
use crate::program::Report;

/// How much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Ends in about twenty seconds on a busy machine.
    Test,
    /// What is promised.
    Full,
}

impl Size {
    fn pick<T>(self, test: T, full: T) -> T {
        match self {
            Self::Test => test,
            Self::Full => full,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    ManyWaiting,
    FastPublisher,
    LargeResults,
    Talk,
    ManyTopics,
    Crowd,
}

/// One flood.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// To choose it by.
    pub name: &'static str,
    kind: Kind,
}

/// Many jobs of one topic wait while another topic works, and are all done at the end.
pub const MANY_WAITING: Scenario = Scenario {
    name: "many-waiting",
    kind: Kind::ManyWaiting,
};
/// A publisher adds from 100 tasks, faster than a worker with a slow handler works.
pub const FAST_PUBLISHER: Scenario = Scenario {
    name: "fast-publisher",
    kind: Kind::FastPublisher,
};
/// Results as large as they may be, from 50 handlers at a time.
pub const LARGE_RESULTS: Scenario = Scenario {
    name: "large-results",
    kind: Kind::LargeResults,
};
/// Handlers that log and report without a pause.
pub const TALK: Scenario = Scenario {
    name: "talk",
    kind: Kind::Talk,
};
/// Many topics, of which a worker works on a few.
pub const MANY_TOPICS: Scenario = Scenario {
    name: "many-topics",
    kind: Kind::ManyTopics,
};
/// Many workers are present while one works.
pub const CROWD: Scenario = Scenario {
    name: "crowd",
    kind: Kind::Crowd,
};

/// All of them.
pub const SCENARIOS: [Scenario; 6] = [
    MANY_WAITING,
    FAST_PUBLISHER,
    LARGE_RESULTS,
    TALK,
    MANY_TOPICS,
    CROWD,
];

impl Scenario {
    /// Runs it.
    ///
    /// # Panics
    /// When something is not as it must be.
    pub async fn run(&self, place: &Place, size: Size) -> Row {
        match self.kind {
            Kind::ManyWaiting => many_waiting::run(place, size).await,
            Kind::FastPublisher => fast_publisher::run(place, size).await,
            Kind::LargeResults => large_results::run(place, size).await,
            Kind::Talk => talk::run(place, size).await,
            Kind::ManyTopics => many_topics::run(place, size).await,
            Kind::Crowd => crowd::run(place, size).await,
        }
    }
}

/// What a flood has to show.
#[derive(Clone, Debug)]
pub struct Row {
    /// What there was of it.
    pub what: String,
    /// Memory of the publisher at its peak.
    pub publisher_mib: Option<f64>,
    /// Memory of the worker at its peak; of several, the largest.
    pub worker_mib: f64,
    /// Memory of the server at its peak, see [`Place::server_peak_mib`].
    pub server_mib: Option<f64>,
    /// How long jobs of the other topic waited.
    pub other: Latencies,
    /// From the start of the flood to its end.
    pub time: Duration,
}

/// A flood under way: the other topic is watched until it ends.
struct Flood<'a> {
    place: &'a Place,
    begun: Instant,
    probe: Probe,
}

impl<'a> Flood<'a> {
    fn begin(place: &'a Place) -> Self {
        Self {
            place,
            begun: Instant::now(),
            probe: Probe::start(place),
        }
    }

    /// Ends with what the publisher and the workers reported. None of them may have had more than `bound_mib`.
    async fn end(self, what: String, publisher: Option<Report>, worker_mib: f64, bound_mib: f64) -> Row {
        let row = Row {
            what,
            publisher_mib: publisher.map(|report| report.peak_mib),
            worker_mib,
            server_mib: self.place.server_peak_mib(),
            time: self.begun.elapsed(),
            other: self.probe.stop().await,
        };
        let publisher_mib = row.publisher_mib.unwrap_or_default();
        for (process, mib) in [("publisher", publisher_mib), ("worker", row.worker_mib)] {
            assert!(mib < bound_mib, "the {process} took {mib:.0} of {bound_mib} MiB");
        }
        row
    }
}

fn all(counts: &Counts) -> u64 {
    let Counts {
        scheduled,
        waiting,
        active,
        completed,
        failed,
        cancelled,
        ..
    } = *counts;
    scheduled + waiting + active + completed + failed + cancelled
}

fn work_json(work: crate::load::Work) -> String {
    serde_json::to_string(&work).expect("it has no map in it")
}
