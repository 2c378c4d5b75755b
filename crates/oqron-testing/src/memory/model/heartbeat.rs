//! Renewing what a worker holds, and giving back what it does not.

use std::collections::HashSet;

use oqron_core::{
    Heartbeat, Held, JobId, JobState, NOT_LISTED, TimelineKind, Timestamp, Token, Verdict, WorkerId,
};

use super::Topic;

impl Topic {
    pub(super) fn heartbeat(&mut self, heartbeat: &Heartbeat<'_>, now: Timestamp) -> Vec<Verdict> {
        let expires_at = now.after(heartbeat.lease_ttl);
        let verdicts = heartbeat
            .held
            .iter()
            .map(|held| self.renew(heartbeat.worker, held, expires_at))
            .collect();
        self.give_back_unlisted(heartbeat, now);
        verdicts
    }

    fn renew(&mut self, worker: &WorkerId, held: &Held, expires_at: Timestamp) -> Verdict {
        let Some(job) = self.job(&held.id) else {
            return Verdict::Lost;
        };
        if !job.is_leased_to(worker, held.token) {
            return Verdict::Lost;
        }
        let verdict = if job.record.cancel_requested {
            Verdict::Cancelled
        } else {
            Verdict::Renewed
        };
        self.change(&held.id, |job| {
            job.report(held.progress.as_ref(), &held.logs);
            if let Some(terms) = &mut job.terms {
                terms.expires_at = expires_at;
            }
        });
        verdict
    }

    fn give_back_unlisted(&mut self, heartbeat: &Heartbeat<'_>, now: Timestamp) {
        let listed: HashSet<(&JobId, Token)> =
            heartbeat.held.iter().map(|held| (&held.id, held.token)).collect();
        let unlisted: Vec<(JobId, bool)> = self
            .line(JobState::Active)
            .filter(|job| job.record.worker.as_ref() == Some(heartbeat.worker))
            .filter(|job| job.terms.is_some_and(|terms| terms.request <= heartbeat.through))
            .filter(|job| {
                !job.record
                    .token
                    .is_some_and(|token| listed.contains(&(&job.record.id, token)))
            })
            .map(|job| (job.record.id.clone(), job.record.cancel_requested))
            .collect();
        for (id, flagged) in &unlisted {
            if *flagged {
                self.end_as_requested(id, now);
            } else {
                self.change(id, |job| {
                    job.note_of_worker(now, TimelineKind::Released, NOT_LISTED);
                    job.give_back();
                });
            }
        }
        self.wake(unlisted.iter().filter(|(_, flagged)| !flagged).count());
    }
}
