//! Publishers and workers that go on whatever fails, and count: what was acknowledged, what was run, what was accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use oqron_core::{
    Claim, Config, Consume, Delivery, Encoded, Error, Format, JobId, JobRef, JobState, Message, NewJob,
    Outcome, Publish, Records, Settled, Settlement, Token, TopicName, Turn, WorkerId, WorkerInfo,
};
use oqron_pg::{PgConsume, PgPublish};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// For what has to come about on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// After a call that failed, as a worker waits before it tries again.
const BACKOFF: Duration = Duration::from_millis(20);
/// Publishers wait while so much is unfinished.
const BACKLOG_MAX: usize = 500;

pub(crate) struct Load {
    publish: PgPublish,
    counted: Arc<Counted>,
    publishers: JoinSet<()>,
    workers: JoinSet<()>,
    presences: JoinSet<()>,
}

#[derive(Default)]
struct Counted {
    stop_adding: AtomicBool,
    stop_working: AtomicBool,
    added: Mutex<BTreeSet<JobId>>,
    runs: Mutex<BTreeMap<JobId, BTreeSet<Token>>>,
    completed: Mutex<BTreeSet<JobId>>,
    lost: AtomicUsize,
    joined: AtomicUsize,
    errors: Mutex<Vec<(Call, Error)>>,
    wake: Notify,
}

/// Who was told of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Add,
    Turn,
    Presence,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn topic() -> TopicName {
    TopicName::new("load").unwrap()
}

/// Asks until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A namespace of its own on this server.
pub(crate) fn config(url: &str) -> Config {
    Config::new(url)
        .unwrap()
        .namespace("faults", JobId::generate().as_str())
        .unwrap()
}

impl Load {
    pub(crate) async fn start(config: &Config, publishers: usize, workers: usize) -> Self {
        let publish = PgPublish::connect(config).await.unwrap();
        let consume = PgConsume::connect(config).await.unwrap();
        let mut load = Self {
            publish: publish.clone(),
            counted: Arc::default(),
            publishers: JoinSet::new(),
            workers: JoinSet::new(),
            presences: JoinSet::new(),
        };
        for number in 0..publishers {
            let counted = load.counted.clone();
            load.publishers.spawn(add(publish.clone(), counted, number));
        }
        for _ in 0..workers {
            let (counted, id) = (load.counted.clone(), WorkerId::generate("load"));
            load.workers
                .spawn(work(consume.clone(), counted.clone(), id.clone()));
            load.presences.spawn(stay_present(consume.clone(), counted, id));
        }
        load.goes_on(50).await;
        load
    }

    /// Waits until so many more jobs have been completed.
    pub(crate) async fn goes_on(&self, jobs: usize) {
        let before = lock(&self.counted.completed).len();
        eventually("jobs go on to be completed", async || {
            (lock(&self.counted.completed).len() >= before + jobs).then_some(())
        })
        .await;
    }

    /// What calls of this kind have failed with.
    pub(crate) fn errors(&self, call: Call) -> Vec<String> {
        let errors = lock(&self.counted.errors);
        errors
            .iter()
            .filter(|(of, _)| *of == call)
            .map(|(_, error)| error.to_string())
            .collect()
    }

    /// Whether all calls that failed did so in this way.
    pub(crate) fn only_failed_by(&self, is_expected: impl Fn(&Error) -> bool) -> bool {
        let errors = lock(&self.counted.errors);
        errors.iter().all(|(_, error)| is_expected(error))
    }

    /// How often workers have joined.
    pub(crate) fn joined(&self) -> usize {
        self.counted.joined.load(Ordering::Relaxed)
    }

