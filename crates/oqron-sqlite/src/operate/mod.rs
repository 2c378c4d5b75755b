//! What a person needs: to see, and to decide about what went wrong.

mod list;
mod look;
mod pause;
mod remove;
mod retry;

use async_trait::async_trait;
use oqron_core::{
    CancelOutcome, Config, Counts, Error, JobRecord, JobRef, JobState, ListQuery, Operate, Operated, Page,
    Records, TopicName, WorkerRecord,
};

use crate::file::Handle;

/// Operating a SQLite file. Cheap to clone; all adapters of a process on one file share its threads.
#[derive(Clone, Debug)]
pub struct SqliteOperate {
    handle: Handle,
}

impl SqliteOperate {
    /// Opens the file of `config.url`, and makes it, with its schema, where it is not there yet. The folder must exist.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a URL that does not do, a folder that is missing, a network file system, or a file of
    /// another program; [`Error::SchemaTooNew`]; [`Error::AccessDenied`]; [`Error::Corrupt`] for a file that is no
    /// SQLite database; [`Error::Unavailable`] while another process keeps it locked.
    ///
    /// # Cancel safety
    /// Dropping the future lets the opening go on in the background, without an effect on the jobs.
    pub async fn connect(config: &Config) -> Result<Self, Error> {
        let handle = Handle::connect(config).await?;
        Ok(Self { handle })
    }
}

#[async_trait]
impl Records for SqliteOperate {
    async fn find(&self, job: &JobRef) -> Result<Option<JobRecord>, Error> {
        self.handle.find(job).await
    }

    async fn cancel(&self, job: &JobRef) -> Result<CancelOutcome, Error> {
        self.handle.cancel(job).await
    }
}

#[async_trait]
impl Operate for SqliteOperate {
    async fn topics(&self) -> Result<Vec<TopicName>, Error> {
        look::topics(&self.handle).await
    }

    async fn counts(&self, topic: &TopicName) -> Result<Counts, Error> {
        look::counts(&self.handle, topic).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        list::list(&self.handle, query).await
    }

    async fn retry(&self, jobs: &[JobRef]) -> Result<Vec<Operated>, Error> {
        retry::retry(&self.handle, jobs).await
    }

    async fn discard(&self, jobs: &[JobRef]) -> Result<Vec<Operated>, Error> {
        remove::discard(&self.handle, jobs).await
    }

    async fn pause(&self, topic: &TopicName) -> Result<(), Error> {
        pause::pause(&self.handle, topic).await
    }

    async fn resume(&self, topic: &TopicName) -> Result<(), Error> {
        pause::resume(&self.handle, topic).await
    }

    async fn purge(&self, topic: &TopicName, state: JobState) -> Result<u64, Error> {
        remove::purge(&self.handle, topic, state).await
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>, Error> {
        look::workers(&self.handle).await
    }
}
