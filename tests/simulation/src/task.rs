//! What the jobs of a simulation do.

use serde::{Deserialize, Serialize};

/// The payload of a job: what its handler is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The number of the job; its id is made of it.
    pub(crate) number: u32,
    pub(crate) kind: Kind,
    /// Time that one attempt takes.
    pub(crate) work_ms: u64,
}

/// How an attempt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Works, heeds its signal, and succeeds.
    Works,
    /// Works and succeeds whatever its signal says.
    Deaf,
    /// The first attempts fail.
    Fails {
        /// How many.
        times: u32,
    },
    /// The first attempts panic.
    Panics {
        /// How many.
        times: u32,
    },
    /// Fails so that no retry is wanted.
    FailsForGood,
    /// Is no longer wanted.
    Discards,
    /// Its first runs ask to come back later.
    Snoozes {
        /// How many.
        times: u32,
    },
    /// Every attempt takes longer than it may.
    TimesOut,
    /// The same, and does not heed its signal either.
    TimesOutDeaf,
    /// Kills its worker.
    Kills,
}

/// The result of a job: which attempt wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) number: u32,
    pub(crate) token: u64,
}

impl Task {
    pub(crate) fn id(&self) -> String {
        format!("job-{}", self.number)
    }
}
