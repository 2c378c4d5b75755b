//! The moment of the demo: a worker that is surely in the middle of an encode dies, and how long it takes until another
//! one is at work on the same job.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{
    CONCURRENCY,
    api::{Api, Job},
    follow::Followed,
    programs::Program,
};
use crate::error::Error;

/// Neither hardly begun nor nearly done.
const MIDDLE: std::ops::RangeInclusive<u8> = 20..=80;

/// A worker that was killed, and the job that it had in hands.
pub(super) struct Killed {
    pub(super) job: usize,
    pub(super) worker: String,
    pub(super) percent: u8,
    at: Instant,
    /// Until another worker was seen at work on the job.
    pub(super) recovered_after: Option<Duration>,
}

/// Kills the worker of a job whose encode is in the middle, if there is one, and if another worker has nothing better to do
/// than to take the job over: what is measured then is how fast the death is noticed, not how long an encode takes.
pub(super) fn in_the_middle(
    workers: &mut Vec<Program>,
    jobs: &mut [Followed],
    api: &Api,
) -> Result<Option<Killed>, Error> {
    for number in 0..jobs.len() {
        let Some(worker) = worker_in_the_middle_of(&jobs[number], workers) else {
            continue;
        };
        if !another_is_free(jobs, &workers[worker].name) {
            continue;
        }
        // What the API says is a moment old. A frozen worker cannot finish meanwhile, so it is frozen, looked at again,
        // and only then killed.
        workers[worker].signal(Signal::STOP)?;
        jobs[number].ask(api)?;
        if worker_in_the_middle_of(&jobs[number], workers) != Some(worker) {
            workers[worker].signal(Signal::CONT)?;
            continue;
        }
        let percent = jobs[number].job.as_ref().map_or(0, Job::percent);
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
        let by_another = job.worker.as_ref().is_some_and(|worker| *worker != self.worker);
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
    workers
        .iter()
        .position(|program| Some(&program.name) == job.worker.as_ref())
}

fn another_is_free(jobs: &[Followed], worker: &str) -> bool {
    let mut jobs = jobs.iter().filter_map(|followed| followed.job.as_ref());
    let nothing_waits = jobs.clone().all(|job| job.is_active() || job.has_ended());
    let busy = jobs
        .by_ref()
        .filter(|job| job.is_active() && job.worker.as_deref() != Some(worker))
        .count();
    nothing_waits && busy < CONCURRENCY
}
