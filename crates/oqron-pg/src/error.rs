//! What the driver says, in the words of [`oqron_core::Error`], without credentials.

use std::error::Error as StdError;
use std::time::Duration;

use deadpool_postgres::PoolError;
use oqron_core::Error;
use tokio_postgres::error::SqlState;

/// Who failed at what: the parts that every message has.
#[derive(Clone, Copy)]
pub(crate) struct Attempt<'a> {
    /// Name and address of the backend.
    pub(crate) backend: &'a str,
    pub(crate) action: &'static str,
    pub(crate) timeout: Duration,
}

impl Attempt<'_> {
    pub(crate) fn timed_out(&self) -> Error {
        Error::Timeout {
            backend: self.backend.to_owned(),
            action: self.action,
            after: self.timeout,
        }
    }

    pub(crate) fn unavailable(&self, problem: impl std::fmt::Display) -> Error {
        Error::Unavailable {
            backend: self.backend.to_owned(),
            action: self.action,
            problem: format!("{problem}; is the server running, and are host and port of the URL right?"),
        }
    }

    pub(crate) fn failed(&self, problem: impl Into<String>) -> Error {
        Error::Backend {
            backend: self.backend.to_owned(),
            action: self.action,
            problem: problem.into(),
        }
    }

    fn denied(&self, problem: impl Into<String>) -> Error {
        Error::AccessDenied {
            backend: self.backend.to_owned(),
            problem: problem.into(),
        }
    }

    pub(crate) fn of_pool(&self, error: PoolError) -> Error {
        match error {
            PoolError::Backend(error) => self.of_driver(&error),
            PoolError::Timeout(_) => self.timed_out(),
            other => self.unavailable(other),
        }
    }

    pub(crate) fn of_driver(&self, error: &tokio_postgres::Error) -> Error {
        let Some(said) = error.as_db_error() else {
            return self.of_connection(error);
        };
        let code = said.code();
        if *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
            // The server's message names the user.
            return self.denied(
                "the server does not accept the user and the password of the URL (or its pg_hba.conf does not let them in)",
            );
        }
        if *code == SqlState::INSUFFICIENT_PRIVILEGE {
            return self.denied(format!(
                "{}; grant the user of the URL this right, or let an owner start Oqron once so that the schema is made",
                said.message()
            ));
        }
        if *code == SqlState::UNDEFINED_DATABASE {
            return Error::Invalid {
                what: "url",
                problem: format!(
                    "{}: {}; create it, or name another one",
                    self.backend,
                    said.message()
                ),
            };
        }
        if *code == SqlState::QUERY_CANCELED || *code == SqlState::LOCK_NOT_AVAILABLE {
            return self.timed_out();
        }
        if *code == SqlState::TOO_MANY_CONNECTIONS {
            return Error::Unavailable {
                backend: self.backend.to_owned(),
                action: self.action,
                problem: format!(
                    "{}; raise max_connections of the server, or lower pool_size of the URL: a program opens up to that \
                     many for each of publishing, consuming and operating, and one more that listens",
                    said.message()
                ),
            };
        }
        if *code == SqlState::PROTOCOL_VIOLATION && said.message().contains("startup parameter") {
            return Error::Invalid {
                what: "url",
                problem: format!(
                    "{}: {}; behind a pooler such as PgBouncer add prepared=false",
                    self.backend,
                    said.message()
                ),
            };
        }
        let going_away = [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::READ_ONLY_SQL_TRANSACTION,
        ];
        if going_away.contains(code) {
            return self.unavailable(said.message());
        }
        self.failed(format!("{} (SQLSTATE {})", said.message(), code.code()))
    }

    fn of_connection(&self, error: &tokio_postgres::Error) -> Error {
        let text = chain(error);
        // rustls says so in its texts only: tokio-postgres keeps them as an opaque source.
        if text.contains("invalid peer certificate") || text.contains("server does not support TLS") {
            return self.denied(format!("{text}; see sslmode and sslrootcert of the URL"));
        }
        if text.contains("password missing") || text.contains("authentication") {
            return self.denied(format!("{text}; see user and password of the URL"));
        }
        if error.is_closed() || source_is_io(error) || text.starts_with("error connecting") {
            return self.unavailable(text);
        }
        self.failed(text)
    }
}

/// Whether the connection may go back to the pool after this error.
pub(crate) fn leaves_connection_usable(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        // Statements that the server no longer knows, or whose plan another version's migration has changed; a server that
        // is a standby now, where another host may be the primary.
        Some(code) => {
            *code != SqlState::FEATURE_NOT_SUPPORTED
                && *code != SqlState::INVALID_SQL_STATEMENT_NAME
                && *code != SqlState::READ_ONLY_SQL_TRANSACTION
        }
        None => false,
    }
}

fn source_is_io(error: &(dyn StdError + 'static)) -> bool {
    let mut next = error.source();
    while let Some(error) = next {
        if error.is::<std::io::Error>() {
            return true;
        }
        next = error.source();
    }
    false
}

fn chain(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let source_text = source.to_string();
        if !text.contains(&source_text) {
            text = format!("{text}: {source_text}");
        }
        next = source.source();
    }
    text
}

/// A row that is not what Oqron writes.
pub(crate) fn corrupt(what: &'static str, problem: impl std::fmt::Display) -> Error {
    Error::Corrupt {
        what,
        problem: problem.to_string(),
    }
}
