//! What a person decides.

use oqron_core::limits::SWEEP_JOBS_MAX;
use oqron_core::{JobId, JobState, Operated, TimelineKind, Timestamp};

use super::Topic;

impl Topic {
    /// A fresh start for a dead letter or a cancelled job.
    pub(in crate::memory) fn retry(&mut self, id: &JobId, now: Timestamp) -> Operated {
        match self.find(id).map(|record| record.state) {
            None => Operated::NotFound,
            Some(JobState::Failed | JobState::Cancelled) => {
                self.change(id, |job| {
                    let record = &mut job.record;
                    record.state = JobState::Waiting;
                    record.attempts = 0;
                    record.stalls = 0;
                    record.cancel_requested = false;
                    record.error = None;
                    record.result = None;
                    record.finished_at = None;
                    job.note(now, TimelineKind::RetriedByOperator, None, "");
                });
                self.wake(1);
                Operated::Done
            }
            Some(state) => Operated::WrongState(state),
        }
    }

    /// Removes a finished job.
    pub(in crate::memory) fn discard(&mut self, id: &JobId, now: Timestamp) -> Operated {
        match self.find(id).map(|record| record.state) {
            None => Operated::NotFound,
            Some(state) if state.is_finished() => {
                self.remove(id, now);
                Operated::Done
            }
            Some(state) => Operated::WrongState(state),
        }
    }

    /// Removes a bounded number of jobs in a state, the oldest first, and tells how many.
    pub(in crate::memory) fn purge(&mut self, state: JobState, now: Timestamp) -> u64 {
        let mut oldest: Vec<(u64, JobId)> = self
            .line(state)
            .map(|job| (job.age_in_state(), job.record.id.clone()))
            .collect();
        oldest.sort();
        oldest.truncate(SWEEP_JOBS_MAX);
        for (_, id) in &oldest {
            self.remove(id, now);
        }
        oldest.len() as u64
    }

    pub(in crate::memory) fn pause(&mut self) {
        self.paused = true;
    }

    /// Ends a pause and wakes everybody.
    pub(in crate::memory) fn resume(&mut self) {
        self.paused = false;
        self.wake(self.waiters.len());
    }
}
