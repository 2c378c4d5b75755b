//! The moment of the demo: a worker that is surely in the middle of an encode dies, and how long it takes until another
//! one is at work on the same job.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{api::Api, follow::Followed, programs::Program};
use crate::error::Error;

/// Neither hardly begun nor nearly done.
const MIDDLE: std::ops::RangeInclusive<u8> = 30..=80;

/// A worker that was killed, and the job that it had in hands.
pub(super) struct Killed {
    pub(super) job: usize,
    pub(super) worker: String,
    pub(super) percent: u8,
    at: Instant,
    /// Until another worker was seen at work on the job.
    pub(super) recovered_after: Option<Duration>,
}

/// Kills the worker of a job whose encode is in the middle, if there is one.
pub(super) fn in_the_middle(
    workers: &mut Vec<Program>,
    jobs: &mut [Followed],
    api: &Api,
) -> Result<Option<Killed>, Error> {
    for (number, followed) in jobs.iter_mut().enumerate() {
        let Some(worker) = worker_in_the_middle_of(followed, workers) else {
            continue;
        };
        // What the API says is a moment old. A frozen worker cannot finish meanwhile, so it is frozen, looked at again,
        // and only then killed.
        workers[worker].signal(Signal::STOP)?;
        followed.ask(api)?;
        if worker_in_the_middle_of(followed, workers) != Some(worker) {
            workers[worker].signal(Signal::CONT)?;
            continue;
        }
        let percent = followed.job.as_ref().map_or(0, |job| job.percent());
        let program = workers.remove(worker);
        let name = program.name.clone();
        program.kill()?;
        return Ok(Some(Killed {
            job: number,
            worker: name,
            percent,
            at: Instant::now(),
            recovered_after: None,
        }));
    }
    Ok(None)
}

impl Killed {
    /// Notes the recovery once another worker is seen at work on the job, or has ended it.
    pub(super) fn watch(&mut self, jobs: &[Followed]) -> Option<Duration> {
        let job = jobs[self.job].job.as_ref()?;
        let by_another = job
            .worker
            .as_ref()
            .is_some_and(|worker| !is_of(worker, &self.worker));
        let recovered = self.recovered_after.is_none() && job.stalls > 0 && by_another;
        if !recovered {
            return None;
        }
        self.recovered_after = Some(self.at.elapsed());
        self.recovered_after
    }
}

fn worker_in_the_middle_of(followed: &Followed, workers: &[Program]) -> Option<usize> {
    let job = followed
        .job
        .as_ref()
        .filter(|job| job.is_active() && MIDDLE.contains(&job.percent()))?;
    let worker = job.worker.as_ref()?;
    workers.iter().position(|program| is_of(worker, &program.name))
}

/// A worker's id begins with, or holds, the name that it was given.
fn is_of(worker_id: &str, name: &str) -> bool {
    worker_id.contains(name)
}
