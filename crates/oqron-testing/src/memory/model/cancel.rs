//! Cancelling on request.

use oqron_core::{CANCELLED_ON_REQUEST, CancelOutcome, JobId, JobState, TimelineKind, Timestamp};

use super::{Hint, Topic};

impl Topic {
    /// Ends a job that nobody works on; flags an active one and tells its worker.
    pub(in crate::memory) fn cancel(&mut self, id: &JobId, now: Timestamp) -> CancelOutcome {
        let Some(record) = self.find(id) else {
            return CancelOutcome::NotFound;
        };
        match record.state {
            state if state.is_finished() => CancelOutcome::AlreadyFinished(state),
            JobState::Active => {
                let (worker, flagged) = (record.worker.clone(), record.cancel_requested);
                self.hints
                    .extend(worker.map(|worker| Hint::Cancel(worker, id.clone())));
                if !flagged {
                    self.change(id, |job| {
                        job.record.cancel_requested = true;
                        job.note_of_worker(now, TimelineKind::CancelRequested, "");
                    });
                }
                CancelOutcome::Requested
            }
            _ => {
                self.change(id, |job| {
                    job.note(now, TimelineKind::Cancelled, None, CANCELLED_ON_REQUEST);
                });
                self.end(id, JobState::Cancelled, now);
                CancelOutcome::Cancelled
            }
        }
    }
}
