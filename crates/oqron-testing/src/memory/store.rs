//! One store: the model behind a lock that is held for one step, and the ways by which its hints reach somebody.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oqron_core::{BackendKind, Config, Error, JobRef, Message, Namespace, Timestamp, TopicName, WorkerId};
use tokio::sync::{mpsc, watch};

use super::clock::Clock;
use super::model::{Hint, Model, Topic};

/// Messages that wait for one worker. One more is dropped: it is a hint.
const MESSAGES_MAX: usize = 1_024;

/// A store lives as long as the process, so that a publisher may be gone before its worker comes.
static STORES: LazyLock<Mutex<Stores>> = LazyLock::new(Mutex::default);

/// By name and namespace.
type Stores = HashMap<(String, Namespace), Arc<Store>>;

#[derive(Debug)]
pub(super) struct Store {
    clock: Clock,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    model: Model,
    now: Timestamp,
    presences: HashMap<WorkerId, OpenPresence>,
    sessions: u64,
    /// Who waits for the end of which job. The sender is dropped when it comes.
    endings: HashMap<JobRef, watch::Sender<()>>,
}

#[derive(Debug)]
struct OpenPresence {
    session: u64,
    messages: mpsc::Sender<Message>,
}

impl Store {
    pub(super) fn open(config: &Config) -> Result<Arc<Self>, Error> {
        if config.url.kind() != BackendKind::Memory {
            return Err(Error::Invalid {
                what: "url",
                problem: format!("{} is not for the in-memory backend; memory: is", config.url),
            });
        }
        let name = config.url.expose().split_once(':').map_or("", |(_, name)| name);
        let key = (name.to_owned(), config.namespace.clone());
        let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
        let store = stores.entry(key).or_insert_with(|| {
            Arc::new(Self {
                clock: Clock::start(),
                inner: Mutex::default(),
            })
        });
        Ok(Arc::clone(store))
    }

    /// One step of the model, at one time that never goes back.
    pub(super) fn step<R>(&self, step: impl FnOnce(&mut Model, Timestamp) -> R) -> R {
        let mut inner = self.lock();
        inner.now = inner.now.max(self.clock.now());
        let now = inner.now;
        let answer = step(&mut inner.model, now);
        inner.deliver_hints();
        answer
    }

    pub(super) fn put_clock_forward(&self, by: Duration) {
        self.clock.put_forward(by);
    }

    /// One step that concerns one topic only.
    pub(super) fn topic_step<R>(
        &self,
        topic: &TopicName,
        step: impl FnOnce(&mut Topic, Timestamp) -> R,
    ) -> R {
        self.step(|model, now| step(model.topic(topic), now))
    }

    /// Opens a presence and tells its number, which is greater than every earlier one's. An older presence of the same
    /// worker ends.
    pub(super) fn open_presence(&self, worker: &WorkerId) -> (u64, mpsc::Receiver<Message>) {
        let (messages, received) = mpsc::channel(MESSAGES_MAX);
        let mut inner = self.lock();
        inner.sessions += 1;
        let session = inner.sessions;
        inner
            .presences
            .insert(worker.clone(), OpenPresence { session, messages });
        (session, received)
    }

    /// Closes a presence, unless a later one has taken its place. Whether it was closed.
    pub(super) fn close_presence(&self, worker: &WorkerId, session: u64) -> bool {
        let mut inner = self.lock();
        let current = inner
            .presences
            .get(worker)
            .is_some_and(|presence| presence.session == session);
        if current {
            inner.presences.remove(worker);
        }
        current
    }

    /// Looks at the model, and if the look finds nothing, registers for the end of the job in the same moment.
    pub(super) fn look_or_wait<R>(
        self: &Arc<Self>,
        job: &JobRef,
        look: impl FnOnce(&mut Model) -> Option<R>,
    ) -> Result<R, Ending> {
        let mut inner = self.lock();
        if let Some(found) = look(&mut inner.model) {
            return Ok(found);
        }
        let sender = inner
            .endings
            .entry(job.clone())
            .or_insert_with(|| watch::Sender::new(()));
        Err(Ending {
            store: Arc::clone(self),
            job: job.clone(),
            dropped: sender.subscribe(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .expect("no step of the model panics, so the lock is never poisoned")
    }
}

impl Inner {
    fn deliver_hints(&mut self) {
        for (topic, hint) in self.model.take_hints() {
            match hint {
                Hint::Wake(worker) => self.send(&worker, Message::Wake(topic)),
                Hint::Cancel(worker, id) => self.send(&worker, Message::Cancel(JobRef::new(topic, id))),
                Hint::Ended(id) => drop(self.endings.remove(&JobRef::new(topic, id))),
            }
        }
    }

    fn send(&self, worker: &WorkerId, message: Message) {
        if let Some(presence) = self.presences.get(worker) {
            // Full, or its worker is just going: losing a hint costs time, never a job.
            let _ = presence.messages.try_send(message);
        }
    }
}

/// The end of a job, to be waited for.
pub(super) struct Ending {
    store: Arc<Store>,
    job: JobRef,
    dropped: watch::Receiver<()>,
}

impl Ending {
    pub(super) async fn wait(mut self) {
        // Nothing is ever sent: the only change is that the sender goes.
        let _ = self.dropped.changed().await;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let mut inner = self.store.lock();
        let last = |sender: &watch::Sender<()>| sender.receiver_count() <= 1;
        if inner.endings.get(&self.job).is_some_and(last) {
            inner.endings.remove(&self.job);
        }
    }
}
