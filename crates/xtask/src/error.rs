use std::io;

use oqron_testing::servers::ServerError;

/// Why a task did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Ctrl-C or a request to end. Not a failure of anything, so there is nothing to say.
    #[error("interrupted by signal {0}")]
    Interrupted(i32),

    /// A program that we started has failed and has said why.
    #[error("`{command}` failed with exit code {code}")]
    Failed { command: String, code: u8 },

    /// The test runner has said what failed, and its summary has to be the last thing on the screen.
    #[error("tests failed with exit code {code}")]
    TestsFailed { code: u8 },

    #[error("could not {action}: {source}")]
    Io { action: String, source: io::Error },

    #[error(transparent)]
    Server(#[from] ServerError),

    /// What a check or the demo found, in its own words.
    #[error("{0}")]
    Found(String),
}

impl Error {
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }

    pub(crate) fn found(text: impl Into<String>) -> Self {
        Self::Found(text.into())
    }

    pub(crate) fn for_people(&self) -> Option<String> {
        match self {
            Self::Interrupted(_) | Self::TestsFailed { .. } => None,
            other => Some(other.to_string()),
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            // The convention of shells.
            Self::Interrupted(signal) => u8::try_from(128 + signal).unwrap_or(1),
            Self::Failed { code, .. } | Self::TestsFailed { code } => *code,
            _ => 1,
        }
    }
}
