//! The one error type of the core and of every backend.

use std::time::Duration;

use crate::Format;

/// What went wrong, with which value, and what to do about it. Credentials are never in it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name or an id that no backend takes.
    #[error("{what} {value:?} is not valid: {problem}")]
    InvalidName {
        /// What kind of name.
        what: &'static str,
        /// The text at fault.
        value: String,
        /// What is wrong with it and what would do.
        problem: String,
    },
    /// Another value that does not do.
    #[error("{what}: {problem}")]
    Invalid {
        /// What kind of value.
        what: &'static str,
        /// What is wrong with it and what would do.
        problem: String,
    },
    /// Over a limit; nothing was written.
    #[error("{what}: {actual} is over the limit of {limit}; nothing was written")]
    LimitExceeded {
        /// What was counted.
        what: &'static str,
        /// How much it was.
        actual: usize,
        /// How much is allowed.
        limit: usize,
    },
    /// The configuration does not do: every complaint there is, at once.
    #[error("the configuration is not valid:{}", list(.0))]
    Config(Vec<String>),
    /// A value that the topic's codec cannot write.
    #[error("a {type_name} cannot be written as {format}: {problem}")]
    Encode {
        /// The Rust type.
        type_name: &'static str,
        /// The codec.
        format: Format,
        /// What the codec says.
        problem: String,
    },
    /// Bytes that are not what the topic says.
    #[error("what is stored is not a {type_name}: {problem}")]
    Decode {
        /// The Rust type.
        type_name: &'static str,
        /// What the codec says.
        problem: String,
    },
    /// The backend cannot be reached now. The call may or may not have had its effect; repeating it is safe.
    #[error("{backend} cannot be reached while trying to {action}: {problem}")]
    Unavailable {
        /// Which backend, with its address and without credentials.
        backend: String,
        /// What was tried.
        action: &'static str,
        /// What the driver says, and what to do.
        problem: String,
    },
    /// No answer in time. The call may or may not have had its effect; repeating it is safe.
    #[error("{backend} did not answer within {} while trying to {action}; repeating it is safe; is it overloaded, or does a firewall swallow packets?", humantime::format_duration(*.after))]
    Timeout {
        /// Which backend, with its address and without credentials.
        backend: String,
        /// What was tried.
        action: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// The backend refuses this user: a wrong password, a missing right, a certificate that does not fit.
    #[error("{backend} refuses access: {problem}")]
    AccessDenied {
        /// Which backend, with its address and without credentials.
        backend: String,
        /// What the backend says, and what to do.
        problem: String,
    },
    /// The backend's data was written by a newer version.
    #[error(
        "{backend} has schema version {found}, and this version of Oqron knows up to {supported}; \
         upgrade this program, or point it at another database or schema"
    )]
    SchemaTooNew {
        /// Which backend, with its address and without credentials.
        backend: String,
        /// The version found.
        found: u64,
        /// The newest version known.
        supported: u64,
    },
    /// What was found in the backend is not what Oqron writes: somebody edited it, or it is damaged.
    #[error("{what} in the backend is not what Oqron writes: {problem}")]
    Corrupt {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The backend answered with an error of its own; it refused the call as a whole.
    #[error("{backend} failed to {action}: {problem}")]
    Backend {
        /// Which backend, with its address and without credentials.
        backend: String,
        /// What was tried.
        action: &'static str,
        /// What the backend says.
        problem: String,
    },
}

impl Error {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. } | Self::Timeout { .. } | Self::Backend { .. }
        )
    }
}

fn list(complaints: &[String]) -> String {
    complaints
        .iter()
        .map(|complaint| format!("\n  - {complaint}"))
        .collect()
}
