//! What can be said about a worker: in code, and over that in TOML.

use std::time::Duration;

use oqron_core::config::read_table;
use oqron_core::limits::{DURATION_MAX, TURN_JOBS_MAX};
use oqron_core::{Config, Delivery, Retries, RetrySettings};
use serde::Deserialize;
use toml::Table;

use crate::throttle::Throttle;

/// The shortest lease: below it, the way to the server and back is a part that counts.
const LOCK_TTL_MIN: Duration = Duration::from_millis(100);
/// The keys of `[worker]` that the runtime reads and not a worker.
const OF_RUNTIME: [&str; 3] = ["shutdown_grace", "presence", "presence_grace"];
/// Of a presence: below it, a connection that breaks and comes back would look like a death.
const PRESENCE_GRACE_MIN: Duration = Duration::from_millis(100);

/// The options of one worker, with nothing left open.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) concurrency: u32,
    pub(crate) delivery: Delivery,
    pub(crate) heartbeat: Duration,
    pub(crate) lock_ttl: Duration,
    pub(crate) retries: Retries,
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_stalls: u32,
    pub(crate) throttle: Option<Throttle>,
    pub(crate) paused: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            concurrency: 1,
            delivery: Delivery::AtLeastOnce,
            heartbeat: Duration::from_secs(5),
            lock_ttl: Duration::from_secs(30),
            retries: Retries::none(),
            timeout: None,
            max_stalls: 3,
            throttle: None,
            paused: false,
        }
    }
}

impl Options {
    /// Puts `[worker]` over what was said in code, and `[topics.<topic>]` over that, and checks what comes out.
    pub(crate) fn resolve(mut self, topic: &str, config: &Config, complaints: &mut Vec<String>) -> Self {
        let mut worker = config.worker.clone();
        worker.retain(|key, _| !is_of_runtime(key));
        self.overlay("worker", &worker, complaints);
        if let Some(table) = config.topics.get(topic) {
            self.overlay(&format!("topics.{topic}"), table, complaints);
        }
        complaints.extend(
            self.complaints()
                .into_iter()
                .map(|text| format!("worker of {topic:?}: {text}")),
        );
        self
    }

    fn overlay(&mut self, path: &str, table: &Table, complaints: &mut Vec<String>) {
        let settings: Settings = read_table(path, table, complaints);
        let by_flag = settings.guaranteed_worker.map(|guaranteed| match guaranteed {
            true => Delivery::AtLeastOnce,
            false => Delivery::AtMostOnce,
        });
        if let (Some(delivery), Some(by_flag)) = (settings.delivery, by_flag)
            && delivery != by_flag
        {
            complaints.push(format!(
                "{path}.delivery and {path}.guaranteed_worker contradict each other; give one of them \
                 (guaranteed_worker = true is delivery = \"at_least_once\")"
            ));
        }
        self.delivery = settings.delivery.or(by_flag).unwrap_or(self.delivery);
        self.concurrency = settings.concurrency.unwrap_or(self.concurrency);
        self.heartbeat = settings.heartbeat.unwrap_or(self.heartbeat);
        self.lock_ttl = settings.lock_ttl.unwrap_or(self.lock_ttl);
        self.timeout = settings.timeout.or(self.timeout);
        self.max_stalls = settings.max_stalls.unwrap_or(self.max_stalls);
        self.paused = settings.paused.unwrap_or(self.paused);
        if let Some(retries) = &settings.retries {
            self.retries = Retries::from(retries);
        }
        if let Some(throttle) = &settings.throttle {
            self.throttle = Some(Throttle {
                starts: throttle.starts,
                per: throttle.per,
            });
        }
    }

    /// What is wrong, in words for the user.
    fn complaints(&self) -> Vec<String> {
        let mut complaints = self.retries.complaints();
        let mut complain_if = |wrong: bool, text: String| complaints.extend(wrong.then_some(text));
        let most = TURN_JOBS_MAX;
        complain_if(
            !(1..=most).contains(&(self.concurrency as usize)),
            format!("concurrency is {}; give 1 to {most}", self.concurrency),
        );
        complain_if(
            self.lock_ttl < LOCK_TTL_MIN,
            format!(
                "lock_ttl is {}; give at least {}, 30s is usual",
                show(self.lock_ttl),
                show(LOCK_TTL_MIN)
            ),
        );
        complain_if(
            self.heartbeat.is_zero(),
            "heartbeat is 0s; a sixth of lock_ttl is usual".to_owned(),
        );
        complain_if(
            self.heartbeat > self.lock_ttl / 2,
            format!(
                "heartbeat ({}) is not well below lock_ttl ({}): one that is late would lose the lease; give at most \
                 {}, or a longer lock_ttl",
                show(self.heartbeat),
                show(self.lock_ttl),
                show(self.lock_ttl / 2)
            ),
        );
        complain_if(
            self.timeout.is_some_and(|timeout| timeout.is_zero()),
            "timeout is 0s; leave it out for none".to_owned(),
        );
        for (name, value) in [("lock_ttl", Some(self.lock_ttl)), ("timeout", self.timeout)] {
            let value = value.unwrap_or_default();
            complain_if(
                value > DURATION_MAX,
                format!("{name} is {}; give at most {}", show(value), show(DURATION_MAX)),
            );
        }
        if let Some(Throttle { starts, per }) = self.throttle {
            complain_if(
                starts == 0,
                "throttle allows 0 starts, so no job would ever run; give at least 1, or use paused"
                    .to_owned(),
            );
            complain_if(
                per.is_zero() || per > DURATION_MAX,
                format!("throttle is per {}; give more than 0s, 1s is usual", show(per)),
            );
        }
        complaints
    }
}

