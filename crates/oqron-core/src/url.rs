//! The URL that chooses the backend. It may hold a password, so it shows itself only without one.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::Error;

/// Which backend a URL chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendKind {
    /// `sqlite:jobs.db`, `sqlite:///var/lib/jobs.db`
    Sqlite,
    /// `redis://…`, `rediss://…`, each with `+sentinel` or `+cluster` for several hosts
    Redis,
    /// `postgres://…`, `postgresql://…`
    Postgres,
    /// `memory:`, `memory:name`: for tests, in one process, gone with it.
    Memory,
}

/// The address of a backend. `Debug` and `Display` leave out user, password and query.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct BackendUrl {
    text: String,
    kind: BackendKind,
}

impl BackendUrl {
    /// Checks the scheme; the rest is read by the backend that it chooses.
    ///
    /// # Errors
    /// [`Error::Invalid`], without credentials.
    pub fn new(text: impl Into<String>) -> Result<Self, Error> {
        let text = text.into();
        let scheme = text
            .split_once(':')
            .map(|(scheme, _)| scheme.to_ascii_lowercase());
        let kind = match scheme.as_deref() {
            Some("sqlite") => BackendKind::Sqlite,
            Some(
                "redis" | "rediss" | "redis+sentinel" | "rediss+sentinel" | "redis+cluster"
                | "rediss+cluster",
            ) => BackendKind::Redis,
            Some("postgres" | "postgresql") => BackendKind::Postgres,
            Some("memory") => BackendKind::Memory,
            _ => {
                return Err(Error::Invalid {
                    what: "url",
                    problem: format!(
                        "{} names no backend; it starts with sqlite:, redis://, rediss://, redis+sentinel://, redis+cluster://, postgres:// or memory:",
                        scheme.map_or_else(
                            || "a text without a scheme".into(),
                            |scheme| format!("{scheme:?}")
                        )
                    ),
                });
            }
        };
        Ok(Self { text, kind })
    }

    /// The backend that it chooses.
    pub fn kind(&self) -> BackendKind {
        self.kind
    }

    /// The whole text, with credentials: for the driver only.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What may be shown: scheme, host, port and path.
    pub fn redacted(&self) -> String {
        let without_query = self.text.split(['?', '#']).next().unwrap_or_default();
        let Some((scheme, rest)) = without_query.split_once("://") else {
            return without_query.to_owned();
        };
        // A password may contain `@` and `/`, so everything up to the last `@` is hidden.
        let address = rest.rsplit_once('@').map_or(rest, |(_, address)| address);
        format!("{scheme}://{address}")
    }
}

impl fmt::Display for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl fmt::Debug for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BackendUrl({})", self.redacted())
    }
}

impl Serialize for BackendUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.redacted())
    }
}

impl TryFrom<String> for BackendUrl {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_never_show() {
        for text in [
            "redis://user:hunter2@localhost:6379/1",
            "postgres://u:hun@ter2@db:5432/app?password=hunter2",
            "postgres://u:hun/ter2@db/app",
            "rediss://:hunter2@h",
            "redis+sentinel://u:hunter2@a:1,b:2/0?master=m&sentinel_password=hunter2",
            "rediss+cluster://:hunter2@a:1,b:2",
        ] {
            let url = BackendUrl::new(text).unwrap();
            for shown in [
                url.to_string(),
                format!("{url:?}"),
                serde_json::to_string(&url).unwrap(),
            ] {
                assert!(!shown.contains("hunter2") && !shown.contains("ter2"), "{shown}");
            }
        }
        assert!(
            !BackendUrl::new("hunter2@host")
                .unwrap_err()
                .to_string()
                .contains("hunter2")
        );
    }

    #[test]
    fn schemes_choose() {
        assert_eq!(
            BackendUrl::new("sqlite:jobs.db").unwrap().kind(),
            BackendKind::Sqlite
        );
        assert_eq!(BackendUrl::new("memory:").unwrap().kind(), BackendKind::Memory);
        assert_eq!(
            BackendUrl::new("postgresql://h/d").unwrap().kind(),
            BackendKind::Postgres
        );
        let error = BackendUrl::new("mysql://h/d").unwrap_err().to_string();
        assert!(
            error.contains("\"mysql\"") && error.contains("sqlite:"),
            "{error}"
        );
    }
}
