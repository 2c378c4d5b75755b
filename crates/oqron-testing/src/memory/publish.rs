//! The publishing half: every method is one step of the model.

use async_trait::async_trait;
use oqron_core::{
    CancelOutcome, Enqueued, Error, Finished, JobRecord, JobRef, NewJob, Publish, Records, TopicName,
};

use super::store::Store;
use super::{MemoryOperate, MemoryPublish};

#[async_trait]
impl Records for MemoryPublish {
    async fn find(&self, job: &JobRef) -> Result<Option<JobRecord>, Error> {
        Ok(find(&self.store, job))
    }

    async fn cancel(&self, job: &JobRef) -> Result<CancelOutcome, Error> {
        Ok(cancel(&self.store, job))
    }
}

#[async_trait]
impl Records for MemoryOperate {
    async fn find(&self, job: &JobRef) -> Result<Option<JobRecord>, Error> {
        Ok(find(&self.store, job))
    }

    async fn cancel(&self, job: &JobRef) -> Result<CancelOutcome, Error> {
        Ok(cancel(&self.store, job))
    }
}

fn find(store: &Store, job: &JobRef) -> Option<JobRecord> {
    store.topic_step(&job.topic, |topic, _| topic.find(&job.id).cloned())
}

fn cancel(store: &Store, job: &JobRef) -> CancelOutcome {
    store.topic_step(&job.topic, |topic, now| topic.cancel(&job.id, now))
}

#[async_trait]
impl Publish for MemoryPublish {
    async fn enqueue(&self, topic: &TopicName, jobs: &[NewJob]) -> Result<Vec<Enqueued>, Error> {
        self.limits.check_enqueue(jobs)?;
        Ok(self
            .store
            .topic_step(topic, |topic, now| topic.enqueue(jobs, now)))
    }

    async fn finished(&self, job: &JobRef) -> Result<Finished, Error> {
        loop {
            let look = self
                .store
                .look_or_wait(job, |model| Finished::of(model.topic(&job.topic).find(&job.id)));
            match look {
                Ok(finished) => return Ok(finished),
                Err(ending) => ending.wait().await,
            }
        }
    }
}
