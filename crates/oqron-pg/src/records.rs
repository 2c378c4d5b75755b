//! Looking at one job and ending it: what publishers and operators share.

use oqron_core::{CancelOutcome, Error, JobRecord, JobRef, JobState};

use crate::database::Database;
use crate::error::corrupt;
use crate::record::read_record;
use crate::statement::statement;

statement!(FIND, "sql/shared/find.sql", [INT4, TEXT]);
statement!(CANCEL, "sql/shared/cancel.sql", [INT4, TEXT, TEXT]);

impl Database {
    pub(crate) async fn find(&self, job: &JobRef) -> Result<Option<JobRecord>, Error> {
        let action = "find a job";
        let Some(topic) = self.topic(action, &job.topic).await? else {
            return Ok(None);
        };
        let rows = self.query(action, &FIND, &[&topic, &job.id.as_str()]).await?;
        rows.first().map(|row| read_record(&job.topic, row)).transpose()
    }

    pub(crate) async fn cancel(&self, job: &JobRef) -> Result<CancelOutcome, Error> {
        let action = "cancel a job";
        let Some(topic) = self.topic(action, &job.topic).await? else {
            return Ok(CancelOutcome::NotFound);
        };
        let namespace = self.namespace.as_str();
        let connection = self.connection(action).await?;
        // A job that ends or is retried meanwhile is in neither table for the statement that waited for it.
        for _ in 0..3 {
            let rows = connection
                .query(&CANCEL, &[&topic, &job.id.as_str(), &namespace])
                .await?;
            let row = rows
                .first()
                .ok_or_else(|| corrupt("answer to a cancel", "it is empty"))?;
            let read = |error| corrupt("answer to a cancel", error);
            let (outcome, state): (i32, i16) = (row.try_get(0).map_err(read)?, row.try_get(1).map_err(read)?);
            match outcome {
                0 => return Ok(CancelOutcome::Cancelled),
                1 => return Ok(CancelOutcome::Requested),
                2 => {
                    let state = JobState::from_number(state.into())
                        .ok_or_else(|| corrupt("job record", format!("state is {state}")))?;
                    return Ok(CancelOutcome::AlreadyFinished(state));
                }
                _ => {}
            }
        }
        Ok(CancelOutcome::NotFound)
    }
}

/// `Records` for a type with a field `database`.
macro_rules! impl_records {
    ($type:ty) => {
        #[async_trait::async_trait]
        impl oqron_core::Records for $type {
            async fn find(
                &self,
                job: &oqron_core::JobRef,
            ) -> Result<Option<oqron_core::JobRecord>, oqron_core::Error> {
                self.database.find(job).await
            }

            async fn cancel(
                &self,
                job: &oqron_core::JobRef,
            ) -> Result<oqron_core::CancelOutcome, oqron_core::Error> {
                self.database.cancel(job).await
            }
        }
    };
}
pub(crate) use impl_records;
