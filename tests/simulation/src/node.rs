//! A machine on which one worker process after the other runs: a crashed or stopped one is followed by the next.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oqron_core::{Config, Consume, Delivery, Retries, Token};
use oqron_testing::memory::MemoryConsume;
use oqron_worker::{Connector, Context, Error, Runtime, RuntimeHandle, Topic, Worker};
use tokio::task::{AbortHandle, JoinError};
use tokio::time::{Instant, sleep};

use crate::chance::Chance;
use crate::faulty::FaultyConsume;
use crate::handler::handle;
use crate::history::{History, number_of};
use crate::line::Line;
use crate::plan::Terms;
use crate::task::{Done, Task};
use crate::trace::Trace;
use crate::weather::Weather;

/// The jobs that are run again when their worker dies.
pub(crate) const STEADY: Topic<Task, Done> = Topic::new("steady");
/// The jobs that are not.
pub(crate) const ONCE: Topic<Task, Done> = Topic::new("once");

/// What a shutdown may take beyond its grace, without what calls take.
const STOP_TIME: Duration = Duration::from_secs(4 + 2);

/// What all nodes have in common.
pub(crate) struct Ground {
    pub(crate) config: Config,
    pub(crate) terms: Terms,
    pub(crate) trace: Arc<Trace>,
    pub(crate) weather: Arc<Weather>,
    pub(crate) history: Arc<History>,
}

pub(crate) struct Node {
    ground: Arc<Ground>,
    number: usize,
    chance: Mutex<Chance>,
    current: Mutex<Option<Arc<Process>>>,
    is_closing: AtomicBool,
}

/// One worker process.
pub(crate) struct Process {
    pub(crate) line: Arc<Line>,
    handle: Mutex<Option<RuntimeHandle>>,
    task: Mutex<Option<AbortHandle>>,
    has_crashed: AtomicBool,
    stop_asked: Mutex<Option<Instant>>,
    /// It was frozen or cut off during its shutdown, or before.
    pub(crate) was_hindered: AtomicBool,
}

impl Process {
    /// As a SIGKILL.
    pub(crate) fn crash(&self, why: &str) {
        self.line.say(format_args!("crashes: {why}"));
        self.has_crashed.store(true, Ordering::Relaxed);
        self.line.kill();
        if let Some(task) = &*self.task.lock().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }

    /// As a SIGTERM.
    pub(crate) fn stop(&self) {
        self.line.say(format_args!("is told to shut down"));
        self.stop_asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(Instant::now);
        self.with_handle(RuntimeHandle::shutdown);
    }

    pub(crate) fn pause(&self, pause: bool) {
        self.with_handle(|handle| {
            // A process has a worker for both topics, so this cannot fail.
            let _ = if pause {
                handle.pause("steady")
            } else {
                handle.resume("steady")
            };
        });
    }

    fn with_handle(&self, act: impl FnOnce(&RuntimeHandle)) {
        if let Some(handle) = &*self.handle.lock().unwrap_or_else(PoisonError::into_inner) {
            act(handle);
        }
    }

    fn stop_asked(&self) -> Option<Instant> {
        *self.stop_asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    pub(crate) fn new(ground: Arc<Ground>, number: usize, chance: Chance) -> Arc<Self> {
        Arc::new(Self {
            ground,
            number,
            chance: Mutex::new(chance),
            current: Mutex::default(),
            is_closing: AtomicBool::new(false),
        })
    }

    /// The process that runs, if one does.
    pub(crate) fn process(&self) -> Option<Arc<Process>> {
        self.current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Shuts the process down, and starts no other.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
        if let Some(process) = self.process() {
            process.stop();
        }
    }

    /// Runs one process after the other until it is closed.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut count = 0;
        while !self.is_closing.load(Ordering::Relaxed) {
            count += 1;
            let process = self.start(&format!("node-{}.{count}", self.number + 1));
            let ended = self.live(&process).await;
            *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
            self.judge(&process, ended);
            process.line.kill();
            let pause = self.chance(|chance| chance.millis(1..3_000));
            sleep(pause).await;
        }
    }

