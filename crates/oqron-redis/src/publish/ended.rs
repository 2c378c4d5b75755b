//! Waiting for the end of jobs: one connection a process, open only while somebody waits.
//!
//! Who waits subscribes to the job's own channel, then registers in the topic, so that a settlement publishes only what
//! somebody waits for, and then reads the record. It is read again every few seconds, which covers every message that a
//! broken connection has lost.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_redis::redis::Value;
use deadpool_redis::redis::aio::{PubSubSink, PubSubStream};
use futures::StreamExt;
use oqron_core::{Error, Finished, JobRef};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::reply;
use crate::script::{Call, LazyScript, script};
use crate::server::Server;

static WATCH: LazyScript = script!(" flags=allow-oom", "topic", "watch");

/// How often the record is read while waiting.
const REREAD: Duration = Duration::from_secs(5);
/// A registration outlives a reread or two.
const REGISTERED: Duration = Duration::from_secs(15);
/// The connection stays open for the next who waits.
const LINGER: Duration = Duration::from_secs(5);
const PING_EVERY: Duration = Duration::from_secs(10);
const RECONNECT_AFTER: Duration = Duration::from_millis(500);

/// Cheap to clone; the last clone closes the connection.
#[derive(Clone)]
pub(super) struct Ended {
    shared: Arc<Shared>,
    _owner: Arc<Owner>,
}

struct Shared {
    server: Arc<Server>,
    state: Mutex<State>,
    /// The state has changed.
    changed: Notify,
}

#[derive(Default)]
struct State {
    channels: HashMap<String, Channel>,
    /// Channels that came or went since the listener looked.
    touched: HashSet<String>,
    listener: Option<AbortHandle>,
}

struct Channel {
    waiting: usize,
    /// Counts up with each subscription, message and reconnection; 0 before the first.
    news: watch::Sender<u64>,
}

/// Ends the listener with the last clone of `Ended`.
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(listener) = self.0.state().listener.take() {
            listener.abort();
        }
    }
}

impl std::fmt::Debug for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ended")
    }
}

impl Ended {
    pub(super) fn new(server: Arc<Server>) -> Self {
        let shared = Arc::new(Shared {
            server,
            state: Mutex::default(),
            changed: Notify::new(),
        });
        Self {
            _owner: Arc::new(Owner(shared.clone())),
            shared,
        }
    }

    /// # Cancel safety
    /// Dropping it takes it off the list of those who wait.
    pub(super) async fn wait(&self, job: &JobRef) -> Result<Finished, Error> {
        let server = &self.shared.server;
        if let Some(finished) = Finished::of(server.find(job).await?.as_ref()) {
            return Ok(finished);
        }
        let mut interest = Interest::new(&self.shared, server.keys.ended_channel(&job.topic, &job.id));
        // Without the subscription the reading every few seconds remains.
        let _ = timeout(REREAD, interest.news.changed()).await;
        loop {
            match self.is_over(job).await {
                Ok(None) => {}
                Ok(Some(finished)) => return Ok(finished),
                // Whoever waits has a time limit of his own; a server that restarts does not end the wait.
                Err(error) if error.is_transient() => {
                    tracing::warn!(%job, %error, "waiting for a job goes on")
                }
                Err(error) => return Err(error),
            }
            let _ = timeout(REREAD, interest.news.changed()).await;
        }
    }

    async fn is_over(&self, job: &JobRef) -> Result<Option<Finished>, Error> {
        let server = &self.shared.server;
        let call = Call::new(&WATCH, &[&server.keys.topic(&job.topic)])
            .arg(job.id.as_str())
            .arg(REGISTERED.as_millis() as u64);
        if reply::number(&server.run("wait for a job", call).await?)? == 1 {
            return Ok(None);
        }
        Ok(Finished::of(server.find(job).await?.as_ref()))
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is made in one go, so a panic elsewhere has not spoilt it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the changes; `None` ends the listener, because nobody waits.
    fn changes(&self, may_end: bool) -> Option<(Vec<String>, Vec<String>)> {
        let mut state = self.state();
        if may_end && state.channels.is_empty() {
            state.touched.clear();
            state.listener = None;
            return None;
        }
        let touched = std::mem::take(&mut state.touched);
        Some(
            touched
                .into_iter()
                .partition(|channel| state.channels.contains_key(channel)),
        )
    }

    fn tell<'a>(&self, channels: impl IntoIterator<Item = &'a str>) {
        let state = self.state();
        for channel in channels {
            if let Some(channel) = state.channels.get(channel) {
                channel.news.send_modify(|news| *news += 1);
            }
        }
    }

