//! The lists that grow in a job's record, its timeline and its log: kept as JSON, the oldest entries go first.

#[cfg(feature = "consume")]
use oqron_core::LogLine;
#[cfg(feature = "consume")]
use oqron_core::limits::LOG_LINES_MAX;
use oqron_core::limits::{ERROR_BYTES_MAX, TIMELINE_EVENTS_MAX, clip};
use oqron_core::{Error, TimelineEvent};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::corrupt;

/// The timeline with more events.
pub(crate) fn with_events(stored: Option<&str>, events: Vec<TimelineEvent>) -> String {
    let events = events.into_iter().map(|mut event| {
        event.reason = clip(&event.reason, ERROR_BYTES_MAX).into_owned();
        event
    });
    append("a job's timeline", stored, events, TIMELINE_EVENTS_MAX)
}

/// The log with more lines; `None` where nothing is new.
#[cfg(feature = "consume")]
pub(crate) fn with_lines(stored: Option<&str>, lines: &[LogLine]) -> Option<String> {
    let append = || append("a job's log", stored, lines.iter().cloned(), LOG_LINES_MAX);
    (!lines.is_empty()).then(append)
}

fn append<T: Serialize + DeserializeOwned>(
    what: &'static str,
    stored: Option<&str>,
    new: impl IntoIterator<Item = T>,
    entries_max: usize,
) -> String {
    // The job goes on whatever somebody did to the entries before.
    let mut list: Vec<T> = read_list(what, stored).unwrap_or_else(|error| {
        tracing::warn!(%error, "a list begins anew, since what was in it cannot be read");
        Vec::new()
    });
    list.extend(new);
    let surplus = list.len().saturating_sub(entries_max);
    to_json(&list[surplus..])
}

/// A stored list; nothing stored is an empty one.
pub(crate) fn read_list<T: DeserializeOwned>(
    what: &'static str,
    stored: Option<&str>,
) -> Result<Vec<T>, Error> {
    stored.map_or_else(|| Ok(Vec::new()), |text| from_json(what, text))
}

pub(crate) fn from_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| corrupt(what, error.to_string()))
}

pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("records of texts and numbers are always JSON")
}

#[cfg(test)]
mod tests {
    use oqron_core::{TimelineKind, Timestamp};

    use super::*;

    #[test]
    fn the_oldest_events_go_first_and_an_edited_timeline_begins_anew() {
        let event = |n: i64| {
            TimelineEvent::new(
                Timestamp::from_millis(n),
                TimelineKind::Snoozed,
                None,
                "x".repeat(ERROR_BYTES_MAX * 2),
            )
        };
        let mut stored = None;
        for n in 0..TIMELINE_EVENTS_MAX as i64 + 3 {
            stored = Some(with_events(stored.as_deref(), vec![event(n)]));
        }
        let events: Vec<TimelineEvent> = read_list("timeline", stored.as_deref()).unwrap();
        assert_eq!(events.len(), TIMELINE_EVENTS_MAX);
        assert_eq!(events[0].at.as_millis(), 3);
        assert!(events[0].reason.len() <= ERROR_BYTES_MAX);
        let anew = with_events(Some("[{]"), vec![event(7)]);
        let events: Vec<TimelineEvent> = read_list("timeline", Some(&anew)).unwrap();
        assert_eq!(events.len(), 1);
        assert!(read_list::<TimelineEvent>("timeline", Some("[{]")).is_err());
    }
}
