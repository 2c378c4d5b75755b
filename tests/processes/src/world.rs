//! What a test has: a backend with a namespace of its own, a folder, a history, and the two sides that the test itself
//! takes part with.

use std::ffi::OsString;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oqron::core::{Counts, Namespace, Operate};
use oqron::{Config, JobHandle, JobId, JobRecord, JobState, Publisher, Queue, TimelineKind};
use oqron_testing::history::{Event as Recorded, History, Record, Recorder, Rules, Summary};
use oqron_testing::servers::{postgres_url, redis_url};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::history::{Entry, Event, Past};
use crate::load::Load;
use crate::process::{Builder, Process};
use crate::script::{Gate, Ran, Script, Step};
use crate::{PLAY, connect};

/// Keeps the folder of a test that passed, too.
pub const KEEP_VARIABLE: &str = "PROCESSES_KEEP";
/// The folder of the histories, in the folder of the test.
const HISTORIES: &str = "histories";

/// No test waits longer for one thing. Generous, because tests run side by side on small machines.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Long enough that a slow machine does not take the lease of a worker that lives, short enough to wait for.
pub const LOCK_TTL: Duration = Duration::from_secs(2);
/// Lines of each log that a failed test shows.
const LOG_LINES_SHOWN: usize = 40;

/// A fifth of [`LOCK_TTL`].
pub const HEARTBEAT: Duration = Duration::from_millis(400);

/// Where the jobs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file in the folder of the test.
    Sqlite,
    /// The server that the tests were given.
    Redis,
    /// The same.
    Postgres,
}

impl Backend {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::Redis, Self::Postgres];

    /// In lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Redis => "redis",
            Self::Postgres => "postgres",
        }
    }
}

/// The programs that are started, with their first arguments.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The worker.
    pub worker: Vec<OsString>,
    /// The publisher.
    pub publisher: Vec<OsString>,
}

/// What a test has.
pub struct World {
    /// Removed with it.
    pub folder: TempDir,
    /// As its own processes have it.
    pub config: Config,
    /// The test's own.
    pub publisher: Publisher,
    /// To look with.
    pub operator: Arc<dyn Operate>,
    environment: String,
    programs: Programs,
    past: Mutex<Past>,
}

