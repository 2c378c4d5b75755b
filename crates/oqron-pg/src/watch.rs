//! Waiting for the end of jobs: one listening connection for all who wait in this process, open only while somebody does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oqron_core::{Error, Finished, JobRef};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::database::{Database, Param};
use crate::listen::Listening;
use crate::statement::statement;

statement!(WATCH, "sql/publish/watch.sql", [INT4, TEXT, TEXT, INT8]);

/// An end that is committed while the watch is, can miss it: each has a snapshot that does not show the other. So the first
/// looks come soon.
const REREAD_FIRST_AFTER: Duration = Duration::from_millis(250);
/// The record is read again after this time without a notification.
const REREAD_AFTER: Duration = Duration::from_secs(5);
/// The same where there are no notifications.
const REREAD_AFTER_WITHOUT_CHANNEL: Duration = Duration::from_secs(1);
/// After a failure that may pass.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Each look registers anew for this long, so that what a dropped future leaves behind ends by itself.
const WATCH_MS: i64 = 15_000;

pub(crate) struct Watch {
    database: Arc<Database>,
    channel: String,
    waiting: Arc<Mutex<Waiting>>,
    opening: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Waiting {
    /// By the payload of the notification; with the number of those who wait.
    jobs: HashMap<String, (Arc<Notify>, usize)>,
    listener: Option<JoinHandle<()>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.take() {
            listener.abort();
        }
    }
}

/// Somebody who waits; gone when it is dropped.
struct Ticket {
    key: String,
    notify: Arc<Notify>,
    waiting: Arc<Mutex<Waiting>>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = waiting.jobs.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                waiting.jobs.remove(&self.key);
            }
        }
        if waiting.jobs.is_empty()
            && let Some(listener) = waiting.listener.take()
        {
            listener.abort();
        }
    }
}

impl Watch {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        Self {
            database,
            channel: format!(
                "oqron_{}",
                oqron_core::JobId::generate().as_str().replace('-', "")
            ),
            waiting: Arc::default(),
            opening: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) async fn finished(&self, job: &JobRef) -> Result<Finished, Error> {
        let action = "wait for the end of a job";
        if let Some(finished) = Finished::of(self.database.find(job).await?.as_ref()) {
            return Ok(finished);
        }
        let Some(topic) = self.database.topic(action, &job.topic).await? else {
            return Ok(Finished::Gone);
        };
        let ticket = self.ticket(format!("f:{topic}:{}", job.id));
        let mut reread_after = REREAD_FIRST_AFTER;
        loop {
            // Before the look, so that an end between the two is not missed.
            let told = ticket.notify.notified();
            let look_again_after = match self.look(job, topic).await {
                Ok(Some(finished)) => return Ok(finished),
                Ok(None) if self.database.prepared => {
                    let now = reread_after;
                    reread_after = (reread_after * 4).min(REREAD_AFTER);
                    now
                }
                Ok(None) => REREAD_AFTER_WITHOUT_CHANNEL,
                // The caller says how long it waits, whatever becomes of the connection meanwhile.
                Err(error) if error.is_transient() => {
                    tracing::debug!(%error, %job, "could not look whether the job has ended; trying again");
                    LOOK_AGAIN_AFTER
                }
                Err(error) => return Err(error),
            };
            let _ = tokio::time::timeout(look_again_after, told).await;
        }
    }

    /// Registers for the notification, and looks whether it would come too late.
    async fn look(&self, job: &JobRef, topic: i32) -> Result<Option<Finished>, Error> {
        if self.database.prepared {
            self.listen().await?;
            let watch: [Param<'_>; 4] = [&topic, &job.id.as_str(), &self.channel, &WATCH_MS];
            self.database
                .query("wait for the end of a job", &WATCH, &watch)
                .await?;
        }
        Ok(Finished::of(self.database.find(job).await?.as_ref()))
    }

    fn ticket(&self, key: String) -> Ticket {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (notify, count) = waiting.jobs.entry(key.clone()).or_default();
        *count += 1;
        Ticket {
            key,
            notify: notify.clone(),
            waiting: self.waiting.clone(),
        }
    }

    /// Opens the listening connection if it is not open.
    async fn listen(&self) -> Result<(), Error> {
        let _one_at_a_time = self.opening.lock().await;
        {
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.listener.as_ref().is_some_and(|task| !task.is_finished()) {
                return Ok(());
            }
        }
        let mut listening = Listening::open(&self.database, &format!("listen \"{}\"", self.channel)).await?;
        let shared = Arc::downgrade(&self.waiting);
        let task = tokio::spawn(async move {
            loop {
                let message = listening.next().await;
                let Some(shared) = shared.upgrade() else {
                    return;
                };
                let waiting = shared.lock().unwrap_or_else(PoisonError::into_inner);
                match message {
                    Some(key) => {
                        if let Some((notify, _)) = waiting.jobs.get(&key) {
                            notify.notify_waiters();
                        }
                    }
                    None => {
                        // Something may have been missed: everybody looks, and the first opens a new connection.
                        for (notify, _) in waiting.jobs.values() {
                            notify.notify_waiters();
                        }
                        return;
                    }
                }
            }
        });
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.jobs.is_empty() {
            task.abort();
        } else {
            waiting.listener = Some(task);
        }
        Ok(())
    }
}
