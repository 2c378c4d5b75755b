//! A worker's presence: a channel to it, and its death when that is dropped.

use std::sync::Arc;

use async_trait::async_trait;
use oqron_core::{Error, Message, Presence, WorkerId, WorkerInfo};
use tokio::sync::mpsc;

use super::store::Store;

pub(super) struct MemoryPresence {
    store: Arc<Store>,
    worker: WorkerId,
    session: u64,
    messages: mpsc::Receiver<Message>,
}

impl MemoryPresence {
    pub(super) fn open(store: Arc<Store>, worker: &WorkerInfo) -> Self {
        let (session, messages) = store.open_presence(&worker.id);
        store.step(|model, now| model.workers.join(worker, now));
        Self {
            store,
            worker: worker.id.clone(),
            session,
            messages,
        }
    }
}

#[async_trait]
impl Presence for MemoryPresence {
    async fn next(&mut self) -> Result<Message, Error> {
        self.messages.recv().await.ok_or_else(|| Error::Unavailable {
            backend: "memory".into(),
            action: "read messages",
            problem: format!("{} has joined again, and this presence is over", self.worker),
        })
    }

    async fn leave(self: Box<Self>) -> Result<(), Error> {
        if self.store.close_presence(&self.worker, self.session) {
            self.store.step(|model, _| {
                model.stop_waking(&self.worker);
                model.workers.leave(&self.worker);
            });
        }
        Ok(())
    }
}

impl Drop for MemoryPresence {
    fn drop(&mut self) {
        if self.store.close_presence(&self.worker, self.session) {
            self.store.step(|model, _| {
                model.stop_waking(&self.worker);
                model.workers.die(&self.worker);
            });
        }
    }
}
