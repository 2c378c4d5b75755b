//! Configuration: one TOML file and the environment, checked with all complaints at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::{BackendUrl, Error, ID_WINDOW, Limits, Namespace, Retention};

/// The file that [`Config::load`] reads unless `OQRON_CONFIG` names another.
pub const CONFIG_FILE: &str = "oqron.toml";

/// Everything that publishers and workers are told from outside.
///
/// ```toml
/// project = "shop"                     # with the environment, the namespace
/// environment = "production"
/// url = "redis://localhost:6379"
/// call_timeout = "10s"                 # each call to the backend ends within it
/// id_window = "24h"                    # how long an id given by the user is remembered at least
///
/// [retention]                          # of completed and cancelled jobs, unless said when adding
/// max_age = "24h"
/// max_count = 10_000
///
/// [limits]
/// payload_bytes_max = 1_048_576
///
/// [worker]                             # options of every worker; read by the worker's runtime
/// lock_ttl = "30s"
///
/// [topics."video-encode-topic"]        # options of one
/// concurrency = 2
/// ```
///
/// A variable `OQRON_URL`, `OQRON_PROJECT`, … goes before the file's value of that name, and `OQRON_WORKER_LOCK_TTL`
/// before `lock_ttl` in `[worker]`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Which backend, and where.
    pub url: BackendUrl,
    /// `project:environment`.
    pub namespace: Namespace,
    /// Each call to the backend ends within it. Default 10 s.
    pub call_timeout: Duration,
    /// How long an id given by the user is remembered at least. Default 24 h.
    pub id_window: Duration,
    /// Of completed and cancelled jobs, unless said when adding. Default 24 h and 10,000 a topic.
    pub retention: Retention,
    /// Sizes of payloads and results.
    pub limits: Limits,
    /// A readable part of this process's worker id. Default: the host's name.
    pub worker_name: Option<String>,
    /// Options of every worker, not looked into here.
    pub worker: Table,
    /// Options of the workers of one topic, not looked into here.
    pub topics: BTreeMap<String, Table>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    project: Option<String>,
    environment: Option<String>,
    url: Option<String>,
    #[serde(with = "humantime_serde")]
    call_timeout: Option<Duration>,
    #[serde(with = "humantime_serde")]
    id_window: Option<Duration>,
    worker_name: Option<String>,
    retention: Table,
    limits: Table,
    worker: Table,
    topics: BTreeMap<String, Table>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RetentionSettings {
    #[serde(with = "humantime_serde")]
    max_age: Option<Duration>,
    max_count: Option<u32>,
}

impl Config {
    /// Defaults around a URL: namespace `oqron:development`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a URL that names no backend.
    pub fn new(url: impl Into<String>) -> Result<Self, Error> {
        Ok(Self {
            url: BackendUrl::new(url)?,
            namespace: Namespace::new("oqron", "development")?,
            call_timeout: Duration::from_secs(10),
            id_window: ID_WINDOW,
            retention: Retention::default(),
            limits: Limits::default(),
            worker_name: None,
            worker: Table::new(),
            topics: BTreeMap::new(),
        })
    }

    /// The same in another namespace.
    ///
    /// # Errors
    /// [`Error::InvalidName`] for a part that is not 1 to 128 of `A-Z a-z 0-9 . _ -`.
    pub fn namespace(mut self, project: &str, environment: &str) -> Result<Self, Error> {
        self.namespace = Namespace::new(project, environment)?;
        Ok(self)
    }

