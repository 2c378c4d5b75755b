//! What a test has: a backend with a namespace of its own, a folder, a history, and the two sides that the test itself
//! takes part with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use oqron::core::{Counts, Operate};
use oqron::{Config, JobHandle, JobId, JobRecord, JobState, Publisher, Queue, TimelineKind};
use oqron_processes::PLAY;
use oqron_processes::history::{Entry, Event, History};
use oqron_processes::script::{Gate, Ran, Script, Step};
use oqron_testing::servers::{postgres_url, redis_url};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::process::{Builder, Process};

/// One test function for each backend out of `async fn name(world: World)`.
macro_rules! on_each_backend {
    ($($test:ident),+ $(,)?) => {
        on_each_backend!(@backend sqlite Sqlite $($test)+);
        on_each_backend!(@backend redis Redis $($test)+);
        on_each_backend!(@backend postgres Postgres $($test)+);
    };
    (@backend $module:ident $backend:ident $($test:ident)+) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $test() {
                    let world = crate::world::World::new(crate::world::Backend::$backend).await;
                    super::$test(world).await;
                }
            )+
        }
    };
}

/// No test waits longer for one thing. Generous, because tests run side by side on small machines.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Long enough that a slow machine does not take the lease of a worker that lives, short enough to wait for.
pub(crate) const LOCK_TTL: Duration = Duration::from_secs(2);
/// A fifth of [`LOCK_TTL`].
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(400);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Redis,
    Postgres,
}

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) config: Config,
    pub(crate) publisher: Publisher,
    pub(crate) operator: Arc<dyn Operate>,
    environment: String,
}

impl World {
    pub(crate) async fn new(backend: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match backend {
            Backend::Sqlite => format!("sqlite:{}", folder.path().join("jobs.db").display()),
            Backend::Redis => redis_url(),
            Backend::Postgres => postgres_url(),
        };
        let environment = JobId::generate().to_string();
        let config = Config::new(url).unwrap();
        let config = config.namespace("processes", &environment).unwrap();
        Self {
            publisher: oqron::publisher(config.clone()).await.unwrap(),
            operator: oqron::operator(&config).await.unwrap(),
            folder,
            config,
            environment,
        }
    }

    pub(crate) fn queue(&self) -> Queue<Script, Ran> {
        self.publisher.queue(PLAY)
    }

    pub(crate) async fn add(&self, steps: impl Into<Vec<Step>>) -> JobHandle<Ran> {
        self.queue().add(&Script::new(steps)).await.unwrap()
    }

    pub(crate) fn gate(&self, name: &str) -> Gate {
        Gate::make(self.folder.path().join("gates").join(name)).unwrap()
    }

    /// A worker process, to be configured further and started.
    pub(crate) fn worker(&self, label: &str) -> Builder {
        self.program(env!("CARGO_BIN_EXE_test-worker"), label)
            .env("PROCESSES_THREADS", "2")
            .env("OQRON_WORKER_LOCK_TTL", humantime(LOCK_TTL))
            .env("OQRON_WORKER_HEARTBEAT", humantime(HEARTBEAT))
    }

    /// A publisher process that adds the ids below `count` once the gate is open.
    pub(crate) fn publisher_process(&self, label: &str, gate: &Gate, count: usize) -> Builder {
        self.program(env!("CARGO_BIN_EXE_test-publisher"), label)
            .argument(gate.folder())
            .argument(count.to_string())
    }

    fn program(&self, program: &str, label: &str) -> Builder {
        Builder::new(program, self.folder.path(), label)
            .env("PROCESSES_HISTORY", self.history_path())
            .env("OQRON_URL", self.config.url.expose())
            .env("OQRON_PROJECT", "processes")
            .env("OQRON_ENVIRONMENT", &self.environment)
            .env("OQRON_WORKER_NAME", label)
    }

    fn history_path(&self) -> PathBuf {
        self.folder.path().join("history")
    }

    pub(crate) fn history(&self) -> Vec<Entry> {
        History::read(&self.history_path()).unwrap()
    }

    pub(crate) fn entries(&self, event: Event) -> Vec<Entry> {
        let all = self.history().into_iter();
        all.filter(|entry| entry.event == event).collect()
    }

    /// What happened to one job, in order.
    pub(crate) fn entries_of(&self, event: Event, job: &JobHandle<Ran>) -> Vec<Entry> {
        let all = self.entries(event).into_iter();
        all.filter(|entry| entry.job == job.id().as_str()).collect()
    }

    /// Waits until a handler of this process has begun the job.
    pub(crate) async fn started(&self, job: &JobHandle<Ran>, by: &Process) -> Entry {
        self.entry(Event::Started, job, by).await
    }

    /// Waits until the process has noted the event for the job.
    pub(crate) async fn entry(&self, event: Event, job: &JobHandle<Ran>, by: &Process) -> Entry {
        let what = format!("{event:?} of {job:?} by {}", by.label());
        eventually(&what, async || {
            let entries = self.entries_of(event, job).into_iter();
            entries.rev().find(|entry| entry.pid == by.pid())
        })
        .await
    }

    pub(crate) async fn counts(&self) -> Counts {
        self.operator.counts(&PLAY.name().unwrap()).await.unwrap()
    }

    /// Waits until so many jobs have ended with a result.
    pub(crate) async fn completed(&self, jobs: u64) {
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
            return;
        }
        for file in std::fs::read_dir(self.folder.path())
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = file.file_name();
            if name.to_string_lossy().ends_with(".log") || name == "history" {
                let text = std::fs::read_to_string(file.path()).unwrap_or_default();
                eprintln!("--- {}\n{text}", name.to_string_lossy());
            }
        }
    }
}

/// Looks until there is something, at most for [`PATIENCE`].
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

pub(crate) async fn record(job: &JobHandle<Ran>) -> JobRecord {
    job.status().await.unwrap().expect("the record is kept")
}

/// Waits for the result, and for the record that it is in.
pub(crate) async fn completed(job: &JobHandle<Ran>) -> (Ran, JobRecord) {
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

pub(crate) fn timeline(record: &JobRecord) -> Vec<TimelineKind> {
    record.timeline.iter().map(|event| event.kind).collect()
}

fn humantime(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}