impl World {
    /// A new one on this backend.
    pub async fn new(backend: Backend, programs: Programs) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match backend {
            Backend::Sqlite => format!("sqlite:{}", folder.path().join("jobs.db").display()),
            Backend::Redis => redis_url(),
            Backend::Postgres => postgres_url(),
        };
        Self::within(folder, url, programs).await
    }

    /// A new one on a server of the test's own, or on an SQLite file anywhere.
    pub async fn at(url: impl Into<String>, programs: Programs) -> Self {
        Self::within(tempfile::tempdir().unwrap(), url.into(), programs).await
    }

    async fn within(folder: TempDir, url: String, programs: Programs) -> Self {
        let environment = JobId::generate().to_string();
        let config = Config::new(url).unwrap();
        let config = config.namespace("processes", &environment).unwrap();
        let histories = folder.path().join(HISTORIES);
        std::fs::create_dir(&histories).unwrap();
        let recorder = Recorder::create(&histories, "test").unwrap();
        Self {
            // Boxed, so that the tests do not meet the limit of what the compiler looks into.
            publisher: Box::pin(connect::publisher(config.clone(), recorder))
                .await
                .unwrap(),
            operator: Box::pin(oqron::operator(&config)).await.unwrap(),
            folder,
            config,
            environment,
            programs,
            past: Mutex::new(Past::new(histories)),
        }
    }

    /// Holds everything that happened against the promises. To be called at the end of a test, when no job is left to be
    /// done.
    ///
    /// # Panics
    /// If a promise was broken.
    pub async fn proven(&self) -> Summary {
        self.proven_without(|_| false).await
    }

    /// The same, but for the jobs that are excused: those that a server lost which had promised no more.
    ///
    /// # Panics
    /// If a promise was broken.
    pub async fn proven_without(&self, is_excused: impl Fn(&JobId) -> bool) -> Summary {
        let records = self.records().await;
        let history = History::new(self.events(), records).without(is_excused);
        match history.check(&Rules::default()) {
            Ok(summary) => {
                eprintln!("{summary}");
                summary
            }
            Err(violations) => {
                let shown: Vec<String> = violations.iter().take(20).map(ToString::to_string).collect();
                panic!("{} violations:\n{}", violations.len(), shown.join("\n"))
            }
        }
    }

    /// Every record that the backend has.
    pub async fn records(&self) -> Vec<Record> {
        let topic = PLAY.name().unwrap();
        // The first call after a fault may meet connections that died in it.
        eventually("the records", async || {
            Record::all(&*self.operator, &topic).await.ok()
        })
        .await
    }

    /// Everything that was recorded so far.
    pub fn events(&self) -> Vec<Recorded> {
        self.past().events()
    }

    /// Where the backend is.
    pub fn url(&self) -> String {
        self.config.url.expose().to_owned()
    }

    /// What no other world shares.
    pub fn namespace(&self) -> &Namespace {
        &self.config.namespace
    }

    /// The queue of the topic.
    pub fn queue(&self) -> Queue<Script, Ran> {
        self.publisher.queue(PLAY)
    }

    /// Adds a job.
    pub async fn add(&self, steps: impl Into<Vec<Step>>) -> JobHandle<Ran> {
        self.queue().add(&Script::new(steps)).await.unwrap()
    }

    /// A gate of this name.
    pub fn gate(&self, name: &str) -> Gate {
        Gate::make(self.folder.path().join("gates").join(name)).unwrap()
    }

    /// A worker process, to be configured further and started.
    pub fn worker(&self, label: &str) -> Builder {
        self.program(&self.programs.worker, label)
            .env("PROCESSES_THREADS", "2")
            .env("OQRON_WORKER_LOCK_TTL", humantime(LOCK_TTL))
            .env("OQRON_WORKER_HEARTBEAT", humantime(HEARTBEAT))
    }

    /// A worker of a fleet under load: four jobs at a time, and more stalls than anybody dies; none of the jobs is to
    /// blame.
    pub fn loaded_worker(&self, number: usize) -> Builder {
        self.worker(&format!("worker{number}"))
            .env("OQRON_WORKER_CONCURRENCY", "4")
            .env("OQRON_WORKER_MAX_STALLS", "50")
    }

    /// A publisher process that adds the ids below `count` once the gate is open.
    pub fn publisher_process(&self, label: &str, gate: &Gate, count: u64) -> Builder {
        self.load_process(label, gate, 0..count, Load::Quick)
    }

    /// A publisher process that adds these ids once the gate is open.
    pub fn load_process(&self, label: &str, gate: &Gate, ids: Range<u64>, load: Load) -> Builder {
        self.program(&self.programs.publisher, label)
            .argument(gate.folder())
            .argument(ids.start.to_string())
            .argument((ids.end - ids.start).to_string())
            .argument(load.as_str())
    }

    fn program(&self, program: &[OsString], label: &str) -> Builder {
        Builder::new(program, self.folder.path(), label)
            .env("PROCESSES_HISTORY", self.folder.path().join(HISTORIES))
            .env("OQRON_URL", self.config.url.expose())
            .env("OQRON_PROJECT", "processes")
            .env("OQRON_ENVIRONMENT", &self.environment)
            .env("OQRON_WORKER_NAME", label)
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often it happened.
    pub fn count(&self, event: Event) -> usize {
        let mut past = self.past();
        past.entries().iter().filter(|entry| entry.event == event).count()
    }

    /// Everything of this kind that happened.
    pub fn entries(&self, event: Event) -> Vec<Entry> {
        let mut past = self.past();
        let all = past.entries().iter();
        all.filter(|entry| entry.event == event).cloned().collect()
    }

    /// What happened to one job, in order.
    pub fn entries_of(&self, event: Event, job: &JobHandle<Ran>) -> Vec<Entry> {
        let all = self.entries(event).into_iter();
        all.filter(|entry| entry.job == job.id().as_str()).collect()
    }

    /// Waits until a handler of this process has begun the job.
    pub async fn started(&self, job: &JobHandle<Ran>, by: &Process) -> Entry {
        self.entry(Event::Started, job, by).await
    }

    /// Waits until the process has noted the event for the job.
    pub async fn entry(&self, event: Event, job: &JobHandle<Ran>, by: &Process) -> Entry {
        let what = format!("{event:?} of {job:?} by {}", by.label());
        eventually(&what, async || {
            let entries = self.entries_of(event, job).into_iter();
            entries.rev().find(|entry| entry.pid == by.pid())
        })
        .await
    }

    /// How many jobs there are in each state.
    pub async fn counts(&self) -> Counts {
        self.operator.counts(&PLAY.name().unwrap()).await.unwrap()
    }

    /// Waits until every job has ended.
    pub async fn drained(&self) {
        self.drained_within(PATIENCE).await;
    }

    /// The same, at most for so long.
    pub async fn drained_within(&self, limit: Duration) {
        let topic = PLAY.name().unwrap();
        eventually_within(limit, "the last job", async || {
            let counts = self.operator.counts(&topic).await.ok()?;
            (counts.waiting + counts.scheduled + counts.active == 0).then_some(())
        })
        .await;
    }

    /// Waits until so many jobs have ended with a result.
    pub async fn completed(&self, jobs: u64) {
        eventually(&format!("{jobs} completed jobs"), async || {
            (self.counts().await.completed >= jobs).then_some(())
        })
        .await;
    }
}

impl Drop for World {
    /// What a failed test is understood by.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let keep = std::env::var_os(KEEP_VARIABLE).is_some();
            self.folder.disable_cleanup(keep);
            return;
        }
        for file in std::fs::read_dir(self.folder.path())
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = file.file_name().to_string_lossy().into_owned();
            if name.ends_with(".log") {
                let text = std::fs::read_to_string(file.path()).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                let end = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
                eprintln!("--- the end of {name}\n{}", end.join("\n"));
            }
        }
        self.folder.disable_cleanup(true);
        eprintln!(
            "--- everything that was recorded stays in {}",
            self.folder.path().display()
        );
    }
}

/// Looks until there is something, at most for [`PATIENCE`].
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, look).await
}

/// Looks until there is something, at most for so long.
pub async fn eventually_within<T>(
    limit: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The record of a job.
pub async fn record(job: &JobHandle<Ran>) -> JobRecord {
    job.status().await.unwrap().expect("the record is kept")
}

/// Waits for the result, and for the record that it is in.
pub async fn completed(job: &JobHandle<Ran>) -> (Ran, JobRecord) {
    let ran = job.result(PATIENCE).await.unwrap();
    let record = record(job).await;
    assert_eq!(record.state, JobState::Completed);
    assert_eq!(record.token.map(|token| token.0), Some(ran.token));
    assert_eq!(
        record.worker.as_ref().map(|worker| worker.as_str()),
        Some(ran.worker.as_str())
    );
    (ran, record)
}

/// What happened to it beside its normal course.
pub fn timeline(record: &JobRecord) -> Vec<TimelineKind> {
    record.timeline.iter().map(|event| event.kind).collect()
}

fn humantime(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}
