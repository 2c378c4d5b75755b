//! Leases whose worker is gone.

use oqron_core::limits::LOOK_LEASES_MAX;
use oqron_core::{AbsentLease, JobState, Sight, Timestamp, TopicName, WORKER_GONE, WorkerId};

use super::job::Job;
use super::{Model, Topic};

impl Model {
    pub(in crate::memory) fn look(&mut self, worker: &WorkerId, topics: &[TopicName]) -> Sight {
        let mut sight = Sight::default();
        for name in topics {
            let absent = |holder: &WorkerId| self.workers.is_absent(holder);
            let Some(topic) = self.topics.get(name) else {
                continue;
            };
            sight.others |= topic.leases().any(|(holder, _)| holder != worker);
            let leases = topic.leases().filter(|(holder, _)| absent(holder));
            sight
                .absent
                .extend(leases.map(|(_, lease)| lease).take(LOOK_LEASES_MAX));
        }
        sight
    }

    pub(in crate::memory) fn reclaim(&mut self, leases: &[AbsentLease], now: Timestamp) -> u32 {
        let mut ended = 0;
        for lease in leases {
            ended += u32::from(self.topic(&lease.topic).reclaim(lease, now));
        }
        ended
    }
}

impl Topic {
    fn leases(&self) -> impl Iterator<Item = (&WorkerId, AbsentLease)> {
        self.line(JobState::Active)
            .filter_map(|job| Some((job.record.worker.as_ref()?, self.absent_lease(job)?)))
    }

    fn absent_lease(&self, job: &Job) -> Option<AbsentLease> {
        let until = job.terms?.expires_at.as_millis();
        let id = job.record.id.clone();
        let until = u64::try_from(until).unwrap_or(0);
        Some(AbsentLease::new(
            self.name().clone(),
            id,
            job.record.token?,
            until,
        ))
    }

    /// Whether it was still the lease that was seen.
    fn reclaim(&mut self, lease: &AbsentLease, now: Timestamp) -> bool {
        let current = self.job(&lease.id).and_then(|job| self.absent_lease(job));
        if current.as_ref() != Some(lease) {
            return false;
        }
        self.stall(&lease.id, WORKER_GONE, now);
        if self
            .find(&lease.id)
            .is_some_and(|record| record.state == JobState::Waiting)
        {
            self.wake(1);
        }
        true
    }
}