    fn all_channels(&self) -> Vec<String> {
        let mut state = self.state();
        state.touched.clear();
        state.channels.keys().cloned().collect()
    }

    /// Listens, and connects again when the connection breaks, until nobody waits.
    async fn listen(self: Arc<Self>) {
        loop {
            let channels = self.all_channels();
            let ended = match self.connect(&channels).await {
                Ok((sink, stream)) => {
                    self.tell(channels.iter().map(String::as_str));
                    self.forward(sink, stream).await
                }
                Err(error) => Err(error),
            };
            match ended {
                Ok(()) => return,
                Err(error) => tracing::debug!(%error, "listening for the ends of jobs starts again"),
            }
            sleep(RECONNECT_AFTER).await;
            if self.state().channels.is_empty() && self.changes(true).is_none() {
                return;
            }
        }
    }

    async fn connect(&self, channels: &[String]) -> Result<(PubSubSink, PubSubStream), Error> {
        let (mut sink, stream) = self.server.listen("listen for the ends of jobs").await?.split();
        if !channels.is_empty() {
            let subscribed = sink.subscribe(channels);
            self.server
                .limited("listen for the ends of jobs", subscribed)
                .await?;
        }
        Ok((sink, stream))
    }

    async fn forward(&self, mut sink: PubSubSink, mut stream: PubSubStream) -> Result<(), Error> {
        const ACTION: &str = "listen for the ends of jobs";
        let mut ping_at = Instant::now() + PING_EVERY;
        let mut idle_since = None;
        loop {
            let end_at = idle_since.map_or(ping_at, |since: Instant| since + LINGER);
            tokio::select! {
                message = stream.next() => {
                    let message = message.ok_or_else(|| self.server.connection_closed(ACTION))?;
                    self.tell([message.get_channel_name()]);
                    continue;
                }
                () = self.changed.notified() => {}
                () = sleep_until(ping_at.min(end_at)) => {}
            }
            let now = Instant::now();
            let Some((come, gone)) = self.changes(idle_since.is_some() && now >= end_at) else {
                return Ok(());
            };
            if !gone.is_empty() {
                self.server.limited(ACTION, sink.unsubscribe(&gone)).await?;
            }
            if !come.is_empty() {
                self.server.limited(ACTION, sink.subscribe(&come)).await?;
                self.tell(come.iter().map(String::as_str));
            }
            if now >= ping_at {
                self.server.limited(ACTION, pin!(sink.ping::<Value>())).await?;
                ping_at = now + PING_EVERY;
            }
            let is_idle = self.state().channels.is_empty();
            idle_since = is_idle.then(|| idle_since.unwrap_or(now));
        }
    }
}

/// Somebody waits for a channel; dropping it ends that.
struct Interest<'a> {
    shared: &'a Arc<Shared>,
    channel: String,
    news: watch::Receiver<u64>,
}

impl<'a> Interest<'a> {
    fn new(shared: &'a Arc<Shared>, channel: String) -> Self {
        let mut state = shared.state();
        let entry = state.channels.entry(channel.clone()).or_insert_with(|| Channel {
            waiting: 0,
            news: watch::Sender::new(0),
        });
        entry.waiting += 1;
        let mut news = entry.news.subscribe();
        if entry.waiting == 1 {
            state.touched.insert(channel.clone());
        } else if *news.borrow() > 0 {
            // Subscribed already: no need to wait for it.
            news.mark_changed();
        }
        // A listener ends without being asked when its runtime does.
        if state.listener.as_ref().is_none_or(AbortHandle::is_finished) {
            state.listener = Some(tokio::spawn(shared.clone().listen()).abort_handle());
        }
        drop(state);
        shared.changed.notify_one();
        Self {
            shared,
            channel,
            news,
        }
    }
}

impl Drop for Interest<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if let Some(channel) = state.channels.get_mut(&self.channel) {
            channel.waiting -= 1;
            if channel.waiting == 0 {
                state.channels.remove(&self.channel);
                state.touched.insert(self.channel.clone());
            }
        }
        drop(state);
        self.shared.changed.notify_one();
    }
}
