//! Claiming: promote what is due, reclaim what has stalled, then lease out what waits.

use std::time::Duration;

use oqron_core::limits::PROMOTE_JOBS_MAX;
use oqron_core::{
    Claim, Delivery, JobFailure, JobId, JobState, LEASE_EXPIRED, Lease, TimelineKind, Timestamp, Token,
    WORKER_LOST, WorkerId,
};

use super::Topic;
use super::job::{Job, Terms};

impl Topic {
    /// Makes waiting jobs active under the worker, and tells their ids in order.
    pub(super) fn claim(
        &mut self,
        claim: &Claim,
        worker: &WorkerId,
        request: u64,
        now: Timestamp,
    ) -> Vec<JobId> {
        self.promote_due(now);
        self.reclaim_stalled(now);
        let ids = self.first_ids(JobState::Waiting, claim.max as usize, |_| true);
        for id in &ids {
            self.tokens += 1;
            let token = Token(self.tokens);
            self.change(id, |job| {
                job.record.state = JobState::Active;
                job.record.attempts += 1;
                job.record.worker = Some(worker.clone());
                job.record.token = Some(token);
                job.record.started_at = Some(now);
                job.stalled = false;
                job.settled = false;
                job.terms = Some(Terms {
                    request,
                    expires_at: now.after(claim.lease_ttl),
                    delivery: claim.delivery,
                    max_stalls: claim.max_stalls,
                });
            });
        }
        ids
    }

    fn promote_due(&mut self, now: Timestamp) {
        let is_due = |job: &Job| job.record.run_at <= now;
        for id in self.first_ids(JobState::Scheduled, PROMOTE_JOBS_MAX, is_due) {
            self.change(&id, |job| job.record.state = JobState::Waiting);
        }
    }

    fn reclaim_stalled(&mut self, now: Timestamp) {
        let is_over = |job: &Job| job.terms.is_some_and(|terms| terms.expires_at <= now);
        for id in self.first_ids(JobState::Active, PROMOTE_JOBS_MAX, is_over) {
            self.stall(&id, LEASE_EXPIRED, now);
        }
    }

    pub(super) fn stall(&mut self, id: &JobId, reason: &str, now: Timestamp) {
        let Some(job) = self.job(id) else { return };
        let Some(terms) = job.terms else { return };
        let stalls = job.record.stalls + 1;
        if terms.delivery == Delivery::AtMostOnce {
            self.change(id, |job| {
                job.note_of_worker(now, TimelineKind::Failed, WORKER_LOST);
                job.record.error = Some(JobFailure::worker_lost());
            });
            self.end(id, JobState::Failed, now);
        } else if job.record.cancel_requested {
            self.end_as_requested(id, now);
        } else if stalls > terms.max_stalls {
            let failure = JobFailure::stalled(stalls);
            self.change(id, |job| {
                job.record.stalls = stalls;
                job.note_of_worker(now, TimelineKind::Stalled, reason);
                job.note_of_worker(now, TimelineKind::Failed, &failure.message);
                job.record.error = Some(failure);
            });
            self.end(id, JobState::Failed, now);
        } else {
            self.change(id, |job| {
                job.record.stalls = stalls;
                job.stalled = true;
                job.note_of_worker(now, TimelineKind::Stalled, reason);
                job.give_back();
            });
        }
    }

    /// The lease as its worker sees it.
    pub(super) fn lease(&self, id: &JobId) -> Option<Lease> {
        let record = self.find(id)?;
        let mut lease = Lease::new(
            id.clone(),
            record.token?,
            record.payload.clone(),
            record.created_at,
        );
        lease.attempt = record.attempts;
        lease.stalls = record.stalls;
        lease.options = record.options.clone();
        Some(lease)
    }

    /// Time until the next scheduled job or the next lease that runs out.
    pub(super) fn due_in(&self, now: Timestamp) -> Option<Duration> {
        let expiry = |job: &Job| job.terms.map(|terms| terms.expires_at);
        let next_expiry = self.line(JobState::Active).next().and_then(expiry);
        let next = [self.next_scheduled(), next_expiry].into_iter().flatten().min();
        next.map(|next| next.since(now))
    }

    pub(super) fn next_scheduled(&self) -> Option<Timestamp> {
        self.line(JobState::Scheduled).next().map(|job| job.record.run_at)
    }
}

impl Job {
    /// Back to waiting from active, as if the attempt had not been.
    pub(super) fn give_back(&mut self) {
        self.record.state = JobState::Waiting;
        self.record.attempts = self.record.attempts.saturating_sub(1);
        self.terms = None;
    }
}
