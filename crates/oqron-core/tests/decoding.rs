//! What comes from outside, at random and damaged: an error that says so, or a value that holds what its type promises;
//! never a panic.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::collections::BTreeMap;
use std::time::Duration;

use oqron_core::{
    BackendUrl, Codec, Config, Encoded, FailureKind, Format, JobFailure, JobId, JobOptions, LockName,
    LogLine, Namespace, Progress, Retries, TimelineEvent, TimelineKind, Timestamp, TopicName, WorkerId,
    WorkerInfo,
};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A payload with all that a payload may have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Payload {
    Unit,
    Text(String),
    Nested(Vec<Payload>),
    Fields {
        number: i128,
        ratio: f64,
        map: BTreeMap<String, Option<Box<Payload>>>,
        bytes: Vec<u8>,
    },
}

fn payload() -> impl Strategy<Value = Payload> {
    let leaf = prop_oneof![Just(Payload::Unit), ".*".prop_map(Payload::Text)];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Payload::Nested),
            (
                any::<i64>(),
                -1e9..1e9,
                prop::collection::btree_map(".{0,8}", prop::option::of(inner.prop_map(Box::new)), 0..3),
                any::<Vec<u8>>()
            )
                .prop_map(|(number, ratio, map, bytes)| Payload::Fields {
                    number: number.into(),
                    ratio,
                    map,
                    bytes
                }),
        ]
    })
}

/// What somebody does to bytes by hand.
#[derive(Clone, Debug)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Repeat(prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<prop::sample::Index>(), 1u8..).prop_map(|(at, mask)| Damage::Flip(at, mask)),
        any::<prop::sample::Index>().prop_map(Damage::Cut),
        (
            any::<prop::sample::Index>(),
            prop::collection::vec(any::<u8>(), 1..9)
        )
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        any::<prop::sample::Index>().prop_map(Damage::Repeat),
    ]
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |at: &prop::sample::Index, bytes: &[u8]| at.index(bytes.len() + 1);
        match self {
            Self::Flip(at, mask) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] ^= mask;
            }
            Self::Flip(..) => {}
            Self::Cut(at) => bytes.truncate(place(at, bytes)),
            Self::Insert(at, more) => {
                let at = place(at, bytes);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Repeat(at) => {
                let tail = bytes[place(at, bytes)..].to_vec();
                bytes.extend(tail);
            }
        }
    }
}

/// Damages the JSON of a value. What is still read must be written and read back as the same: a reader that takes more
/// than a writer gives would change what it only passes on.
fn damaged_json<T>(value: &T, damages: &[Damage]) -> Result<(), TestCaseError>
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let mut json = serde_json::to_vec(value).unwrap();
    prop_assert_eq!(&serde_json::from_slice::<T>(&json).unwrap(), value);
    for damage in damages {
        damage.apply(&mut json);
        if let Ok(read) = serde_json::from_slice::<T>(&json) {
            let again = serde_json::to_vec(&read).unwrap();
            prop_assert_eq!(serde_json::from_slice::<T>(&again).unwrap(), read);
        }
    }
    Ok(())
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    prop::collection::vec(damage(), 1..6)
}

