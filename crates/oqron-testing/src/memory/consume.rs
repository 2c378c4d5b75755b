//! The consuming half: every method is one step of the model.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oqron_core::limits::{LOOK_LEASES_MAX, TURN_JOBS_MAX, at_most};
use oqron_core::{
    AbsentLease, Consume, Error, Heartbeat, LockName, Locks, Presence, Sight, Swept, Token, TopicName, Turn,
    Turned, Verdict, WorkerId, WorkerInfo,
};

use super::MemoryConsume;
use super::presence::MemoryPresence;

#[async_trait]
impl Locks for MemoryConsume {
    async fn acquire(&self, name: &LockName, ttl: Duration) -> Result<Option<Token>, Error> {
        Ok(self.store.step(|model, now| model.locks.acquire(name, ttl, now)))
    }

    async fn renew(&self, name: &LockName, token: Token, ttl: Duration) -> Result<bool, Error> {
        Ok(self
            .store
            .step(|model, now| model.locks.renew(name, token, ttl, now)))
    }

    async fn release(&self, name: &LockName, token: Token) -> Result<bool, Error> {
        Ok(self
            .store
            .step(|model, now| model.locks.release(name, token, now)))
    }
}

#[async_trait]
impl Consume for MemoryConsume {
    async fn join(&self, worker: &WorkerInfo) -> Result<Box<dyn Presence>, Error> {
        Ok(Box::new(MemoryPresence::open(Arc::clone(&self.store), worker)))
    }

    async fn turn(&self, turn: &Turn<'_>) -> Result<Turned, Error> {
        let claimed = turn.claim.map_or(0, |claim| claim.max as usize);
        at_most("jobs in one claim", claimed, TURN_JOBS_MAX)?;
        at_most("settlements in one turn", turn.settlements.len(), TURN_JOBS_MAX)?;
        Ok(self.store.step(|model, now| model.turn(turn, now)))
    }

    async fn heartbeat(&self, heartbeat: &Heartbeat<'_>) -> Result<Vec<Verdict>, Error> {
        at_most("leases in one heartbeat", heartbeat.held.len(), TURN_JOBS_MAX)?;
        Ok(self.store.step(|model, now| model.heartbeat(heartbeat, now)))
    }

    async fn look(&self, worker: &WorkerId, topics: &[TopicName]) -> Result<Option<Sight>, Error> {
        Ok(Some(self.store.step(|model, _| model.look(worker, topics))))
    }

    async fn reclaim(&self, leases: &[AbsentLease]) -> Result<u32, Error> {
        at_most("leases in one reclaim", leases.len(), LOOK_LEASES_MAX)?;
        Ok(self.store.step(|model, now| model.reclaim(leases, now)))
    }

    async fn sweep(&self, topic: &TopicName) -> Result<Swept, Error> {
        Ok(self.store.topic_step(topic, |topic, now| topic.sweep(now)))
    }
}
