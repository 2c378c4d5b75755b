//! The URL: `postgres://user:password@host:port/database?option=value&…`, as libpq reads it, with a few options of our own.
//!
//! | option | meaning | default |
//! |---|---|---|
//! | `schema` | the schema with all tables | `oqron` |
//! | `prepared` | `false` behind a transaction pooler: no prepared statements, no `LISTEN` | `true` |
//! | `pool_size` | connections at most, 1 to 1000 | 10 |
//! | `sslmode` | `disable`, `prefer`, `require`, `verify-ca`, `verify-full` | `prefer` |
//! | `sslrootcert` | a PEM file with the authorities to trust, or `system` for those of the web | the web's |
//!
//! As in libpq, `prefer` and `require` encrypt and verify nothing, and `require` with `sslrootcert` verifies like
//! `verify-ca`. The other options of tokio-postgres pass through: `connect_timeout`, `application_name`, `options`,
//! `target_session_attrs`, `load_balance_hosts`, `keepalives`, … Several hosts are tried in turn: `postgres://a:1,b:2/db`.

use std::path::PathBuf;
use std::time::Duration;

use oqron_core::{BackendUrl, Error};
use tokio_postgres::config::SslMode;

use crate::tls::Trust;

const OURS: [&str; 5] = ["schema", "prepared", "pool_size", "sslmode", "sslrootcert"];
const DRIVERS: [&str; 18] = [
    "user",
    "password",
    "dbname",
    "host",
    "hostaddr",
    "port",
    "options",
    "application_name",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
    "sslnegotiation",
];

/// What a URL says. No `Debug`: it holds the password.
pub(crate) struct Address {
    pub(crate) driver: tokio_postgres::Config,
    pub(crate) trust: Trust,
    pub(crate) schema: String,
    pub(crate) prepared: bool,
    pub(crate) pool_size: usize,
    /// For messages, without credentials.
    pub(crate) shown: String,
}

impl Address {
    /// Reads a URL; what it does not know is refused by name.
    pub(crate) fn read(url: &BackendUrl) -> Result<Self, Error> {
        let (base, query) = url.expose().split_once('?').unwrap_or((url.expose(), ""));
        let mut passed = Vec::new();
        let mut schema = "oqron".to_owned();
        let mut prepared = true;
        let mut pool_size = 10;
        let mut sslmode = "prefer".to_owned();
        let mut root = None;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, raw) = pair.split_once('=').unwrap_or((pair, ""));
            // In a URL of libpq a plus is a plus.
            let value = || decode(raw);
            match key {
                "schema" => schema = check_schema(value())?,
                "prepared" => prepared = read_bool("prepared", &value())?,
                "pool_size" => pool_size = read_pool_size(&value())?,
                "sslmode" => sslmode = value(),
                "sslrootcert" => root = Some(value()),
                _ if DRIVERS.contains(&key) => passed.push(pair),
                _ => {
                    return Err(invalid(format!(
                        "the option {key:?} is not known; known are {}, {}",
                        OURS.join(", "),
                        DRIVERS.join(", ")
                    )));
                }
            }
        }
        let text = if passed.is_empty() {
            base.to_owned()
        } else {
            format!("{base}?{}", passed.join("&"))
        };
        // The driver's message can quote what it does not understand, and so a part of a password.
        let mut driver: tokio_postgres::Config = text.parse().map_err(|_| {
            invalid(format!(
                "{} cannot be read as postgres://user:password@host:port/database?option=value; a special character \
                 in the user or the password is written as %XX, and numbers are numbers",
                url.redacted()
            ))
        })?;
        let (mode, trust) = read_ssl(&sslmode, root)?;
        driver.ssl_mode(mode);
        if driver.get_application_name().is_none() {
            driver.application_name("oqron");
        }
        if driver.get_keepalives() && !query.contains("keepalives_idle") {
            // A listening connection has nothing else that would notice a peer that vanished.
            driver.keepalives_idle(Duration::from_secs(15));
            driver.keepalives_interval(Duration::from_secs(5));
            driver.keepalives_retries(3);
        }
        Ok(Self {
            driver,
            trust,
            schema,
            prepared,
            pool_size,
            shown: format!("PostgreSQL at {}", url.redacted()),
        })
    }
}

fn invalid(problem: String) -> Error {
    Error::Invalid { what: "url", problem }
}

