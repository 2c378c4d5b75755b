use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use oqron_core::{Config, Consume, Namespace, TopicName, WorkerId, WorkerInfo};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::attempt::TopicShared;
use crate::inbox::{Inbox, Inboxes};
use crate::lookout::Lookout;
use crate::options::{RuntimeSettings, presence_grace_complaint};
use crate::report::Bell;
use crate::runner::Runner;
use crate::running::Running;
use crate::sweeper::{Completions, Sweeper};
use crate::topic::{Parts, Phase, TopicTask};
use crate::vitals::{Connector, Place, Vitals};
use crate::{Error, RuntimeHandle, Worker};

/// How long handlers have to finish after the shutdown began, unless said otherwise.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(25);
/// How long a worker may be away before its jobs are taken, unless said otherwise.
const PRESENCE_GRACE: Duration = Duration::from_secs(1);
/// Messages that wait for the heart. Each topic's task sends one at a time and waits for its place.
const HEART_INBOX: usize = 256;

/// Runs the workers of a process over one set of connections.
///
/// The facade's `oqron::runtime(config)` makes one for the backend that the URL names. Then:
/// `runtime.worker(encode)?.worker(mail)?.run(shutdown_signal()).await?`.
pub struct Runtime {
    connector: Connector,
    backend: Arc<dyn Consume>,
    config: Config,
    worker: WorkerId,
    host: String,
    grace: Duration,
    presence: bool,
    presence_grace: Duration,
    place: Place,
    bell: Arc<Bell>,
    inboxes: Arc<Inboxes>,
    shutdown: CancellationToken,
    workers: Vec<Added>,
}

/// A worker that passed the checks.
struct Added {
    shared: Arc<TopicShared>,
    runner: Arc<dyn Runner>,
    inbox: Arc<Inbox>,
}

impl Runtime {
    /// Connects to the backend. `connector` is called again when the runtime runs, for the connection of its heart.
    ///
    /// # Errors
    /// What the backend says (it cannot be reached, refuses access, …), or [`oqron_core::Error::Config`] for options of
    /// the runtime that do not do.
    pub async fn connect(connector: Connector, config: Config) -> Result<Self, Error> {
        let mut complaints = Vec::new();
        let settings = RuntimeSettings::read(&config, &mut complaints);
        if !complaints.is_empty() {
            return Err(oqron_core::Error::Config(complaints).into());
        }
        let backend = connector().await?;
        let host = gethostname::gethostname().to_string_lossy().into_owned();
        Ok(Self {
            connector,
            backend,
            worker: WorkerId::generate(config.worker_name.as_deref().unwrap_or(&host)),
            config,
            host,
            grace: settings.shutdown_grace.unwrap_or(SHUTDOWN_GRACE),
            presence: settings.presence.unwrap_or(true),
            presence_grace: settings.presence_grace.unwrap_or(PRESENCE_GRACE),
            place: Place::default(),
            bell: Arc::default(),
            inboxes: Arc::default(),
            shutdown: CancellationToken::new(),
            workers: Vec::new(),
        })
    }

    /// How long handlers have to finish after the shutdown began, before their signals fire; four seconds later, the
    /// process has ended. Default 25 s. In TOML `shutdown_grace` in `[worker]`, which goes before this.
    #[must_use]
    pub fn shutdown_grace(mut self, grace: Duration) -> Self {
        // What TOML says has been checked by `connect`.
        if !self.config.worker.contains_key("shutdown_grace") {
            self.grace = grace;
        }
        self
    }

    /// Whether this process watches over the others of its topics, and takes the jobs of one that died a second or two
    /// after its death. Default yes. Without it, they come back when their leases end. In TOML `presence` in `[worker]`,
    /// which goes before this.
    #[must_use]
    pub fn presence(mut self, presence: bool) -> Self {
        if !self.config.worker.contains_key("presence") {
            self.presence = presence;
        }
        self
    }

    /// How long another worker's connection may be gone before it counts as dead: long enough for a living one to come
    /// back. After four fifths of it without a word from the backend, a process whose own connection broke tells its
    /// handlers to stop. Default 1 s, at least 100 ms. In TOML `presence_grace` in `[worker]`, which goes
    /// before this.
    #[must_use]
    pub fn presence_grace(mut self, grace: Duration) -> Self {
        if !self.config.worker.contains_key("presence_grace") {
            self.presence_grace = grace;
        }
        self
    }

    /// For tests with paused time: renews leases in the runtime that runs the jobs, and not on a thread of its own.
    #[doc(hidden)]
    #[must_use]
    pub fn heart_in_this_runtime(mut self) -> Self {
        self.place = Place::SameRuntime;
        self
    }

    /// Adds a worker, with its options from code and TOML.
    ///
    /// # Errors
    /// [`oqron_core::Error::Config`] with everything that is wrong with it.
    pub fn worker<T, R>(mut self, worker: Worker<T, R>) -> Result<Self, Error>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        R: Serialize + Send + 'static,
    {
        let mut complaints = Vec::new();
        let name = worker.topic().name();
        let table = name.as_ref().map_or("", TopicName::as_str);
        let options = worker
            .options
            .clone()
            .resolve(table, &self.config, &mut complaints);
        let topic = match name {
            Ok(topic) => topic,
            Err(error) => {
                complaints.insert(0, error.to_string());
                return Err(oqron_core::Error::Config(complaints).into());
            }
        };
        if self.workers.iter().any(|added| added.shared.topic == topic) {
            complaints.push(format!(
                "the topic {topic} has a worker in this runtime already; raise its concurrency instead"
            ));
        }
        if !complaints.is_empty() {
            return Err(oqron_core::Error::Config(complaints).into());
        }
        let inbox = Arc::new(Inbox::new(options.paused));
        self.inboxes.add(topic.clone(), Arc::clone(&inbox));
        self.workers.push(Added {
            shared: Arc::new(TopicShared {
                topic,
                worker: self.worker.clone(),
                options,
                bell: Arc::clone(&self.bell),
            }),
            runner: worker.build(self.config.limits.clone()),
            inbox,
        });
        Ok(self)
    }

