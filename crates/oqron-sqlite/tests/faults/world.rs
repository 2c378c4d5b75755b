//! A file in a folder of its own, one process's adapters on it, and a worker.

use std::path::{Path, PathBuf};
use std::time::Duration;

use oqron_core::{
    Claim, Codec, Config, Consume, Delivery, Encoded, Error, Format, Heartbeat, Held, JobId, JobRecord,
    JobRef, Lease, NewJob, Outcome, Publish, Records, Settled, Settlement, TopicName, Turn, Turned, Verdict,
    WorkerId,
};
use oqron_sqlite::{SqliteConsume, SqliteOperate, SqlitePublish};
use tempfile::TempDir;

/// For what must happen: generous, other tests may keep the machine busy.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) topic: TopicName,
    pub(crate) publish: SqlitePublish,
    pub(crate) consume: SqliteConsume,
    pub(crate) operate: SqliteOperate,
    path: PathBuf,
    /// Goes with the test, not with another process.
    _folder: Option<TempDir>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with("", |_| {}).await
    }

    /// `query` is the end of the URL.
    pub(crate) async fn with(query: &str, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let mut config = config(&path, query);
        change(&mut config);
        let world = Self::connect(path, &config).await.unwrap();
        Self {
            _folder: Some(folder),
            ..world
        }
    }

    /// As another process has it.
    pub(crate) async fn on(path: PathBuf) -> Self {
        Self::try_on(path).await.unwrap()
    }

    pub(crate) async fn try_on(path: PathBuf) -> Result<Self, Error> {
        let config = config(&path, "");
        Self::connect(path, &config).await
    }

    async fn connect(path: PathBuf, config: &Config) -> Result<Self, Error> {
        Ok(Self {
            publish: SqlitePublish::connect(config).await?,
            consume: SqliteConsume::connect(config).await?,
            operate: SqliteOperate::connect(config).await?,
            topic: TopicName::new("topic").unwrap(),
            path,
            _folder: None,
        })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// The file as a person has it open.
    pub(crate) fn by_hand(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        connection.busy_timeout(DEADLINE).unwrap();
        connection
    }

    pub(crate) async fn add(&self, id: &str) -> Result<JobId, Error> {
        let added = self.publish.enqueue(&self.topic, &[job(id)]).await?;
        Ok(added[0].id.clone())
    }

    pub(crate) async fn find(&self, id: &str) -> Option<JobRecord> {
        self.operate.find(&self.job(id)).await.unwrap()
    }

    pub(crate) fn job(&self, id: &str) -> JobRef {
        JobRef::new(self.topic.clone(), JobId::new(id).unwrap())
    }

    pub(crate) fn worker(&self, name: &str) -> Worker<'_> {
        Worker {
            world: self,
            id: WorkerId::new(name).unwrap(),
            request: 0,
        }
    }
}

fn config(path: &Path, query: &str) -> Config {
    Config::new(format!("sqlite:{}{query}", path.display())).unwrap()
}

/// Asks until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asked = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(DEADLINE, asked).await {
        Ok(answer) => answer,
        Err(_) => panic!("not within {DEADLINE:?}: {what}"),
    }
}

pub(crate) fn job(id: &str) -> NewJob {
    NewJob::new(payload()).with_id(JobId::new(id).unwrap())
}

pub(crate) fn payload() -> Encoded {
    Encoded::new(Format::JSON, "1")
}

/// A worker without a presence.
pub(crate) struct Worker<'a> {
    world: &'a World,
    pub(crate) id: WorkerId,
    request: u64,
}

impl Worker<'_> {
    pub(crate) async fn turn(
        &mut self,
        settlements: &[Settlement],
        claim: Option<Claim>,
    ) -> Result<Turned, Error> {
        self.request += 1;
        let turn = Turn {
            worker: &self.id,
            topic: &self.world.topic,
            line: 0,
            request: self.request,
            settlements,
            claim,
        };
        self.world.consume.turn(&turn).await
    }

    pub(crate) async fn claim(&mut self, max: u32) -> Vec<Lease> {
        self.turn(&[], Some(claim(max))).await.unwrap().leases
    }

    pub(crate) async fn settle(&mut self, lease: &Lease, outcome: Outcome) -> Settled {
        let settlement = Settlement::new(lease.id.clone(), lease.token, outcome);
        self.turn(&[settlement], None).await.unwrap().settled[0]
    }

    pub(crate) async fn heartbeat(&self, leases: &[&Lease]) -> Vec<Verdict> {
        let held: Vec<Held> = leases
            .iter()
            .map(|lease| Held::new(lease.id.clone(), lease.token))
            .collect();
        let heartbeat = Heartbeat {
            worker: &self.id,
            topic: &self.world.topic,
            through: self.request,
            lease_ttl: LEASE_TTL,
            held: &held,
        };
        self.world.consume.heartbeat(&heartbeat).await.unwrap()
    }
}

/// Longer than any test.
pub(crate) const LEASE_TTL: Duration = Duration::from_secs(600);

pub(crate) fn claim(max: u32) -> Claim {
    Claim {
        max,
        lease_ttl: LEASE_TTL,
        delivery: Delivery::AtLeastOnce,
        max_stalls: 3,
    }
}

pub(crate) fn done() -> Outcome {
    Outcome::Complete(Codec::Json.encode(&1).unwrap())
}
