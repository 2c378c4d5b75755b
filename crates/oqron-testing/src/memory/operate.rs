//! The operating half: every method is one step of the model.

use async_trait::async_trait;
use oqron_core::limits::{OPERATE_JOBS_MAX, PAGE_JOBS_MAX, at_most};
use oqron_core::{
    Counts, Error, JobRef, JobState, ListQuery, Operate, Operated, Page, TopicName, WorkerRecord,
};

use super::MemoryOperate;

#[async_trait]
impl Operate for MemoryOperate {
    async fn topics(&self) -> Result<Vec<TopicName>, Error> {
        Ok(self.store.step(|model, _| model.topics()))
    }

    async fn counts(&self, topic: &TopicName) -> Result<Counts, Error> {
        Ok(self.store.topic_step(topic, |topic, _| topic.counts()))
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        at_most("jobs on one page", query.limit as usize, PAGE_JOBS_MAX)?;
        if query.limit == 0 {
            return Err(Error::Invalid {
                what: "limit",
                problem: format!("a page of 0 jobs shows nothing; ask for 1 to {PAGE_JOBS_MAX}"),
            });
        }
        self.store.topic_step(&query.topic, |topic, _| topic.list(query))
    }

    async fn retry(&self, jobs: &[JobRef]) -> Result<Vec<Operated>, Error> {
        at_most("jobs in one retry", jobs.len(), OPERATE_JOBS_MAX)?;
        Ok(self.store.step(|model, now| {
            let retry = |job: &JobRef| model.topic(&job.topic).retry(&job.id, now);
            jobs.iter().map(retry).collect()
        }))
    }

    async fn discard(&self, jobs: &[JobRef]) -> Result<Vec<Operated>, Error> {
        at_most("jobs in one discard", jobs.len(), OPERATE_JOBS_MAX)?;
        Ok(self.store.step(|model, now| {
            let discard = |job: &JobRef| model.topic(&job.topic).discard(&job.id, now);
            jobs.iter().map(discard).collect()
        }))
    }

    async fn pause(&self, topic: &TopicName) -> Result<(), Error> {
        self.store.topic_step(topic, |topic, _| topic.pause());
        Ok(())
    }

    async fn resume(&self, topic: &TopicName) -> Result<(), Error> {
        self.store.topic_step(topic, |topic, _| topic.resume());
        Ok(())
    }

    async fn purge(&self, topic: &TopicName, state: JobState) -> Result<u64, Error> {
        if state == JobState::Active {
            return Err(Error::Invalid {
                what: "state",
                problem: "active jobs cannot be purged, a worker has them; cancel them instead".into(),
            });
        }
        Ok(self.store.topic_step(topic, |topic, now| topic.purge(state, now)))
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>, Error> {
        Ok(self.store.step(|model, now| model.workers.list(now)))
    }
}
