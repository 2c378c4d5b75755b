/// Why a runtime cannot start, or had to end.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The backend, or an option that does not do: [`oqron_core::Error::Config`] has every complaint at once.
    #[error(transparent)]
    Core(#[from] oqron_core::Error),
    /// There is nothing to run.
    #[error("the runtime has no worker; add one with Runtime::worker before run")]
    NoWorkers,
    /// A handle was asked about a topic that this runtime does not work on.
    #[error("this runtime has no worker for the topic {topic:?}; it can only pause and resume its own")]
    UnknownTopic {
        /// The topic.
        topic: String,
    },
    /// A part of the runtime ended that never should. The leases run out by themselves; start the process again.
    #[error(
        "{part} of the runtime ended unexpectedly: {problem}; restart the process, and report this as a bug"
    )]
    Broken {
        /// Which part.
        part: &'static str,
        /// What is known.
        problem: String,
    },
}
