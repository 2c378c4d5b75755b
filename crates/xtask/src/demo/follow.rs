//! The jobs as the API tells of them, asked again and again, as a web page would.

use super::{
    WORKERS,
    api::{Api, Job},
};
use crate::error::Error;

/// A job that the demo has added, with what the API said of it last.
pub(super) struct Followed {
    pub(super) clip: &'static str,
    pub(super) id: String,
    pub(super) job: Option<Job>,
    /// Who was seen at work on it last.
    pub(super) worker: Option<String>,
}

impl Followed {
    pub(super) fn new(clip: &'static str, id: String) -> Self {
        Self {
            clip,
            id,
            job: None,
            worker: None,
        }
    }

    pub(super) fn ask(&mut self, api: &Api) -> Result<&Job, Error> {
        let mut job = api.job(&self.id)?;
        job.worker = job.worker.map(|id| name_in(&id));
        if job.worker.is_some() {
            self.worker.clone_from(&job.worker);
        }
        Ok(self.job.insert(job))
    }

    pub(super) fn has_ended(&self) -> bool {
        self.job.as_ref().is_some_and(Job::has_ended)
    }
}

/// The id of a worker holds the name that it was given, and more that tells it from others of that name.
fn name_in(worker_id: &str) -> String {
    let name = WORKERS.iter().find(|name| worker_id.contains(*name));
    name.map_or(worker_id, |name| name).to_string()
}
