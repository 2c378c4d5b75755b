//! A backend in front of the real one: it counts calls, loses replies, and goes away when it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use oqron_core::{
    AbsentLease, Consume, Error, Heartbeat, LockName, Locks, Message, Presence, Sight, Swept, Token,
    TopicName, Turn, Turned, Verdict, WorkerId, WorkerInfo,
};
use tokio::sync::Notify;

/// What is to happen, and what has.
#[derive(Default)]
pub(crate) struct Watch {
    calls: Mutex<BTreeMap<&'static str, u32>>,
    /// No call reaches the backend.
    pub(crate) is_down: AtomicBool,
    /// Heartbeats do not.
    pub(crate) loses_heartbeats: AtomicBool,
    /// Turns do not.
    pub(crate) loses_turns: AtomicBool,
    /// Calls get no answer, not even an error.
    pub(crate) is_silent: AtomicBool,
    /// So many turns take effect, and their answers are lost.
    pub(crate) turn_replies_to_lose: AtomicU32,
    /// Each turn takes so many milliseconds before it reaches the backend.
    pub(crate) turn_takes_ms: AtomicU64,
    /// Over which lines turns came.
    lines: Mutex<BTreeSet<u8>>,
    /// A presence breaks.
    pub(crate) break_presence: Notify,
    joins: AtomicU32,
    /// The presences up to this one bring nothing any more, and do not say so.
    stranded: AtomicU32,
}

impl Watch {
    pub(crate) fn calls(&self, method: &str) -> u32 {
        self.calls.lock().unwrap().get(method).copied().unwrap_or(0)
    }

    pub(crate) fn lines(&self) -> Vec<u8> {
        self.lines.lock().unwrap().iter().copied().collect()
    }

    /// From now on the presences of before are silent.
    pub(crate) fn strand_presences(&self) {
        self.stranded
            .store(self.joins.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    pub(crate) fn all_calls(&self) -> u32 {
        self.calls.lock().unwrap().values().sum()
    }

    async fn call(&self, method: &'static str) -> Result<(), Error> {
        if self.is_silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        *self.calls.lock().unwrap().entry(method).or_default() += 1;
        let is_lost = match method {
            "heartbeat" => self.loses_heartbeats.load(Ordering::SeqCst),
            "turn" => self.loses_turns.load(Ordering::SeqCst),
            _ => false,
        };
        if self.is_down.load(Ordering::SeqCst) || is_lost {
            return Err(away(method));
        }
        Ok(())
    }
}

fn away(action: &'static str) -> Error {
    Error::Unavailable {
        backend: "memory".into(),
        action,
        problem: "the test pulled the plug".into(),
    }
}

pub(crate) struct Spy {
    pub(crate) inner: Arc<dyn Consume>,
    pub(crate) watch: Arc<Watch>,
}

#[async_trait]
impl Locks for Spy {
    async fn acquire(&self, name: &LockName, ttl: Duration) -> Result<Option<Token>, Error> {
        self.watch.call("acquire").await?;
        self.inner.acquire(name, ttl).await
    }

    async fn renew(&self, name: &LockName, token: Token, ttl: Duration) -> Result<bool, Error> {
        self.watch.call("renew").await?;
        self.inner.renew(name, token, ttl).await
    }

    async fn release(&self, name: &LockName, token: Token) -> Result<bool, Error> {
        self.watch.call("release").await?;
        self.inner.release(name, token).await
    }
}

#[async_trait]
impl Consume for Spy {
    async fn join(&self, worker: &WorkerInfo) -> Result<Box<dyn Presence>, Error> {
        self.watch.call("join").await?;
        let inner = self.inner.join(worker).await?;
        Ok(Box::new(SpiedPresence {
            inner,
            number: self.watch.joins.fetch_add(1, Ordering::SeqCst) + 1,
            watch: Arc::clone(&self.watch),
        }))
    }

    async fn turn(&self, turn: &Turn<'_>) -> Result<Turned, Error> {
        self.watch.call("turn").await?;
        self.watch.lines.lock().unwrap().insert(turn.line);
        let takes = self.watch.turn_takes_ms.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(takes)).await;
        let turned = self.inner.turn(turn).await?;
        let lose = |left: u32| left.checked_sub(1);
        let replies = &self.watch.turn_replies_to_lose;
        match replies.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lose) {
            Ok(_) => Err(away("turn")),
            Err(_) => Ok(turned),
        }
    }

    async fn heartbeat(&self, heartbeat: &Heartbeat<'_>) -> Result<Vec<Verdict>, Error> {
        self.watch.call("heartbeat").await?;
        self.inner.heartbeat(heartbeat).await
    }

    async fn look(&self, worker: &WorkerId, topics: &[TopicName]) -> Result<Option<Sight>, Error> {
        self.watch.call("look").await?;
        self.inner.look(worker, topics).await
    }

    async fn reclaim(&self, leases: &[AbsentLease]) -> Result<u32, Error> {
        self.watch.call("reclaim").await?;
        self.inner.reclaim(leases).await
    }

    async fn sweep(&self, topic: &TopicName) -> Result<Swept, Error> {
        self.watch.call("sweep").await?;
        self.inner.sweep(topic).await
    }
}

struct SpiedPresence {
    inner: Box<dyn Presence>,
    number: u32,
    watch: Arc<Watch>,
}

impl SpiedPresence {
    fn is_stranded(&self) -> bool {
        self.number <= self.watch.stranded.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Presence for SpiedPresence {
    async fn next(&mut self) -> Result<Message, Error> {
        loop {
            tokio::select! {
                message = self.inner.next() => if !self.is_stranded() {
                    return message;
                },
                () = self.watch.break_presence.notified() => return Err(away("listen")),
            }
        }
    }

    async fn ping(&mut self) -> Result<(), Error> {
        self.watch.call("ping").await?;
        if self.is_stranded() {
            std::future::pending::<()>().await;
        }
        self.inner.ping().await
    }

    fn wakes(&self) -> bool {
        self.inner.wakes()
    }

    async fn leave(self: Box<Self>) -> Result<(), Error> {
        self.watch.call("leave").await?;
        self.inner.leave().await
    }
}
