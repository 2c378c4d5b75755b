//! What processes tell each other after a commit. Every notice is a hint: losing one costs time, never a job.

use std::collections::HashMap;

use oqron_core::{JobId, TopicName};
use serde::{Deserialize, Serialize};

/// One datagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Notice {
    /// To a waiting worker: the topic may have work.
    Wake(TopicName),
    /// To a worker: somebody asked to cancel this job that it runs.
    Cancel(TopicName, JobId),
    /// To who waits for the end of jobs: the number of the topic and the id of each.
    Finished(Vec<(i64, JobId)>),
}

/// Jobs in one [`Notice::Finished`].
const FINISHED_JOBS_MAX: usize = 100;

/// More than the longest notice takes: in JSON, an id of 255 bytes and a number take less than 600.
#[cfg(any(feature = "publish", feature = "consume"))]
pub(crate) const NOTICE_BYTES_MAX: usize = FINISHED_JOBS_MAX * 600;

impl Notice {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an enum of texts and numbers is always JSON")
    }

    /// `None` for what is no notice: anybody can write into a mailbox.
    #[cfg(any(feature = "publish", feature = "consume"))]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// A notice on its way to a mailbox, sent when the transaction that wrote it has committed.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) mailbox: String,
    pub(crate) notice: Notice,
    /// The number of the topic whose next waiter gets the wake-up if this one's mailbox is dead.
    pub(crate) wakes: Option<i64>,
}

/// Puts the ends of jobs that go to the same mailbox into one letter: a socket keeps only a few.
pub(crate) fn together(letters: Vec<Letter>) -> Vec<Letter> {
    let mut joined: Vec<Letter> = Vec::with_capacity(letters.len());
    let mut open: HashMap<String, usize> = HashMap::new();
    for letter in letters {
        if let Notice::Finished(more) = &letter.notice {
            if let Some(index) = open.get(&letter.mailbox)
                && let Notice::Finished(jobs) = &mut joined[*index].notice
                && jobs.len() + more.len() <= FINISHED_JOBS_MAX
            {
                jobs.extend_from_slice(more);
                continue;
            }
            open.insert(letter.mailbox.clone(), joined.len());
        }
        joined.push(letter);
    }
    joined
}

#[cfg(all(test, any(feature = "publish", feature = "consume")))]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_many_jobs_make_few_letters_that_fit() {
        let letters = (0..250).map(|n| Letter {
            mailbox: format!("publisher-{}", n % 2),
            notice: Notice::Finished(vec![(i64::MIN, JobId::new("\"".repeat(255)).unwrap())]),
            wakes: None,
        });
        let joined = together(letters.collect());
        assert_eq!(joined.len(), 4);
        for letter in joined {
            let bytes = letter.notice.to_bytes();
            assert!(bytes.len() <= NOTICE_BYTES_MAX);
            assert_eq!(Notice::from_bytes(&bytes), Some(letter.notice));
        }
        assert_eq!(Notice::from_bytes(b"{}"), None);
    }
}