fn decode(raw: &str) -> String {
    let raw = raw.replace('+', "%2B");
    url::form_urlencoded::parse(format!("v={raw}").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn check_schema(schema: String) -> Result<String, Error> {
    let starts = schema.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let rest = schema
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if starts && rest && schema.len() <= 63 && !schema.starts_with("pg_") {
        Ok(schema)
    } else {
        Err(invalid(format!(
            "schema={schema:?} is not valid: it is 1 to 63 of a-z 0-9 _, does not start with a digit or with pg_"
        )))
    }
}

fn read_bool(key: &str, value: &str) -> Result<bool, Error> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(invalid(format!("{key}={value:?} is neither true nor false"))),
    }
}

fn read_pool_size(value: &str) -> Result<usize, Error> {
    match value.parse() {
        Ok(size @ 1..=1000) => Ok(size),
        _ => Err(invalid(format!(
            "pool_size={value:?} is not a number from 1 to 1000"
        ))),
    }
}

fn read_ssl(mode: &str, root: Option<String>) -> Result<(SslMode, Trust), Error> {
    let root = root.filter(|root| root != "system").map(PathBuf::from);
    match (mode, root) {
        ("disable", _) => Ok((SslMode::Disable, Trust::Anybody)),
        ("prefer", _) => Ok((SslMode::Prefer, Trust::Anybody)),
        ("require", None) => Ok((SslMode::Require, Trust::Anybody)),
        ("require" | "verify-ca", root) => Ok((SslMode::Require, Trust::Authority(root))),
        ("verify-full", root) => Ok((SslMode::Require, Trust::AuthorityAndName(root))),
        _ => Err(invalid(format!(
            "sslmode={mode:?} is none of disable, prefer, require, verify-ca, verify-full"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Address, Error> {
        Address::read(&BackendUrl::new(url).unwrap())
    }

    fn complaint(url: &str) -> String {
        read(url).err().expect("this URL is refused").to_string()
    }

    #[test]
    fn defaults_and_our_own_options() {
        let plain = read("postgres://u:p@h/db").unwrap();
        assert_eq!(
            (plain.schema.as_str(), plain.prepared, plain.pool_size),
            ("oqron", true, 10)
        );
        assert_eq!(plain.driver.get_ssl_mode(), SslMode::Prefer);
        let other =
            read("postgresql://u:p@h/db?schema=jobs&prepared=false&pool_size=3&connect_timeout=2").unwrap();
        assert_eq!(
            (other.schema.as_str(), other.prepared, other.pool_size),
            ("jobs", false, 3)
        );
        assert_eq!(other.driver.get_connect_timeout(), Some(&Duration::from_secs(2)));
    }

    #[test]
    fn several_hosts_work() {
        let address = read("postgres://u:p@a:5431,b:5432/db?target_session_attrs=read-write").unwrap();
        assert_eq!(address.driver.get_hosts().len(), 2);
        assert_eq!(address.driver.get_ports(), [5431, 5432]);
    }

    #[test]
    fn modes_of_tls_mean_what_they_mean_in_libpq() {
        let trust = |query: &str| read(&format!("postgres://h/db?{query}")).unwrap().trust;
        assert_eq!(trust("sslmode=require"), Trust::Anybody);
        assert_eq!(
            trust("sslmode=require&sslrootcert=/ca+1.pem"),
            Trust::Authority(Some("/ca+1.pem".into()))
        );
        assert_eq!(
            trust("sslmode=verify-ca&sslrootcert=%2Fca.pem"),
            Trust::Authority(Some("/ca.pem".into()))
        );
        assert_eq!(
            trust("sslmode=verify-full&sslrootcert=system"),
            Trust::AuthorityAndName(None)
        );
    }

    #[test]
    fn what_does_not_do_is_named() {
        assert!(complaint("postgres://h/db?colour=red").contains("\"colour\""));
        assert!(complaint("postgres://h/db?sslmode=maybe").contains("\"maybe\""));
        assert!(complaint("postgres://h/db?prepared=no").contains("\"no\""));
        assert!(complaint("postgres://h/db?pool_size=0").contains("\"0\""));
        for schema in ["", "Jobs", "1a", "a-b", "pg_jobs", "a\"b", &"x".repeat(64)] {
            assert!(
                complaint(&format!("postgres://h/db?schema={schema}")).contains("schema"),
                "{schema}"
            );
        }
    }

    #[test]
    fn a_broken_url_shows_no_password() {
        let text = complaint("postgres://u:hunter2@h:port/db?connect_timeout=x&password=hunter2");
        assert!(
            !text.contains("hunter2") && text.contains("postgres://h:port/db"),
            "{text}"
        );
    }
}
