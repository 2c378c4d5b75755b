//! What a process of a scenario does. Its backend and namespace come from `OQRON_*`, as for any program.

mod crowd;
mod publish;
mod work;

use std::error::Error;

pub use crowd::Crowd;
pub use publish::Publish;
pub use work::Work;

/// What went wrong in a process.
pub type Failure = Box<dyn Error + Send + Sync>;

/// A role and its options.
#[derive(Debug, clap::Subcommand)]
pub enum Role {
    /// Works until it is told to stop
    Work(Work),
    /// Adds jobs, and ends
    Publish(Publish),
    /// Is many workers that are present and do nothing, until it is told to stop
    Crowd(Crowd),
}

impl Role {
    /// Plays it to its end, and reports.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn play(self) -> Result<(), Failure> {
        match self {
            Self::Work(work) => work.run().await,
            Self::Publish(publish) => publish.run().await,
            Self::Crowd(crowd) => crowd.run().await,
        }
    }
}