/// Lines of a configuration, right ones and wrong ones, in any order and number.
fn toml_line() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("url"),
        Just("project"),
        Just("environment"),
        Just("call_timeout"),
        Just("id_window"),
        Just("worker_name"),
        Just("max_age"),
        Just("max_count"),
        Just("payload_bytes_max"),
        Just("result_bytes_max"),
        Just("lock_ttl"),
        Just("retention.max_age"),
        Just("limits"),
        Just("worker"),
        Just("topics"),
        Just("nobody_knows_it"),
    ];
    let value = prop_oneof![
        "\"[a-z0-9:/@.? -]{0,20}\"",
        "\"[0-9]{1,20}(ms|s|m|h|days|years)\"",
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:?}")),
        Just("true".to_owned()),
        Just("[]".to_owned()),
        Just("{ max_age = \"1s\" }".to_owned()),
        Just("1979-05-27T07:32:00Z".to_owned()),
        ".{0,12}",
    ];
    let table = prop_oneof![
        Just("[retention]".to_owned()),
        Just("[limits]".to_owned()),
        Just("[worker]".to_owned()),
        Just("[topics.encode]".to_owned()),
        "\\[topics.\".{0,10}\"\\]",
        "\\[.{0,12}\\]",
    ];
    prop_oneof![
        6 => (key, value).prop_map(|(key, value)| format!("{key} = {value}")),
        2 => table,
        1 => ".{0,30}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_damaged_envelope_is_an_error_or_another_value_and_never_a_panic(
        value in payload(), number: u16, damages in damages()
    ) {
        for codec in [Codec::Json, Codec::Bincode] {
            let encoded = codec.encode(&value).unwrap();
            prop_assert_eq!(codec.decode::<Payload>(&encoded).is_ok(), true);
            let other = Encoded::new(Format::from_number(number), encoded.bytes.clone());
            let decoded = codec.decode::<Payload>(&other);
            prop_assert_eq!(decoded.is_ok(), number == codec.format().number(), "a format that is another one");
            let mut bytes = encoded.bytes.to_vec();
            for damage in &damages {
                damage.apply(&mut bytes);
                let damaged = Encoded::new(codec.format(), bytes.clone());
                if let Err(error) = codec.decode::<Payload>(&damaged) {
                    prop_assert!(error.to_string().contains("Payload"), "{} does not name the type", error);
                }
            }
        }
    }

    #[test]
    fn a_length_that_nobody_has_the_memory_for_is_an_error(length in 1u64 << 32.., bytes: Vec<u8>) {
        // In bincode a byte of 253 says that a length of 8 bytes follows.
        let mut hostile = vec![253];
        hostile.extend(length.to_le_bytes());
        hostile.extend(bytes);
        let hostile = Encoded::new(Codec::Bincode.format(), hostile);
        prop_assert!(Codec::Bincode.decode::<String>(&hostile).is_err());
        prop_assert!(Codec::Bincode.decode::<Vec<u64>>(&hostile).is_err());
        prop_assert!(Codec::Bincode.decode::<BTreeMap<u64, String>>(&hostile).is_err());
    }

    #[test]
    fn a_payload_nested_without_end_is_an_error_in_json(depth in 1_000usize..200_000) {
        let text = "{\"Nested\":[".repeat(depth);
        let deep = Encoded::new(Format::JSON, text.into_bytes());
        prop_assert!(Codec::Json.decode::<Payload>(&deep).is_err());
    }

    #[test]
    fn a_configuration_is_read_or_complained_about(lines in prop::collection::vec(toml_line(), 0..12)) {
        let text = lines.join("\n");
        match Config::from_toml(&text) {
            Ok(config) => {
                prop_assert!(!config.call_timeout.is_zero());
                for topic in config.topics.keys() {
                    prop_assert!(TopicName::new(topic).is_ok());
                }
            }
            Err(error) => prop_assert!(error.to_string().len() > "the configuration is not valid:".len()),
        }
    }

    #[test]
    fn variables_are_read_or_complained_about(
        name in "OQRON_[A-Z_]{0,20}|OQRON_WORKER_[A-Z_]{0,12}|OQRON_(URL|PROJECT|CALL_TIMEOUT|ID_WINDOW|WORKER)",
        value in ".*"
    ) {
        let env = [(name, value), ("OQRON_URL".to_owned(), "memory:".to_owned())];
        let _ = Config::from_toml_and_env("", env.clone());
        let _ = Config::from_toml_and_env("worker = 7", env);
    }

    #[test]
    fn a_name_that_is_taken_fits_every_backend(text in prop_oneof![".*", "[A-Za-z0-9._-]{0,140}", "\\PC{0,300}"]) {
        let fits = !text.is_empty()
            && text.len() <= 128
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        prop_assert_eq!(TopicName::new(&text).is_ok(), fits);
        prop_assert_eq!(WorkerId::new(&text).is_ok(), fits);
        prop_assert_eq!(LockName::new(&text).is_ok(), fits);
        prop_assert_eq!(Namespace::new(&text, "test").is_ok(), fits);
        prop_assert_eq!(Namespace::new("test", &text).is_ok(), fits);
        let id_fits = (1..=255).contains(&text.len()) && !text.chars().any(char::is_control);
        prop_assert_eq!(JobId::new(&text).is_ok(), id_fits);
        // The way in by JSON has the same door.
        let json = serde_json::to_string(&text).unwrap();
        prop_assert_eq!(serde_json::from_str::<TopicName>(&json).is_ok(), fits);
        prop_assert_eq!(serde_json::from_str::<JobId>(&json).is_ok(), id_fits);
        if let Err(error) = TopicName::new(&text) {
            prop_assert!(error.to_string().len() < 2_000, "an error repeats a text without end");
        }
        prop_assert!(WorkerId::new(WorkerId::generate(&text).as_str()).is_ok());
    }

    #[test]
    fn a_url_never_shows_what_stands_before_its_host(
        scheme in "(redis|rediss|postgres|postgresql|mysql|[a-z]{0,8})", user in "[a-z]{0,6}",
        rest in "[a-z0-9.:/@?#%\\[\\]-]{0,30}"
    ) {
        // No letters that a scheme, a host or a complaint has.
        const SECRET: &str = "Q7Q7Q7";
        for text in [
            format!("{scheme}://{user}:{SECRET}@{rest}"),
            format!("{scheme}://{rest}?password={SECRET}"),
        ] {
            match BackendUrl::new(text.clone()) {
                Ok(url) => {
                    prop_assert!(!url.to_string().contains(SECRET), "{} of {}", url, text);
                    let debug = format!("{url:?}");
                    prop_assert!(!debug.contains(SECRET));
                    prop_assert!(!serde_json::to_string(&url).unwrap().contains(SECRET));
                    prop_assert_eq!(url.expose(), text);
                }
                Err(error) => prop_assert!(!error.to_string().contains(SECRET), "{}", error),
            }
        }
    }

    #[test]
    fn any_text_as_a_url_is_taken_or_refused(text in ".*") {
        if let Ok(url) = BackendUrl::new(text) {
            let _ = (url.redacted(), url.to_string(), url.kind());
        }
    }

    #[test]
    fn damaged_parts_of_a_record_are_errors_or_values(
        at: i64, text in ".*", percent: u8, chain in prop::collection::vec(".*", 0..3), damages in damages()
    ) {
        let at = Timestamp::from_millis(at);
        let mut failure = JobFailure::new(FailureKind::Timeout, &text);
        failure.chain = chain;
        damaged_json(&failure, &damages)?;
        damaged_json(&Progress::new(percent, &text), &damages)?;
        damaged_json(&LogLine::new(at, &text), &damages)?;
        let worker = WorkerId::generate("worker");
        damaged_json(&TimelineEvent::new(at, TimelineKind::Stalled, Some(worker.clone()), text), &damages)?;
        let topic = TopicName::new("topic").unwrap();
        damaged_json(&WorkerInfo::new(worker, vec![topic], 3, "host"), &damages)?;
        damaged_json(&Retries::exponential(percent.into()).to_settings().unwrap(), &damages)?;
    }

    #[test]
    fn damaged_extras_of_a_job_are_an_error(
        tags in prop::collection::vec(".{0,12}", 0..3), id in prop::option::of(".{0,12}"), millis in 1u64..1 << 40,
        damages in damages(), noise in ".*"
    ) {
        let options = JobOptions {
            tags,
            correlation_id: id,
            timeout: Some(Duration::from_millis(millis)),
            ..JobOptions::default()
        };
        let mut json = options.extras().unwrap().into_bytes();
        for damage in &damages {
            damage.apply(&mut json);
            let _ = JobOptions::default().set_extras(Some(&String::from_utf8_lossy(&json)));
        }
        let _ = JobOptions::default().set_extras(Some(&noise));
    }

    #[test]
    fn the_times_of_a_record_are_shown_whatever_they_are(millis: i64, other: i64, delay: u64) {
        let (at, other) = (Timestamp::from_millis(millis), Timestamp::from_millis(other));
        let _ = (at.since(other), at.after(Duration::from_millis(delay)), at.to_string(), format!("{at:?}"));
    }
}
