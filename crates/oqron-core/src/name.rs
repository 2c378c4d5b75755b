//! Validated names: once a value of one of these types exists, it is fit for every backend.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::limits::{JOB_ID_BYTES_MAX, NAME_CHARS_MAX};
use crate::{Error, Timestamp};

macro_rules! validated_text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text and keeps it.
            ///
            /// # Errors
            /// [`Error::InvalidName`] with the text, what is wrong with it and what would do.
            pub fn new(text: impl AsRef<str>) -> Result<Self, Error> {
                let text = text.as_ref();
                match $check(text) {
                    Ok(()) => Ok(Self(text.into())),
                    Err(problem) => Err(Error::InvalidName {
                        what: $what,
                        value: crate::limits::clip(text, 300).into_owned(),
                        problem,
                    }),
                }
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(text: String) -> Result<Self, Error> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }
    };
}

validated_text!(
    /// The name of a topic: 1 to 128 of `A-Z a-z 0-9 . _ -`.
    TopicName, "topic", check_name
);
validated_text!(
    /// One worker process, unique over all machines and restarts: 1 to 128 of `A-Z a-z 0-9 . _ -`.
    WorkerId, "worker id", check_name
);
validated_text!(
    /// The name of a cluster-wide lock: 1 to 128 of `A-Z a-z 0-9 . _ -`.
    LockName, "lock name", check_name
);
validated_text!(
    /// A job's identity within its topic: 1 to 255 bytes, no control characters.
    ///
    /// The user gives it, and then a second add of the same id is the same job; or it is generated, see
    /// [`JobId::generate`].
    JobId, "job id", check_job_id
);

impl JobId {
    /// A new id that nobody else has: a UUIDv7, so that ids sort by the time of their creation.
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7().to_string().into())
    }
}

/// Makes the ids of one batch: the system is asked for randomness once, where [`JobId::generate`] asks for every id.
///
/// They are UUIDv7 of one millisecond, told apart by a counter and by chance (RFC 9562, section 6.2, method 1), so they sort as
/// they were made. Not to be kept beyond the batch: after a `fork`, both processes would go on with the same ids.
pub struct JobIds {
    millis: u64,
    chance: StdRng,
    /// The same in all of them.
    head: [u8; 2],
    /// 30 bits, of which chance set all but the highest.
    counter: u32,
}

impl JobIds {
    /// The ids of a batch that is made now.
    #[allow(clippy::new_without_default, reason = "two are never the same")]
    pub fn new() -> Self {
        let mut chance = StdRng::from_os_rng();
        Self {
            millis: u64::try_from(Timestamp::now().as_millis()).unwrap_or(0),
            head: chance.random(),
            counter: chance.random::<u32>() >> 3,
            chance,
        }
    }

    /// One more.
    pub fn generate(&mut self) -> JobId {
        self.counter += 1;
        let mut bytes = [0; 10];
        bytes[..2].copy_from_slice(&self.head);
        bytes[2..6].copy_from_slice(&self.counter.to_be_bytes());
        bytes[6..].copy_from_slice(&self.chance.random::<[u8; 4]>());
        let id = uuid::Builder::from_unix_timestamp_millis(self.millis, &bytes).into_uuid();
        let mut text = uuid::Uuid::encode_buffer();
        JobId((&*id.hyphenated().encode_lower(&mut text)).into())
    }
}

impl WorkerId {
    /// A new id for this process, made readable by `label` (the host's name): `label-pid-random`.
    pub fn generate(label: &str) -> Self {
        let label: String = label.chars().filter(|c| is_name_char(*c)).take(60).collect();
        let label = if label.is_empty() {
            "worker"
        } else {
            label.as_str()
        };
        let unique = uuid::Uuid::new_v4().simple().to_string();
        Self(format!("{label}-{}-{}", std::process::id(), &unique[..12]).into())
    }
}

