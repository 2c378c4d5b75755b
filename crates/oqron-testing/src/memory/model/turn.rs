//! A turn: settle, then claim, in one step that can be repeated.

use oqron_core::{
    Claim, Heartbeat, JobId, JobState, Lease, Settled, Timestamp, Token, Turn, Turned, Verdict,
};

use super::{Model, Topic};

/// What a worker's last turn of a line was answered with.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    request: u64,
    settled: Vec<Settled>,
    leases: Vec<(JobId, Token)>,
}

impl Model {
    pub(in crate::memory) fn turn(&mut self, turn: &Turn<'_>, now: Timestamp) -> Turned {
        self.workers.seen(turn.worker, now);
        let can_be_woken = self.workers.is_present(turn.worker);
        self.topic(turn.topic).turn(turn, can_be_woken, now)
    }

    pub(in crate::memory) fn heartbeat(&mut self, heartbeat: &Heartbeat<'_>, now: Timestamp) -> Vec<Verdict> {
        self.workers.seen(heartbeat.worker, now);
        self.topic(heartbeat.topic).heartbeat(heartbeat, now)
    }
}

impl Topic {
    fn turn(&mut self, turn: &Turn<'_>, can_be_woken: bool, now: Timestamp) -> Turned {
        let line = (turn.worker.clone(), turn.line);
        let last_request = self.answered.get(&line).map_or(0, |answered| answered.request);
        let next_before = self.next_scheduled();
        if turn.request > last_request {
            let answered = self.answer(turn, now);
            self.answered.insert(line.clone(), answered);
        }
        let mut turned = Turned::default();
        match self.answered.get(&line) {
            Some(answered) if answered.request == turn.request => {
                turned.settled = answered.settled.clone();
                turned.leases = self.still_held(turn, answered);
            }
            // A request before the last one: a copy that was long on its way. Nobody waits for its answer.
            _ => turned.settled = vec![Settled::LeaseLost; turn.settlements.len()],
        }
        let is_ready = !self.paused && !self.is_empty(JobState::Waiting);
        turned.due_in = self.due_in(now);

        if let Some(claim) = turn.claim {
            (turned.paused, turned.more) = (self.paused, is_ready);
            turned.leased = !self.is_empty(JobState::Active);
            self.stop_waking(turn.worker);
            if can_be_woken && turned.leases.len() < claim.max as usize {
                self.wait(turn.worker, turned.due_in.map(|due_in| now.after(due_in)));
            }
        }
        if is_ready {
            self.wake_another(turn.worker);
        }
        self.wake_for_earlier(next_before);
        if let Some(claim) = turn.claim
            && !turned.leases.is_empty()
        {
            self.wake_for(now.after(claim.lease_ttl), Some(turn.worker));
        }
        turned
    }

    fn answer(&mut self, turn: &Turn<'_>, now: Timestamp) -> Answered {
        let settled = turn
            .settlements
            .iter()
            .map(|settlement| self.settle(turn.worker, settlement, now))
            .collect();
        let leases = match turn.claim {
            Some(claim) if !self.paused => self.lease_out(turn, &claim, now),
            _ => Vec::new(),
        };
        Answered {
            request: turn.request,
            settled,
            leases,
        }
    }

    fn lease_out(&mut self, turn: &Turn<'_>, claim: &Claim, now: Timestamp) -> Vec<(JobId, Token)> {
        let ids = self.claim(claim, turn.worker, turn.request, now);
        let with_token = |id: JobId| {
            self.find(&id)
                .and_then(|record| record.token)
                .map(|token| (id, token))
        };
        ids.into_iter().filter_map(with_token).collect()
    }

    fn still_held(&self, turn: &Turn<'_>, answered: &Answered) -> Vec<Lease> {
        let held = answered.leases.iter().filter(|(id, token)| {
            self.job(id)
                .is_some_and(|job| job.is_leased_to(turn.worker, *token))
        });
        held.filter_map(|(id, _)| self.lease(id)).collect()
    }
}
