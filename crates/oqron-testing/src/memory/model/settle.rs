//! Settling one attempt.

use oqron_core::{JobId, JobState, Outcome, Settled, Settlement, TimelineKind, Timestamp, WorkerId};

use super::Topic;
use super::add::ready_state;

impl Topic {
    /// Takes effect if the worker holds the lease, is accepted if it took effect before, and is refused otherwise.
    pub(super) fn settle(&mut self, worker: &WorkerId, settlement: &Settlement, now: Timestamp) -> Settled {
        let Some(job) = self.job(&settlement.id) else {
            return Settled::LeaseLost;
        };
        if !job.was_leased_to(worker, settlement.token) {
            return Settled::LeaseLost;
        }
        match (job.state(), job.settled) {
            (JobState::Active, _) => {
                self.change(&settlement.id, |job| {
                    job.report(settlement.progress.as_ref(), &settlement.logs);
                    job.settled = true;
                });
                self.take_effect(&settlement.id, &settlement.outcome, now);
                Settled::Accepted
            }
            (_, true) => Settled::Accepted,
            (_, false) => Settled::LeaseLost,
        }
    }

    fn take_effect(&mut self, id: &JobId, outcome: &Outcome, now: Timestamp) {
        let flagged = self.find(id).is_some_and(|record| record.cancel_requested);
        match outcome {
            Outcome::Complete(result) => {
                self.change(id, |job| job.record.result = Some(result.clone()));
                self.end(id, JobState::Completed, now);
            }
            Outcome::Fail(failure) => {
                self.change(id, |job| {
                    job.note_of_worker(now, TimelineKind::Failed, &failure.message);
                    job.record.error = Some(failure.clone());
                });
                self.end(id, JobState::Failed, now);
            }
            Outcome::Cancel { reason } => {
                self.change(id, |job| job.note_of_worker(now, TimelineKind::Cancelled, reason));
                self.end(id, JobState::Cancelled, now);
            }
            Outcome::Retry { .. } | Outcome::Snooze { .. } | Outcome::Release { .. } if flagged => {
                self.end_as_requested(id, now);
            }
            Outcome::Retry { delay, failure } => self.change(id, |job| {
                job.note_of_worker(now, TimelineKind::AttemptFailed, &failure.message);
                job.record.error = Some(failure.clone());
                job.record.run_at = now.after(*delay);
                job.record.state = ready_state(job.record.run_at, now);
                job.terms = None;
            }),
            Outcome::Snooze { delay } => self.change(id, |job| {
                job.note_of_worker(now, TimelineKind::Snoozed, "");
                job.give_back();
                job.record.run_at = now.after(*delay);
                job.record.state = ready_state(job.record.run_at, now);
            }),
            Outcome::Release { reason } => self.change(id, |job| {
                job.note_of_worker(now, TimelineKind::Released, reason);
                job.give_back();
            }),
        }
    }
}
