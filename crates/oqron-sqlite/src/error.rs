//! What SQLite's errors mean for a user.

use oqron_core::Error;
use rusqlite::ErrorCode;

use crate::backend::Backend;
use crate::holder::holder;

/// Why a step did not succeed, before it is known which file and which call it was.
#[derive(Debug)]
pub(crate) enum Failed {
    Sqlite(rusqlite::Error),
    Oqron(Error),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Oqron(error)
    }
}

/// Names the file and the call in what went wrong.
pub(crate) fn explain(failed: Failed, backend: &Backend, action: &'static str) -> Error {
    match failed {
        Failed::Oqron(error) => error,
        Failed::Sqlite(error) => explain_sqlite(&error, backend, action),
    }
}

fn explain_sqlite(error: &rusqlite::Error, backend: &Backend, action: &'static str) -> Error {
    let Some(code) = error.sqlite_error_code() else {
        return match error {
            rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::Utf8Error(..) => corrupt("a row", error.to_string()),
            _ => Error::Backend {
                backend: backend.to_string(),
                action,
                problem: error.to_string(),
            },
        };
    };
    let named = backend;
    let backend = named.to_string();
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => kept_locked(named, action),
        ErrorCode::DiskFull => Error::Backend {
            backend,
            action,
            problem: format!("the disk is full ({error}); nothing was written, free some space"),
        },
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => Error::AccessDenied {
            backend,
            problem: format!(
                "{error}; this user needs the right to write the file and its folder, where SQLite keeps the -wal \
                 and -shm files"
            ),
        },
        ErrorCode::NotADatabase => Error::Corrupt {
            what: "the file",
            problem: format!("{backend} is no SQLite database; name another file"),
        },
        ErrorCode::DatabaseCorrupt => Error::Corrupt {
            what: "the file",
            problem: format!("{backend}: {error}; restore a backup, or try sqlite3's .recover"),
        },
        _ => Error::Backend {
            backend,
            action,
            problem: error.to_string(),
        },
    }
}

/// The text of what is wrong with the row itself; another error is given back.
#[cfg(feature = "consume")]
pub(crate) fn fault_of_row<T>(read: Result<T, Failed>) -> Result<Result<T, String>, Failed> {
    match read {
        Ok(value) => Ok(Ok(value)),
        Err(Failed::Oqron(error @ Error::Corrupt { .. })) => Ok(Err(error.to_string())),
        Err(failed) => Err(failed),
    }
}

/// Somebody else has the write lock for longer than a call may take.
pub(crate) fn kept_locked(backend: &Backend, action: &'static str) -> Error {
    let problem = match holder(backend.path()) {
        Some(holder) if holder.is_stopped => format!(
            "{holder} has kept the file locked (SQLITE_BUSY) and is frozen; nobody can write until it goes on \
             (kill -CONT {}) or ends",
            holder.pid
        ),
        Some(holder) => format!(
            "{holder} has kept the file locked (SQLITE_BUSY); if it stays so, that program holds a transaction open"
        ),
        None => "another process has kept the file locked (SQLITE_BUSY); if it stays so, look for a program that holds a \
                 transaction open or is frozen"
            .into(),
    };
    Error::Unavailable {
        backend: backend.to_string(),
        action,
        problem,
    }
}

/// A value in the file that no version of Oqron writes.
pub(crate) fn corrupt(what: &'static str, problem: impl Into<String>) -> Error {
    Error::Corrupt {
        what,
        problem: problem.into(),
    }
}