    /// Adds no more, works until all is done, and checks: every acknowledged job is completed, by one run.
    pub(crate) async fn finish(mut self) {
        self.counted.stop_adding.store(true, Ordering::Relaxed);
        let publishers = tokio::time::timeout(DEADLINE, self.publishers.join_all());
        publishers.await.expect("every add is acknowledged in the end");
        let added = lock(&self.counted.added).clone();
        eventually("every acknowledged job is completed", async || {
            lock(&self.counted.completed).is_superset(&added).then_some(())
        })
        .await;
        self.counted.stop_working.store(true, Ordering::Relaxed);
        self.presences.abort_all();
        while let Some(worker) = self.workers.join_next().await {
            worker.unwrap();
        }
        for id in &added {
            let job = JobRef::new(topic(), id.clone());
            let record = self
                .publish
                .find(&job)
                .await
                .unwrap()
                .expect("it was acknowledged");
            assert_eq!((record.state, record.attempts), (JobState::Completed, 1), "{id}");
        }
        for (id, tokens) in lock(&self.counted.runs).iter() {
            assert_eq!(tokens.len(), 1, "{id} was run once");
        }
        assert_eq!(
            self.counted.lost.load(Ordering::Relaxed),
            0,
            "no result was refused"
        );
    }
}

impl Counted {
    /// Notes an error, and waits before the call is repeated.
    async fn failed(&self, call: Call, error: Error) {
        lock(&self.errors).push((call, error));
        tokio::time::sleep(BACKOFF).await;
    }

    fn backlog(&self) -> usize {
        lock(&self.added)
            .len()
            .saturating_sub(lock(&self.completed).len())
    }
}

async fn add(publish: PgPublish, counted: Arc<Counted>, publisher: usize) {
    for batch in 0.. {
        if counted.stop_adding.load(Ordering::Relaxed) {
            return;
        }
        if counted.backlog() > BACKLOG_MAX {
            tokio::time::sleep(BACKOFF).await;
            continue;
        }
        let jobs: Vec<NewJob> = (0..5)
            .map(|place| JobId::new(format!("{publisher}-{batch}-{place}")).unwrap())
            .map(|id| NewJob::new(Encoded::new(Format::JSON, "1")).with_id(id))
            .collect();
        while let Err(error) = publish.enqueue(&topic(), &jobs).await {
            counted.failed(Call::Add, error).await;
        }
        lock(&counted.added).extend(jobs.into_iter().map(|job| job.id));
    }
}

async fn work(consume: PgConsume, counted: Arc<Counted>, worker: WorkerId) {
    let topic = topic();
    let mut settlements: Vec<Settlement> = Vec::new();
    for request in 1.. {
        let claim = Claim {
            max: 10,
            lease_ttl: Duration::from_secs(300),
            delivery: Delivery::AtLeastOnce,
            max_stalls: 3,
        };
        let turn = Turn {
            worker: &worker,
            topic: &topic,
            line: 0,
            request,
            settlements: &settlements,
            claim: Some(claim),
        };
        // The same request until it is answered: a reply that was lost may have had its effect.
        let turned = loop {
            match consume.turn(&turn).await {
                Ok(turned) => break turned,
                Err(error) => counted.failed(Call::Turn, error).await,
            }
        };
        for (settlement, settled) in settlements.iter().zip(&turned.settled) {
            match settled {
                Settled::Accepted => drop(lock(&counted.completed).insert(settlement.id.clone())),
                Settled::LeaseLost => drop(counted.lost.fetch_add(1, Ordering::Relaxed)),
            }
        }
        settlements.clear();
        for lease in turned.leases {
            let mut runs = lock(&counted.runs);
            runs.entry(lease.id.clone()).or_default().insert(lease.token);
            let result = Encoded::new(Format::JSON, "true");
            settlements.push(Settlement::new(lease.id, lease.token, Outcome::Complete(result)));
        }
        if settlements.is_empty() {
            if counted.stop_working.load(Ordering::Relaxed) {
                return;
            }
            let _ = tokio::time::timeout(BACKOFF, counted.wake.notified()).await;
        }
    }
}

async fn stay_present(consume: PgConsume, counted: Arc<Counted>, worker: WorkerId) {
    let info = WorkerInfo::new(worker, vec![topic()], 10, "here");
    loop {
        let mut presence = match consume.join(&info).await {
            Ok(presence) => presence,
            Err(error) => {
                counted.failed(Call::Presence, error).await;
                continue;
            }
        };
        counted.joined.fetch_add(1, Ordering::Relaxed);
        let error = loop {
            match presence.next().await {
                Ok(Message::Wake(_)) => counted.wake.notify_one(),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        counted.failed(Call::Presence, error).await;
    }
}
