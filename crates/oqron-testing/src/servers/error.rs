use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

use super::program::Program;

/// Why a server could not be started or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The program is not on this machine, or not where it was looked for.
    #[error(
        "`{}` was not found. It was looked for in: {}. Install it (Debian, Ubuntu: apt-get install {}) or name it in {}",
        .program.name, list(.looked_in), .program.package, .program.variable
    )]
    Missing {
        /// What was looked for.
        program: &'static Program,
        /// Every place that was tried, in this order.
        looked_in: Vec<PathBuf>,
    },

    /// The program is older than what Oqron is made for.
    #[error(
        "`{}` is version {found}, and Oqron needs {} or newer. Install a newer one, and name it in {} if there are two",
        .path.display(), .program.oldest, .program.variable
    )]
    TooOld {
        /// What was asked for its version.
        program: &'static Program,
        /// Where it is.
        path: PathBuf,
        /// The major version that it gave.
        found: u32,
    },

    /// A program said something about its version that could not be read.
    #[error("`{} --version` answered {answer:?}, which holds no version number", .path.display())]
    StrangeVersion {
        /// What was asked.
        path: PathBuf,
        /// What it printed.
        answer: String,
    },

    /// PostgreSQL refuses to run as root, and there is nobody else to run it as.
    #[error("PostgreSQL refuses to run as root, and this machine has no user named {}", .tried.join(" or "))]
    NobodyToRunAs {
        /// The user names that were tried.
        tried: &'static [&'static str],
    },

    /// A step that should end by itself failed, `initdb` for example.
    #[error("`{command}` failed ({status}):\n{output}")]
    Failed {
        /// The program that ran.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it printed.
        output: String,
    },

    /// The server ended instead of becoming ready.
    #[error("{server} ended ({status}) before it was ready. Its log ends with:\n{log}")]
    Ended {
        /// Which server.
        server: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        log: String,
    },

    /// The server is running and does not answer.
    #[error("{server} did not answer within {} s. Its log ends with:\n{log}", .waited.as_secs())]
    NotReady {
        /// Which server.
        server: &'static str,
        /// How long it was waited for.
        waited: Duration,
        /// The last lines of its log.
        log: String,
    },

    /// The operating system refused something.
    #[error("could not {action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// Why it did not work.
        source: io::Error,
    },
}

impl ServerError {
    /// Names what was tried when the operating system refuses it.
    pub(super) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }

    /// The package that would help, when the program is missing or too old.
    #[must_use]
    pub fn missing_package(&self) -> Option<&'static str> {
        match self {
            Self::Missing { program, .. } => Some(program.package),
            _ => None,
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    names.join(", ")
}
