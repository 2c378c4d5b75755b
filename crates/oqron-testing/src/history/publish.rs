//! A backend that writes down what a publisher asks of it, and what it answers.

use std::sync::Arc;

use async_trait::async_trait;
use oqron_core::{
    CancelOutcome, EnqueueOutcome, Enqueued, Error, Finished, JobRecord, JobRef, NewJob, Publish, Records,
    Start, TopicName,
};

use super::{Answer, Ask, Asked, Recording};

#[async_trait]
impl Records for Recording<Arc<dyn Publish>> {
    async fn find(&self, job: &JobRef) -> Result<Option<JobRecord>, Error> {
        self.backend.find(job).await
    }

    async fn cancel(&self, job: &JobRef) -> Result<CancelOutcome, Error> {
        let call = self.recorder.ask(Ask::Cancel {
            topic: job.topic.clone(),
            id: job.id.clone(),
        });
        self.answered(call, self.backend.cancel(job).await, |outcome| {
            Answer::Cancelled(format!("{outcome:?}"))
        })
    }
}

#[async_trait]
impl Publish for Recording<Arc<dyn Publish>> {
    async fn enqueue(&self, topic: &TopicName, jobs: &[NewJob]) -> Result<Vec<Enqueued>, Error> {
        let asked = |job: &NewJob| Asked {
            id: job.id.clone(),
            priority: job.options.priority,
            delayed: job.options.start != Start::Now,
            retries: job.options.retries.as_ref().map(|settings| settings.max),
        };
        let call = self.recorder.ask(Ask::Add {
            topic: topic.clone(),
            jobs: jobs.iter().map(asked).collect(),
        });
        self.answered(call, self.backend.enqueue(topic, jobs).await, |enqueued| {
            let made = |one: &Enqueued| one.outcome == EnqueueOutcome::Created;
            Answer::Added(enqueued.iter().map(made).collect())
        })
    }

    async fn finished(&self, job: &JobRef) -> Result<Finished, Error> {
        self.backend.finished(job).await
    }
}
