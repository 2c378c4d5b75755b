//! Topics by their number. A topic is never removed, so what was read once stays right.

use std::collections::HashMap;
#[cfg(feature = "publish")]
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use oqron_core::{Error, TopicName};

use crate::database::Database;
use crate::error::corrupt;
use crate::statement::statement;

#[cfg(any(feature = "publish", feature = "operate"))]
statement!(TOPIC, "sql/shared/topic.sql", [TEXT, TEXT]);
statement!(MAKE_TOPIC, "sql/shared/make_topic.sql", [TEXT, TEXT]);

/// Names to remember. Beyond it all are forgotten and read again.
const REMEMBERED_MAX: usize = 10_000;

/// The numbers that this process has read.
#[derive(Default)]
pub(crate) struct Topics {
    numbers: Mutex<HashMap<TopicName, i32>>,
    /// To which this process has added a job: they are marked as topics that ever had one.
    #[cfg(feature = "publish")]
    with_jobs: Mutex<HashSet<i32>>,
}

impl Topics {
    fn get(&self, name: &TopicName) -> Option<i32> {
        self.numbers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .copied()
    }

    fn keep(&self, name: &TopicName, number: i32) {
        let mut known = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(name.clone(), number);
    }

    #[cfg(feature = "publish")]
    pub(crate) fn has_jobs(&self, number: i32) -> bool {
        let with_jobs = self.with_jobs.lock().unwrap_or_else(PoisonError::into_inner);
        with_jobs.contains(&number)
    }

    #[cfg(feature = "publish")]
    pub(crate) fn keep_that_it_has_jobs(&self, number: i32) {
        let mut with_jobs = self.with_jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if with_jobs.len() >= REMEMBERED_MAX {
            with_jobs.clear();
        }
        with_jobs.insert(number);
    }

    /// The name of a number that this process has read.
    #[cfg(feature = "consume")]
    pub(crate) fn name_of(&self, number: i32) -> Option<TopicName> {
        let known = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .iter()
            .find(|(_, known)| **known == number)
            .map(|(name, _)| name.clone())
    }
}

impl Database {
    /// The number of a topic, or `None` if nobody has named it yet.
    #[cfg(any(feature = "publish", feature = "operate"))]
    pub(crate) async fn topic(&self, action: &'static str, name: &TopicName) -> Result<Option<i32>, Error> {
        if let Some(number) = self.topics.get(name) {
            return Ok(Some(number));
        }
        let namespace = self.namespace.as_str();
        let rows = self.query(action, &TOPIC, &[&namespace, &name.as_str()]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let number = row.try_get(0).map_err(|error| corrupt("topic", error))?;
        self.topics.keep(name, number);
        Ok(Some(number))
    }

    /// The number of a topic, which is made if it is new.
    pub(crate) async fn topic_made(&self, action: &'static str, name: &TopicName) -> Result<i32, Error> {
        if let Some(number) = self.topics.get(name) {
            return Ok(number);
        }
        let namespace = self.namespace.as_str();
        let rows = self
            .query(action, &MAKE_TOPIC, &[&namespace, &name.as_str()])
            .await?;
        let number = rows
            .first()
            .ok_or_else(|| corrupt("topic", "it was not made"))?
            .try_get(0)
            .map_err(|error| corrupt("topic", error))?;
        self.topics.keep(name, number);
        Ok(number)
    }
}
