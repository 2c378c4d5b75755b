//! The one mailbox of a process in which the ends of jobs are announced, and the thread that reads it. It starts with
//! the first wait for a result and ends with the last adapter on the file.

use std::collections::HashMap;
use std::net::Shutdown;
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use oqron_core::JobId;
use tokio::sync::Notify;

use crate::location::Wakeups;
use crate::mailbox::{Mailbox, Post};
use crate::notice::{NOTICE_BYTES_MAX, Notice};

/// How soon the thread finds that nobody needs it any more, where closing the socket does not tell it.
const LOOK_AROUND: Duration = Duration::from_secs(10);

type Key = (i64, JobId);

pub(crate) struct Watch {
    socket: UnixDatagram,
    waiting: Mutex<HashMap<Key, Waiting>>,
    mailbox: Mailbox,
}

struct Waiting {
    notify: Arc<Notify>,
    watchers: usize,
}

impl Watch {
    /// `None` where no socket can be made: results are then found by looking.
    pub(super) fn start(post: &Post, wakeups: Wakeups) -> Option<Arc<Self>> {
        if wakeups == Wakeups::Poll {
            return None;
        }
        let started = || -> std::io::Result<Arc<Self>> {
            let mut mailbox = post.open("publisher")?;
            let socket = post.bind(&mut mailbox)?;
            socket.set_read_timeout(Some(LOOK_AROUND))?;
            let inbox = socket.try_clone()?;
            let watch = Arc::new(Self {
                socket,
                waiting: Mutex::default(),
                mailbox,
            });
            let weak = Arc::downgrade(&watch);
            std::thread::Builder::new()
                .name("oqron-sqlite-n".into())
                .spawn(move || read_mail(&inbox, &weak))?;
            Ok(watch)
        };
        started()
            .inspect_err(
                |error| tracing::info!(%error, "no socket for the ends of jobs; they are found by looking"),
            )
            .ok()
    }

    pub(super) fn mailbox_name(&self) -> &str {
        &self.mailbox.name
    }

    /// Waits for news of a job until it is dropped.
    pub(super) fn for_job(self: &Arc<Self>, topic: i64, id: JobId) -> Watching {
        let key = (topic, id);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = waiting.entry(key.clone()).or_insert_with(|| Waiting {
            notify: Arc::default(),
            watchers: 0,
        });
        entry.watchers += 1;
        Watching {
            notify: Arc::clone(&entry.notify),
            watch: Arc::clone(self),
            key,
        }
    }

    fn announce(&self, key: &Key) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = waiting.get(key) {
            waiting.notify.notify_waiters();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Wakes the thread, which then finds that it is not needed any more.
        let _ = self.socket.shutdown(Shutdown::Both);
        self.mailbox.close();
    }
}

fn read_mail(inbox: &UnixDatagram, watch: &Weak<Watch>) {
    let mut buffer = vec![0; NOTICE_BYTES_MAX];
    loop {
        let received = inbox.recv(&mut buffer);
        let Some(watch) = watch.upgrade() else {
            return;
        };
        match received {
            Ok(length) => {
                if let Some(Notice::Finished(jobs)) = Notice::from_bytes(&buffer[..length]) {
                    jobs.iter().for_each(|key| watch.announce(key));
                }
            }
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock
                        | std::io::ErrorKind::TimedOut
                        | std::io::ErrorKind::Interrupted
                ) => {}
            Err(error) => {
                tracing::warn!(%error, "the ends of jobs are no longer announced; they are found by looking");
                return;
            }
        }
    }
}

/// One wait for the end of one job.
pub(super) struct Watching {
    notify: Arc<Notify>,
    watch: Arc<Watch>,
    key: Key,
}

impl Watching {
    /// Resolves at the next announcement after this call, also before it is polled.
    pub(super) fn news(&self) -> impl Future<Output = ()> + use<> {
        Arc::clone(&self.notify).notified_owned()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut waiting = self.watch.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = waiting.get_mut(&self.key) {
            entry.watchers -= 1;
            if entry.watchers == 0 {
                waiting.remove(&self.key);
            }
        }
    }
}