fn show(duration: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(duration)
}

/// `[worker]` and `[topics.<topic>]`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    concurrency: Option<u32>,
    #[serde(with = "humantime_serde")]
    lock_ttl: Option<Duration>,
    #[serde(with = "humantime_serde")]
    heartbeat: Option<Duration>,
    #[serde(with = "humantime_serde")]
    timeout: Option<Duration>,
    max_stalls: Option<u32>,
    retries: Option<RetrySettings>,
    delivery: Option<Delivery>,
    guaranteed_worker: Option<bool>,
    throttle: Option<ThrottleSettings>,
    paused: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThrottleSettings {
    starts: u32,
    #[serde(with = "humantime_serde")]
    per: Duration,
}

fn is_of_runtime(key: &str) -> bool {
    OF_RUNTIME.contains(&key)
}

/// The part of `[worker]` that is the runtime's.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RuntimeSettings {
    #[serde(with = "humantime_serde")]
    pub(crate) shutdown_grace: Option<Duration>,
    pub(crate) presence: Option<bool>,
    #[serde(with = "humantime_serde")]
    pub(crate) presence_grace: Option<Duration>,
}

impl RuntimeSettings {
    /// Reads them out of `[worker]`.
    pub(crate) fn read(config: &Config, complaints: &mut Vec<String>) -> Self {
        let mut table: Table = config.worker.clone();
        table.retain(|key, _| is_of_runtime(key));
        let settings: Self = read_table("worker", &table, complaints);
        if let Some(grace) = settings.presence_grace {
            complaints.extend(presence_grace_complaint(grace));
        }
        settings
    }
}

/// What is wrong with the grace of a presence, in words for the user.
pub(crate) fn presence_grace_complaint(grace: Duration) -> Option<String> {
    let does = (PRESENCE_GRACE_MIN..=DURATION_MAX).contains(&grace);
    (!does).then(|| {
        format!(
            "presence_grace is {}; give at least {}, 1s is usual",
            show(grace),
            show(PRESENCE_GRACE_MIN)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(options: Options, toml: &str) -> (Options, Vec<String>) {
        let config = Config::from_toml(&format!("url = \"memory:\"\n{toml}")).unwrap();
        let mut complaints = Vec::new();
        let options = options.resolve("mail", &config, &mut complaints);
        (options, complaints)
    }

    #[test]
    fn the_topics_table_goes_over_the_workers_over_the_code() {
        let code = Options {
            concurrency: 2,
            max_stalls: 7,
            ..Options::default()
        };
        let (options, complaints) = resolve(
            code,
            r#"
            [worker]
            concurrency = 3
            lock_ttl = "10s"
            shutdown_grace = "1s"
            guaranteed_worker = false
            retries = { policy = "fixed", max = 1, base_delay = "10s" }
            [topics.mail]
            concurrency = 4
            heartbeat = "2s"
            timeout = "1m"
            throttle = { starts = 5, per = "1s" }
            paused = true
            [topics.other]
            concurrency = 9
            "#,
        );
        assert_eq!(complaints, Vec::<String>::new());
        let expected = Options {
            concurrency: 4,
            delivery: Delivery::AtMostOnce,
            heartbeat: Duration::from_secs(2),
            lock_ttl: Duration::from_secs(10),
            retries: Retries::fixed(1, Duration::from_secs(10)),
            timeout: Some(Duration::from_secs(60)),
            max_stalls: 7,
            throttle: Some(Throttle {
                starts: 5,
                per: Duration::from_secs(1),
            }),
            paused: true,
        };
        assert_eq!(options, expected);
    }

    #[test]
    fn all_complaints_come_at_once_with_value_and_remedy() {
        let (_, complaints) = resolve(
            Options::default(),
            r#"
            [worker]
            concurency = 2
            lock_ttl = "soon"
            delivery = "at_most_once"
            guaranteed_worker = true
            [topics.mail]
            concurrency = 0
            heartbeat = "20s"
            timeout = "0s"
            throttle = { starts = 0, per = "0s" }
            retries = { max = 1, jitter = 3.0 }
            "#,
        );
        let all = complaints.join("\n");
        for part in [
            "worker.concurency = 2",
            "worker.lock_ttl = \"soon\"",
            "contradict",
            "concurrency is 0; give 1 to 1000",
            "heartbeat (20s) is not well below lock_ttl (30s)",
            "at most 15s",
            "timeout is 0s",
            "0 starts",
            "per 0s",
            "jitter is 3",
        ] {
            assert!(all.contains(part), "{part:?} is not in:\n{all}");
        }
        assert_eq!(complaints.len(), 9, "{all}");
    }

    #[test]
    fn some_options_are_the_runtimes() {
        let mut complaints = Vec::new();
        let mut read = |toml: &str| {
            let config = Config::from_toml(&format!("url = \"memory:\"\n[worker]\n{toml}")).unwrap();
            RuntimeSettings::read(&config, &mut complaints)
        };
        let settings =
            read("shutdown_grace = \"3s\"\npresence = false\npresence_grace = \"2s\"\nconcurrency = 2");
        assert_eq!(settings.shutdown_grace, Some(Duration::from_secs(3)));
        assert_eq!(settings.presence, Some(false));
        assert_eq!(settings.presence_grace, Some(Duration::from_secs(2)));
        read("shutdown_grace = 3\npresence_grace = \"1ms\"");
        let all = complaints.join("\n");
        assert!(all.contains("worker.shutdown_grace = 3"), "{all}");
        assert!(
            all.contains("presence_grace is 1ms; give at least 100ms"),
            "{all}"
        );
    }
}