    /// Reads `oqron.toml` (or the file in `OQRON_CONFIG`) and the variables `OQRON_*`, which go first. A file that
    /// is not there is no error unless `OQRON_CONFIG` names it; a missing URL is.
    ///
    /// # Errors
    /// [`Error::Config`] with everything that is wrong.
    pub fn load() -> Result<Self, Error> {
        let named = std::env::var_os("OQRON_CONFIG");
        let path = named.as_deref().unwrap_or(CONFIG_FILE.as_ref());
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => String::new(),
            Err(error) => {
                return Err(Error::Config(vec![format!(
                    "{} cannot be read: {error}",
                    Path::new(path).display()
                )]));
            }
        };
        Self::from_toml_and_env(&text, std::env::vars())
    }

    /// Reads a TOML text, without the environment.
    ///
    /// # Errors
    /// [`Error::Config`] with everything that is wrong.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        Self::from_toml_and_env(text, [])
    }

    /// Reads a TOML text, and variables that go before it.
    ///
    /// # Errors
    /// [`Error::Config`] with everything that is wrong.
    pub fn from_toml_and_env(
        text: &str,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let mut table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| Error::Config(vec![error.to_string()]))?;
        overlay_env(&mut table, env)?;
        let mut complaints = Vec::new();
        let settings: Settings = read_table("", &table, &mut complaints);
        let retention: RetentionSettings = read_table("retention", &settings.retention, &mut complaints);
        let limits: Limits = read_table("limits", &settings.limits, &mut complaints);
        let mut keep =
            |result: Result<(), Error>| complaints.extend(result.err().map(|error| error.to_string()));

        let mut config = Self::new("memory:")?;
        match settings.url {
            Some(url) => keep(BackendUrl::new(url).map(|url| config.url = url)),
            None => keep(Err(Error::Invalid {
                what: "url",
                problem: "it is missing; set url = \"sqlite:jobs.db\" in oqron.toml, or OQRON_URL".into(),
            })),
        }
        let (project, environment) = (settings.project, settings.environment);
        let namespace = Namespace::new(
            project.as_deref().unwrap_or("oqron"),
            environment.as_deref().unwrap_or("development"),
        );
        keep(namespace.map(|namespace| config.namespace = namespace));
        for topic in settings.topics.keys() {
            keep(crate::TopicName::new(topic).map(drop));
        }
        if settings.call_timeout.is_some_and(|timeout| timeout.is_zero()) {
            keep(Err(Error::Invalid {
                what: "call_timeout",
                problem: "it is 0s; 10s is usual".into(),
            }));
        }
        if !complaints.is_empty() {
            return Err(Error::Config(complaints));
        }

        config.call_timeout = settings.call_timeout.unwrap_or(config.call_timeout);
        config.id_window = settings.id_window.unwrap_or(config.id_window);
        if !settings.retention.is_empty() {
            config.retention = Retention {
                max_age: retention.max_age,
                max_count: retention.max_count,
            };
        }
        config.limits = limits;
        config.worker_name = settings.worker_name;
        config.worker = settings.worker;
        config.topics = settings.topics;
        Ok(config)
    }
}

const TOP_LEVEL: [&str; 6] = [
    "url",
    "project",
    "environment",
    "call_timeout",
    "id_window",
    "worker_name",
];

fn overlay_env(table: &mut Table, env: impl IntoIterator<Item = (String, String)>) -> Result<(), Error> {
    for (name, text) in env {
        let Some(key) = name.strip_prefix("OQRON_").map(str::to_ascii_lowercase) else {
            continue;
        };
        if TOP_LEVEL.contains(&key.as_str()) {
            // These are texts even where they look like numbers.
            table.insert(key, Value::String(text));
        } else if let Some(option) = key.strip_prefix("worker_") {
            let worker = table
                .entry("worker")
                .or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(worker) = worker else {
                return Err(Error::Config(vec![
                    "worker: it is no table; write [worker]".into(),
                ]));
            };
            worker.insert(option.to_owned(), toml_value(text));
        }
    }
    Ok(())
}

/// `4`, `true` and `{ policy = "fixed", max = 1 }` are what they are in TOML; everything else is a text.
fn toml_value(text: String) -> Value {
    let parsed: Option<Table> = format!("value = {text}").parse().ok();
    parsed
        .and_then(|mut table| table.remove("value"))
        .unwrap_or(Value::String(text))
}

