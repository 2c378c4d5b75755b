use std::fmt;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::inbox::{Inbox, Inboxes};

/// Controls a [`Runtime`](crate::Runtime) while it runs. Cheap to clone.
#[derive(Clone)]
pub struct RuntimeHandle {
    inboxes: Arc<Inboxes>,
    shutdown: CancellationToken,
}

impl RuntimeHandle {
    pub(crate) fn new(inboxes: Arc<Inboxes>, shutdown: CancellationToken) -> Self {
        Self { inboxes, shutdown }
    }

    /// This process takes no more jobs of the topic until [`resume`](Self::resume); what runs goes on. Other processes
    /// are not concerned: `Operate::pause` pauses a topic for all.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`] if the runtime has no worker for it.
    pub fn pause(&self, topic: impl AsRef<str>) -> Result<(), Error> {
        self.inbox(topic.as_ref())?.paused.send_replace(true);
        Ok(())
    }

    /// This process takes jobs of the topic again.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`] if the runtime has no worker for it.
    pub fn resume(&self, topic: impl AsRef<str>) -> Result<(), Error> {
        self.inbox(topic.as_ref())?.paused.send_replace(false);
        Ok(())
    }

    /// Begins the shutdown, as the future that `run` was given does.
    pub fn shutdown(&self) {
        self.shutdown.cancel();
    }

    fn inbox(&self, topic: &str) -> Result<Arc<Inbox>, Error> {
        self.inboxes.get(topic).ok_or_else(|| Error::UnknownTopic {
            topic: topic.to_owned(),
        })
    }
}

impl fmt::Debug for RuntimeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeHandle")
            .field("is_shutting_down", &self.shutdown.is_cancelled())
            .finish_non_exhaustive()
    }
}
