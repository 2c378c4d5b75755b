//! What the backend recorded of a job in the end.

use oqron_core::{
    Error, FailureKind, JobId, JobRecord, JobState, ListQuery, Operate, Token, TopicName, WorkerId,
};

/// Records asked for at once.
const PAGE_JOBS: u32 = 500;

/// What the checker needs of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The topic.
    pub topic: TopicName,
    /// The job.
    pub id: JobId,
    /// Where it is.
    pub state: JobState,
    /// Attempts that count.
    pub attempts: u32,
    /// Leases that were lost.
    pub stalls: u32,
    /// The token of the last lease.
    pub token: Option<Token>,
    /// Its worker.
    pub worker: Option<WorkerId>,
    /// Why it failed.
    pub failure: Option<FailureKind>,
}

impl Record {
    /// A job that completed under this token at the first attempt.
    #[must_use]
    pub fn completed(topic: TopicName, id: JobId, token: Token, worker: WorkerId) -> Self {
        Self {
            topic,
            id,
            state: JobState::Completed,
            attempts: 1,
            stalls: 0,
            token: Some(token),
            worker: Some(worker),
            failure: None,
        }
    }

    /// Everything that is kept of a topic, state by state: a job that stands in two lists comes twice. To be called when
    /// nothing moves any more.
    ///
    /// # Errors
    /// What the backend says; and [`Error::Corrupt`] if its counts and its lists do not agree.
    pub async fn all(operator: &dyn Operate, topic: &TopicName) -> Result<Vec<Self>, Error> {
        let counts = operator.counts(topic).await?;
        let mut records = Vec::new();
        for state in JobState::ALL {
            let before = records.len();
            let mut after = None;
            loop {
                let query = ListQuery {
                    topic: topic.clone(),
                    state,
                    after,
                    limit: PAGE_JOBS,
                };
                let page = operator.list(&query).await?;
                records.extend(page.jobs.iter().map(Self::from));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            let listed = (records.len() - before) as u64;
            if listed != counts.of(state) {
                return Err(Error::Corrupt {
                    what: "the count of a state",
                    problem: format!(
                        "{} jobs of {topic} are {state}, and {listed} are listed",
                        counts.of(state)
                    ),
                });
            }
        }
        Ok(records)
    }
}

impl From<&JobRecord> for Record {
    fn from(record: &JobRecord) -> Self {
        Self {
            topic: record.topic.clone(),
            id: record.id.clone(),
            state: record.state,
            attempts: record.attempts,
            stalls: record.stalls,
            token: record.token,
            worker: record.worker.clone(),
            failure: record.error.as_ref().map(|failure| failure.kind),
        }
    }
}
