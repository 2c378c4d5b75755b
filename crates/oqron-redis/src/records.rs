//! Looking at one job and ending it: what publishers and operators share.

use oqron_core::{CancelOutcome, Error, JobRecord, JobRef, JobState};

use crate::error::corrupt;
use crate::record::read_record;
use crate::reply;
use crate::script::{Call, LazyScript, script};
use crate::server::Server;

static FIND: LazyScript = script!(" flags=no-writes,allow-oom", "topic", "run", "read", "find");
static CANCEL: LazyScript = script!(" flags=allow-oom", "topic", "run", "steps", "cancel");

impl Server {
    pub(crate) async fn find(&self, job: &JobRef) -> Result<Option<JobRecord>, Error> {
        let call = Call::new(&FIND, &[&self.keys.topic(&job.topic)]).arg(job.id.as_str());
        let answer = self.run("find a job", call).await?;
        read_record(&job.topic, &job.id, answer)
    }

    pub(crate) async fn cancel(&self, job: &JobRef) -> Result<CancelOutcome, Error> {
        let call = Call::new(&CANCEL, &[&self.keys.topic(&job.topic)])
            .arg(self.keys.worker_channels())
            .arg(job.topic.as_str())
            .arg(job.id.as_str());
        let answer = reply::text(self.run("cancel a job", call).await?)?;
        match answer.as_str() {
            "cancelled" => Ok(CancelOutcome::Cancelled),
            "requested" => Ok(CancelOutcome::Requested),
            "absent" => Ok(CancelOutcome::NotFound),
            other => match other.parse().ok().and_then(JobState::from_number) {
                Some(state) => Ok(CancelOutcome::AlreadyFinished(state)),
                None => Err(corrupt("a job's record", format!("{job} cannot be read"))),
            },
        }
    }
}

/// Gives a type that holds a `Server` the trait.
macro_rules! records {
    ($type:ty) => {
        #[async_trait::async_trait]
        impl oqron_core::Records for $type {
            async fn find(
                &self,
                job: &oqron_core::JobRef,
            ) -> Result<Option<oqron_core::JobRecord>, oqron_core::Error> {
                self.server.find(job).await
            }

            async fn cancel(
                &self,
                job: &oqron_core::JobRef,
            ) -> Result<oqron_core::CancelOutcome, oqron_core::Error> {
                self.server.cancel(job).await
            }
        }
    };
}
pub(crate) use records;
