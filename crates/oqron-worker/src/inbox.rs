//! How the rest of the process reaches a topic's task: hints that coalesce, so nothing can pile up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oqron_core::TopicName;
use tokio::sync::{Notify, watch};

/// Of one topic.
pub(crate) struct Inbox {
    woken: Notify,
    pub(crate) paused: watch::Sender<bool>,
}

impl Inbox {
    pub(crate) fn new(is_paused: bool) -> Self {
        Self {
            woken: Notify::new(),
            paused: watch::Sender::new(is_paused),
        }
    }

    /// There may be work.
    pub(crate) fn wake(&self) {
        self.woken.notify_one();
    }

    pub(crate) async fn woken(&self) {
        self.woken.notified().await;
    }
}

/// Of all topics of a runtime.
#[derive(Default)]
pub(crate) struct Inboxes {
    by_topic: Mutex<BTreeMap<TopicName, Arc<Inbox>>>,
    has_channel: AtomicBool,
    is_missed: AtomicBool,
}

impl Inboxes {
    pub(crate) fn add(&self, topic: TopicName, inbox: Arc<Inbox>) {
        self.lock().insert(topic, inbox);
    }

    pub(crate) fn get(&self, topic: &str) -> Option<Arc<Inbox>> {
        self.lock().get(topic).cloned()
    }

    pub(crate) fn wake(&self, topic: &TopicName) {
        if let Some(inbox) = self.get(topic.as_str()) {
            inbox.wake();
        }
    }

    /// The presence came or went: without a channel for wake-ups the topics ask every second, and with a new one
    /// they ask at once, for what they may have missed.
    pub(crate) fn set_channel(&self, has_channel: bool) {
        self.has_channel.store(has_channel, Ordering::Relaxed);
        for inbox in self.lock().values() {
            inbox.wake();
        }
    }

    /// The others can see that this process is not present, and would take what it claims.
    pub(crate) fn set_missed(&self, is_missed: bool) {
        self.is_missed.store(is_missed, Ordering::Relaxed);
    }

    pub(crate) fn is_missed(&self) -> bool {
        self.is_missed.load(Ordering::Relaxed)
    }

    pub(crate) fn has_channel(&self) -> bool {
        self.has_channel.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicName, Arc<Inbox>>> {
        self.by_topic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