/// `project:environment`. Two namespaces on one server never see each other.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// Checks both parts: each 1 to 128 of `A-Z a-z 0-9 . _ -`.
    ///
    /// # Errors
    /// [`Error::InvalidName`] for the first part that is not valid.
    pub fn new(project: &str, environment: &str) -> Result<Self, Error> {
        for (what, value) in [("project", project), ("environment", environment)] {
            check_name(value).map_err(|problem| Error::InvalidName {
                what,
                value: crate::limits::clip(value, 300).into_owned(),
                problem,
            })?;
        }
        Ok(Self(format!("{project}:{environment}").into()))
    }

    /// `project:environment`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

fn check_name(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("it is empty".into());
    }
    if let Some(bad) = text.chars().find(|c| !is_name_char(*c)) {
        return Err(format!(
            "it contains {bad:?}, and only A-Z a-z 0-9 . _ - are allowed"
        ));
    }
    if text.len() > NAME_CHARS_MAX {
        return Err(format!(
            "it has {} characters, and at most {NAME_CHARS_MAX} are allowed",
            text.len()
        ));
    }
    Ok(())
}

fn check_job_id(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("it is empty; give 1 to 255 bytes, or leave it out to have one generated".into());
    }
    if text.len() > JOB_ID_BYTES_MAX {
        return Err(format!(
            "it has {} bytes, and at most {JOB_ID_BYTES_MAX} are allowed; a hash of it would do",
            text.len()
        ));
    }
    if let Some(bad) = text.chars().find(|c| c.is_control()) {
        return Err(format!("it contains the control character {bad:?}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_with_a_space_is_refused_by_name() {
        let error = TopicName::new("video encode").unwrap_err().to_string();
        assert!(
            error.contains("topic \"video encode\"") && error.contains("' '"),
            "{error}"
        );
    }

    #[test]
    fn names_at_the_limits() {
        assert!(TopicName::new("a").is_ok());
        assert!(TopicName::new("a".repeat(128)).is_ok());
        for bad in ["", "ä", "a:b", "a{b}", "a/b", &"a".repeat(129)] {
            assert!(TopicName::new(bad).is_err(), "{bad}");
        }
        assert!(JobId::new("ä:{} \u{10FFFF}").is_ok());
        assert!(JobId::new("x".repeat(255)).is_ok());
        for bad in ["", "a\nb", "a\0", &"x".repeat(256), &"ä".repeat(128)] {
            assert!(JobId::new(bad).is_err(), "{bad:?}");
        }
        assert!(Namespace::new("shop", "prod").is_ok());
        assert!(Namespace::new("shop", "a:b").is_err());
    }

    #[test]
    fn the_ids_of_a_batch_are_uuids_of_now_that_sort_as_they_were_made() {
        let before = Timestamp::now().as_millis();
        let mut batch = JobIds::new();
        let ids: Vec<JobId> = (0..10_000).map(|_| batch.generate()).collect();
        let after = Timestamp::now().as_millis();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        for id in &ids {
            let uuid = uuid::Uuid::parse_str(id.as_str()).unwrap();
            assert_eq!(uuid.get_version_num(), 7);
            assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
            let (seconds, nanos) = uuid.get_timestamp().unwrap().to_unix();
            let millis = i64::try_from(seconds).unwrap() * 1000 + i64::from(nanos) / 1_000_000;
            assert!((before..=after).contains(&millis), "{id}");
        }
    }

    #[test]
    fn batches_of_the_same_millisecond_share_no_id() {
        let batches = (0..1000).map(|_| JobIds::new());
        let ids: std::collections::HashSet<JobId> = batches
            .flat_map(|mut batch| [batch.generate(), batch.generate()])
            .collect();
        assert_eq!(ids.len(), 2000);
    }

    #[test]
    fn generated_ids_are_valid_and_sort_by_time() {
        let ids: Vec<JobId> = (0..1000).map(|_| JobId::generate()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(JobId::new(ids[0].as_str()).is_ok());
        assert!(WorkerId::new(WorkerId::generate("höst näme").as_str()).is_ok());
    }
}