    fn start(&self, name: &str) -> Arc<Process> {
        let ground = &self.ground;
        let line = Line::new(
            name.to_owned(),
            Arc::clone(&ground.trace),
            Arc::clone(&ground.weather),
            self.chance(|chance| Chance::new(chance.seed(), "line")),
            ground.terms.call_timeout,
        );
        line.say(format_args!("starts"));
        let process = Arc::new(Process {
            line,
            handle: Mutex::default(),
            task: Mutex::default(),
            has_crashed: AtomicBool::new(false),
            stop_asked: Mutex::default(),
            was_hindered: AtomicBool::new(false),
        });
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&process));
        process
    }

    async fn live(&self, process: &Arc<Process>) -> Result<Result<(), Error>, JoinError> {
        let runtime = match self.runtime(process).await {
            Ok(runtime) => runtime,
            Err(error) => return Ok(Err(error)),
        };
        self.ground
            .history
            .worker(runtime.worker_id(), process.line.who());
        *process.handle.lock().unwrap_or_else(PoisonError::into_inner) = Some(runtime.handle());
        let task = tokio::spawn(runtime.run(std::future::pending()));
        *process.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
        task.await
    }

    async fn runtime(&self, process: &Arc<Process>) -> Result<Runtime, Error> {
        let terms = self.ground.terms;
        let mut config = self.ground.config.clone();
        config.worker_name = Some(process.line.who().to_owned());
        Runtime::connect(self.connector(process), config)
            .await?
            .heart_in_this_runtime()
            .shutdown_grace(terms.shutdown_grace)
            .presence(terms.presence)
            .presence_grace(terms.presence_grace)
            .worker(self.worker(process, false))?
            .worker(self.worker(process, true))
    }

    fn connector(&self, process: &Process) -> Connector {
        let (ground, line) = (Arc::clone(&self.ground), Arc::clone(&process.line));
        Arc::new(move || {
            let (ground, line) = (Arc::clone(&ground), Arc::clone(&line));
            Box::pin(async move {
                Ok(Arc::new(FaultyConsume {
                    inner: MemoryConsume::connect(&ground.config).await?,
                    line,
                    weather: Arc::clone(&ground.weather),
                    history: Arc::clone(&ground.history),
                }) as Arc<dyn Consume>)
            })
        })
    }

    fn worker(&self, process: &Arc<Process>, at_most_once: bool) -> Worker<Task, Done> {
        let (terms, history) = (self.ground.terms, &self.ground.history);
        let (topic, delivery) = match at_most_once {
            true => (ONCE, Delivery::AtMostOnce),
            false => (STEADY, Delivery::AtLeastOnce),
        };
        let hook = |name: &'static str, words: &'static [&'static str]| {
            let history = Arc::clone(history);
            move |number: u32, token: Token| history.hook(name, number, token, words)
        };
        let on_success = hook("on_success", &["complete"]);
        let on_fail = hook("on_fail", &["fail"]);
        let on_retry = hook("on_retry", &["retry"]);
        let (process, history) = (Arc::clone(process), Arc::clone(history));
        Worker::new(topic, move |ctx: Context<Task>| {
            handle(Arc::clone(&history), Arc::clone(&process), at_most_once, ctx)
        })
        .concurrency(terms.concurrency)
        .delivery(delivery)
        .heartbeat(terms.heartbeat)
        .lock_ttl(terms.lease_ttl)
        .max_stalls(terms.max_stalls)
        .retries(Retries::fixed(terms.retries, terms.retry_delay))
        .on_success(move |job, _| {
            on_success(number_of(job.id()), job.fencing_token());
            std::future::ready(())
        })
        .on_fail(move |job, _| {
            on_fail(number_of(job.id()), job.fencing_token());
            std::future::ready(())
        })
        .on_retry(move |job, _| {
            on_retry(number_of(job.id()), job.fencing_token());
            std::future::ready(())
        })
    }

    /// Whether the process ended as it may.
    fn judge(&self, process: &Process, ended: Result<Result<(), Error>, JoinError>) {
        let (who, history) = (process.line.who(), &self.ground.history);
        match ended {
            Err(error) if error.is_panic() => history.violated(format!("{who} panicked: {error}")),
            Err(_) => {
                if !process.has_crashed.load(Ordering::Relaxed) {
                    history.violated(format!("{who} was cancelled by nobody"));
                }
            }
            Ok(Ok(())) => match process.stop_asked() {
                None => history.violated(format!("{who} ended by itself")),
                Some(at) => self.judge_stop(process, at.elapsed()),
            },
            Ok(Err(error)) if process.line.has_joined() => {
                history.violated(format!("{who} ended with an error: {error}"));
            }
            Ok(Err(error)) => process.line.say(format_args!("could not start: {error}")),
        }
    }

    fn judge_stop(&self, process: &Process, took: Duration) {
        process.line.say(format_args!("has shut down after {took:?}"));
        let terms = self.ground.terms;
        // The last calls of the sweeper and of the watcher, and the goodbye, are bounded each by itself.
        let limit = terms.shutdown_grace + STOP_TIME + terms.call_timeout * 3;
        if took > limit && !process.was_hindered.load(Ordering::Relaxed) {
            let who = process.line.who();
            self.ground
                .history
                .violated(format!("{who} took {took:?} to shut down; {limit:?} would do"));
        }
    }

    fn chance<R>(&self, draw: impl FnOnce(&mut Chance) -> R) -> R {
        draw(&mut self.chance.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
