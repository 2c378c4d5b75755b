//! What a web service needs: adding, looking, cancelling, waiting for the end.

mod enqueue;
mod finished;
mod watch;

use async_trait::async_trait;
use oqron_core::{
    CancelOutcome, Config, Enqueued, Error, Finished, JobRecord, JobRef, NewJob, Publish, Records, TopicName,
};

use crate::file::Handle;
pub(crate) use watch::Watch;

/// Publishing to a SQLite file. Cheap to clone; all adapters of a process on one file share its threads.
#[derive(Clone, Debug)]
pub struct SqlitePublish {
    handle: Handle,
}

impl SqlitePublish {
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
impl Records for SqlitePublish {
    async fn find(&self, job: &JobRef) -> Result<Option<JobRecord>, Error> {
        self.handle.find(job).await
    }

    async fn cancel(&self, job: &JobRef) -> Result<CancelOutcome, Error> {
        self.handle.cancel(job).await
    }
}

#[async_trait]
impl Publish for SqlitePublish {
    async fn enqueue(&self, topic: &TopicName, jobs: &[NewJob]) -> Result<Vec<Enqueued>, Error> {
        enqueue::enqueue(&self.handle, topic, jobs).await
    }

    async fn finished(&self, job: &JobRef) -> Result<Finished, Error> {
        finished::finished(&self.handle, job).await
    }
}
