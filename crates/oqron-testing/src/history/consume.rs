//! A backend that writes down what a worker asks of it, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oqron_core::{
    AbsentLease, Consume, Error, Heartbeat, LockName, Locks, Presence, Settled, Sight, Swept, Token,
    TopicName, Turn, Turned, Verdict, WorkerId, WorkerInfo,
};

use super::{Answer, Ask, Beat, Claiming, Leased, Listed, Recorder, Settling};

/// A backend, and the file in which every call stands that changes a job or a lease: before it is sent, and after it was
/// answered. `Recording<Arc<dyn Consume>>` is a `Consume`, `Recording<Arc<dyn Publish>>` a `Publish`.
#[derive(Clone, Debug)]
pub struct Recording<B> {
    pub(super) backend: B,
    pub(super) recorder: Arc<Recorder>,
}

impl<B> Recording<B> {
    /// Puts the two together.
    pub fn new(backend: B, recorder: Arc<Recorder>) -> Self {
        Self { backend, recorder }
    }

    /// Writes the answer down and hands it on.
    pub(super) fn answered<T>(
        &self,
        call: u64,
        result: Result<T, Error>,
        answer: impl FnOnce(&T) -> Answer,
    ) -> Result<T, Error> {
        let answer = match &result {
            Ok(value) => answer(value),
            Err(error) => Answer::Failed(error.to_string()),
        };
        self.recorder.answer(call, answer);
        result
    }
}

#[async_trait]
impl Locks for Recording<Arc<dyn Consume>> {
    async fn acquire(&self, name: &LockName, ttl: Duration) -> Result<Option<Token>, Error> {
        self.backend.acquire(name, ttl).await
    }

    async fn renew(&self, name: &LockName, token: Token, ttl: Duration) -> Result<bool, Error> {
        self.backend.renew(name, token, ttl).await
    }

    async fn release(&self, name: &LockName, token: Token) -> Result<bool, Error> {
        self.backend.release(name, token).await
    }
}

#[async_trait]
impl Consume for Recording<Arc<dyn Consume>> {
    async fn join(&self, worker: &WorkerInfo) -> Result<Box<dyn Presence>, Error> {
        self.backend.join(worker).await
    }

    async fn turn(&self, turn: &Turn<'_>) -> Result<Turned, Error> {
        let settling = |settlement: &oqron_core::Settlement| Settling {
            id: settlement.id.clone(),
            token: settlement.token,
            ending: (&settlement.outcome).into(),
        };
        let call = self.recorder.ask(Ask::Turn {
            worker: turn.worker.clone(),
            topic: turn.topic.clone(),
            request: turn.request,
            settlements: turn.settlements.iter().map(settling).collect(),
            claim: turn.claim.map(|claim| Claiming {
                max: claim.max,
                lease_ttl_ms: millis(claim.lease_ttl),
            }),
        });
        let leased = |lease: &oqron_core::Lease| Leased {
            id: lease.id.clone(),
            token: lease.token,
            attempt: lease.attempt,
            stalls: lease.stalls,
        };
        self.answered(call, self.backend.turn(turn).await, |turned| Answer::Turned {
            accepted: turned
                .settled
                .iter()
                .map(|settled| *settled == Settled::Accepted)
                .collect(),
            leases: turned.leases.iter().map(leased).collect(),
        })
    }

    async fn heartbeat(&self, heartbeat: &Heartbeat<'_>) -> Result<Vec<Verdict>, Error> {
        let listed = |held: &oqron_core::Held| Listed {
            id: held.id.clone(),
            token: held.token,
        };
        let call = self.recorder.ask(Ask::Beat {
            worker: heartbeat.worker.clone(),
            topic: heartbeat.topic.clone(),
            through: heartbeat.through,
            lease_ttl_ms: millis(heartbeat.lease_ttl),
            held: heartbeat.held.iter().map(listed).collect(),
        });
        let beat = |verdict: &Verdict| match verdict {
            Verdict::Renewed => Beat::Renewed,
            Verdict::Cancelled => Beat::Cancelled,
            Verdict::Lost => Beat::Lost,
        };
        let verdicts = self.backend.heartbeat(heartbeat).await;
        self.answered(call, verdicts, |verdicts| {
            Answer::Beaten(verdicts.iter().map(beat).collect())
        })
    }

    async fn look(&self, worker: &WorkerId, topics: &[TopicName]) -> Result<Option<Sight>, Error> {
        self.backend.look(worker, topics).await
    }

    async fn reclaim(&self, leases: &[AbsentLease]) -> Result<u32, Error> {
        let listed = |lease: &AbsentLease| {
            let (id, token) = (lease.id.clone(), lease.token);
            (lease.topic.clone(), Listed { id, token })
        };
        let call = self.recorder.ask(Ask::Reclaim {
            leases: leases.iter().map(listed).collect(),
        });
        self.answered(call, self.backend.reclaim(leases).await, |ended| {
            Answer::Reclaimed(*ended)
        })
    }

    async fn sweep(&self, topic: &TopicName) -> Result<Swept, Error> {
        self.backend.sweep(topic).await
    }
}

/// Rounded down: a lease that is taken one millisecond early is no finding.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
