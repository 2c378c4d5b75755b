//! The end of a job, and of its record.

use oqron_core::limits::SWEEP_JOBS_MAX;
use oqron_core::{CANCELLED_ON_REQUEST, JobId, JobState, Swept, TimelineKind, Timestamp};

use super::{Hint, Topic};

impl Topic {
    /// Ends a job. What is not kept goes at this moment.
    pub(super) fn end(&mut self, id: &JobId, state: JobState, now: Timestamp) {
        self.ends += 1;
        let end_number = self.ends;
        self.change(id, |job| {
            job.record.state = state;
            job.record.finished_at = Some(now);
            job.end_number = end_number;
            job.stalled = false;
            job.terms = None;
        });
        self.hints.push(Hint::Ended(id.clone()));
        let retention = self.find(id).map(|record| record.options.retention);
        match retention {
            Some(retention) if state != JobState::Failed => {
                if retention.is_none() {
                    self.remove(id, now);
                } else {
                    self.max_count = retention.max_count;
                }
            }
            _ => {}
        }
    }

    /// Ends an active job because somebody asked for it, in place of what its worker or its lease would have done.
    pub(super) fn end_as_requested(&mut self, id: &JobId, now: Timestamp) {
        self.change(id, |job| {
            job.note_of_worker(now, TimelineKind::Cancelled, CANCELLED_ON_REQUEST);
        });
        self.end(id, JobState::Cancelled, now);
    }

    /// Removes a record and leaves its id behind until its window is over.
    pub(super) fn remove(&mut self, id: &JobId, now: Timestamp) {
        if let Some(job) = self.take(id) {
            let until = job.record.created_at.after(job.record.options.id_window);
            if until > now {
                self.known_until.insert(id.clone(), until);
            }
            self.hints.push(Hint::Ended(id.clone()));
        }
    }

    /// Removes a bounded number of completed and cancelled records that are over their age or over the count, and
    /// forgets the ids whose window is over.
    pub(in crate::memory) fn sweep(&mut self, now: Timestamp) -> Swept {
        self.known_until.retain(|_, until| *until > now);
        let mut kept: Vec<(Timestamp, u64, JobId)> = [JobState::Completed, JobState::Cancelled]
            .into_iter()
            .flat_map(|state| self.line(state))
            .map(|job| {
                let finished_at = job.record.finished_at.unwrap_or(now);
                let max_age = job.record.options.retention.max_age;
                let expires_at =
                    max_age.map_or(Timestamp::from_millis(i64::MAX), |age| finished_at.after(age));
                (expires_at, job.end_number, job.record.id.clone())
            })
            .collect();
        kept.sort();
        let over_age = kept.partition_point(|(expires_at, ..)| *expires_at <= now);
        let over_count = self
            .max_count
            .map_or(0, |count| kept.len().saturating_sub(count as usize));
        let over = over_age.max(over_count);
        let now_removed = over.min(SWEEP_JOBS_MAX);
        for (_, _, id) in &kept[..now_removed] {
            self.remove(id, now);
        }
        Swept::new(u32::try_from(now_removed).unwrap_or(u32::MAX), over > now_removed)
    }
}