    /// Pauses, resumes and shuts down from elsewhere.
    pub fn handle(&self) -> RuntimeHandle {
        RuntimeHandle::new(Arc::clone(&self.inboxes), self.shutdown.clone())
    }

    /// This process, as records and logs name it.
    pub fn worker_id(&self) -> &WorkerId {
        &self.worker
    }

    /// Works until `shutdown` resolves, for example [`shutdown_signal`](crate::shutdown_signal). Then it claims
    /// nothing more, lets the handlers finish for the grace, fires their signals, and releases what is left: back to
    /// waiting at once, without a lost attempt. What does not stop even then is left to its lease.
    ///
    /// A backend that goes away while it runs does not end it: outcomes are kept and sent again.
    ///
    /// # Errors
    /// [`Error::NoWorkers`]; what the backend says when it cannot be joined; [`Error::Broken`].
    ///
    /// # Cancel safety
    /// Dropping the future is like killing the process: handlers are dropped, leases run out.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let by_handle = self.shutdown.clone();
        let (mut running, topics) = self.start().await?;
        tokio::select! {
            biased;
            () = shutdown => {}
            () = by_handle.cancelled() => {}
            error = running.broken() => return Err(error),
        }
        info!(worker = %running.worker, "stopping: no more jobs are taken");
        running.stop().await?;
        info!(worker = %running.worker, topics, "stopped");
        running.leave().await;
        Ok(())
    }

    async fn start(self) -> Result<(Running, usize), Error> {
        if self.workers.is_empty() {
            return Err(Error::NoWorkers);
        }
        if let Some(complaint) = presence_grace_complaint(self.presence_grace) {
            return Err(oqron_core::Error::Config(vec![complaint]).into());
        }
        self.tell_what_is_not_used();
        let lookout = Arc::new(Lookout::default());
        let shared: Vec<Arc<TopicShared>> = self
            .workers
            .iter()
            .map(|added| Arc::clone(&added.shared))
            .collect();
        let topics: Vec<TopicName> = shared.iter().map(|shared| shared.topic.clone()).collect();
        let concurrency = shared.iter().map(|shared| shared.options.concurrency).sum();
        let (to_heart, heart_inbox) = mpsc::channel(HEART_INBOX);
        let vitals = Vitals {
            connector: self.connector,
            worker: WorkerInfo::new(self.worker.clone(), topics.clone(), concurrency, self.host),
            topics: shared,
            inboxes: Arc::clone(&self.inboxes),
            bell: self.bell,
            lookout: Arc::clone(&lookout),
            watches: self.presence,
            presence_grace: self.presence_grace,
            to_heart: to_heart.clone(),
            heart_inbox,
        };
        let alive = vitals.start(self.place).await?;
        let (phase, _) = watch::channel(Phase::Working);
        let completions = Arc::new(Completions::default());
        let mut tasks = JoinSet::new();
        for (number, added) in self.workers.into_iter().enumerate() {
            let task = TopicTask::new(Parts {
                number,
                shared: added.shared,
                runner: added.runner,
                inbox: added.inbox,
                inboxes: Arc::clone(&self.inboxes),
                backend: Arc::clone(&self.backend),
                heart: to_heart.clone(),
                completions: Arc::clone(&completions),
                lookout: Arc::clone(&lookout),
                phase: phase.subscribe(),
                answer_time: self.config.call_timeout.saturating_mul(2),
            });
            tasks.spawn(task.run());
        }
        let stop_sweeping = CancellationToken::new();
        let mut sweeping = JoinSet::new();
        sweeping.spawn(Sweeper::new(self.backend, topics.clone(), completions).run(stop_sweeping.clone()));
        info!(worker = %self.worker, ?topics, namespace = %show(&self.config.namespace), "working");
        let running = Running {
            worker: self.worker,
            grace: self.grace,
            alive,
            heart: to_heart,
            phase,
            tasks,
            sweeping,
            stop_sweeping,
        };
        Ok((running, topics.len()))
    }

    /// A table for a topic that nobody works on is often a typing error, and often a file that many programs share.
    fn tell_what_is_not_used(&self) {
        for topic in self.config.topics.keys() {
            if !self
                .workers
                .iter()
                .any(|added| added.shared.topic.as_str() == topic)
            {
                warn!(
                    topic,
                    "the configuration has options for a topic that this program does not work on"
                );
            }
        }
    }
}

fn show(namespace: &Namespace) -> &str {
    namespace.as_str()
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topics: Vec<_> = self.workers.iter().map(|added| &added.shared.topic).collect();
        f.debug_struct("Runtime")
            .field("worker", &self.worker)
            .field("topics", &topics)
            .finish_non_exhaustive()
    }
}