/// Reads a table into settings of which every field has a default, and collects a complaint for each key that is
/// unknown or does not do, so that a user sees all of them at once. `path` names the table in the complaints.
pub fn read_table<T: DeserializeOwned + Default>(
    path: &str,
    table: &Table,
    complaints: &mut Vec<String>,
) -> T {
    let mut good = Table::new();
    for (key, value) in table {
        let single = Table::from_iter([(key.clone(), value.clone())]);
        match T::deserialize(Value::Table(single)) {
            Ok(_) => {
                good.insert(key.clone(), value.clone());
            }
            Err(error) => {
                let dot = if path.is_empty() { "" } else { "." };
                let problem = error.message().trim_end();
                // The value stays out where it may hold a password.
                let shown = if key == "url" {
                    String::new()
                } else {
                    format!(" = {value}")
                };
                complaints.push(format!("{path}{dot}{key}{shown}: {problem}"));
            }
        }
    }
    T::deserialize(Value::Table(good)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_field_is_read() {
        let config = Config::from_toml(
            r#"
            project = "shop"
            environment = "prod"
            url = "redis://:secret@localhost"
            call_timeout = "3s"
            id_window = "1h"
            [retention]
            max_age = "7d"
            [limits]
            payload_bytes_max = 10
            [worker]
            lock_ttl = "5s"
            [topics.mail]
            concurrency = 3
            "#,
        )
        .unwrap();
        assert_eq!(config.namespace.as_str(), "shop:prod");
        assert_eq!(config.call_timeout, Duration::from_secs(3));
        assert_eq!(config.id_window, Duration::from_secs(3600));
        assert_eq!(
            config.retention,
            Retention::keep_for(Duration::from_secs(7 * 24 * 3600))
        );
        assert_eq!(config.limits.payload_bytes_max, 10);
        assert_eq!(config.limits.result_bytes_max, Limits::default().result_bytes_max);
        assert_eq!(config.topics["mail"]["concurrency"].as_integer(), Some(3));
        assert!(!format!("{config:?}").contains("secret"));
    }

    #[test]
    fn all_complaints_come_at_once_and_name_key_and_value() {
        let error = Config::from_toml(
            "url = \"mysql://h\"\nprojct = \"x\"\ncall_timeout = \"soon\"\nproject = \"a b\"\n[limits]\npayload = 3",
        )
        .unwrap_err()
        .to_string();
        for part in [
            "mysql",
            "projct",
            "call_timeout",
            "soon",
            "\"a b\"",
            "limits.payload = 3",
        ] {
            assert!(error.contains(part), "{part} is not in {error}");
        }
    }

    #[test]
    fn the_environment_goes_first() {
        let env = [
            ("OQRON_URL", "sqlite:a.db"),
            ("OQRON_WORKER_CONCURRENCY", "4"),
            ("OQRON_WORKER_LOCK_TTL", "5s"),
            ("OQRON_WORKER_NAME", "7"),
            ("HOME", "/"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config =
            Config::from_toml_and_env("url = \"memory:\"\n[worker]\nlock_ttl = \"1m\"", env).unwrap();
        assert_eq!(config.url.expose(), "sqlite:a.db");
        assert_eq!(config.worker["concurrency"].as_integer(), Some(4));
        assert_eq!(config.worker["lock_ttl"].as_str(), Some("5s"));
        assert_eq!(config.worker_name.as_deref(), Some("7"));
    }

    #[test]
    fn a_missing_url_says_where_to_put_it() {
        let error = Config::from_toml("").unwrap_err().to_string();
        assert!(error.contains("OQRON_URL"), "{error}");
    }

    proptest! {
        #[test]
        fn random_text_is_an_error_and_never_a_panic(text: String, value: String) {
            let _ = Config::from_toml(&text);
            let _ = Config::from_toml_and_env("", [("OQRON_WORKER_X".to_owned(), value)]);
        }
    }
}
