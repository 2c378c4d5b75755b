//! Adding jobs, and which ids are known.

use oqron_core::{EnqueueOutcome, Enqueued, JobId, JobRecord, JobState, NewJob, Start, Timestamp};

use super::Topic;
use super::job::Job;

impl Topic {
    /// Adds the jobs whose ids are not known, and wakes as many waiters as jobs are due.
    pub(in crate::memory) fn enqueue(&mut self, jobs: &[NewJob], now: Timestamp) -> Vec<Enqueued> {
        let next_before = self.next_scheduled();
        let mut due = 0;
        let mut answers = Vec::with_capacity(jobs.len());
        for new in jobs {
            let outcome = if self.is_known(&new.id, now) {
                EnqueueOutcome::Existing
            } else {
                due += usize::from(self.add(new, now) == JobState::Waiting);
                EnqueueOutcome::Created
            };
            answers.push(Enqueued::new(new.id.clone(), outcome));
        }
        self.wake(due);
        self.wake_for_earlier(next_before);
        answers
    }

    fn add(&mut self, new: &NewJob, now: Timestamp) -> JobState {
        self.known_until.remove(&new.id);
        self.adds += 1;
        let mut options = new.options.clone();
        let run_at = match options.start {
            Start::Now => now,
            Start::After(delay) => now.after(delay),
            Start::At(time) => time,
        };
        options.start = Start::At(run_at);
        let mut record = JobRecord::new(
            self.name().clone(),
            new.id.clone(),
            new.payload.clone(),
            options,
            now,
        );
        record.run_at = run_at;
        record.state = ready_state(run_at, now);
        let state = record.state;
        self.insert(Job::new(record, self.adds));
        state
    }

    /// An id is known while its record exists, and until its window is over.
    fn is_known(&self, id: &JobId, now: Timestamp) -> bool {
        self.job(id).is_some() || self.known_until.get(id).is_some_and(|until| *until > now)
    }
}

/// The state of a job that nobody works on.
pub(super) fn ready_state(run_at: Timestamp, now: Timestamp) -> JobState {
    if run_at > now {
        JobState::Scheduled
    } else {
        JobState::Waiting
    }
}
