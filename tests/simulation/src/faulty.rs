//! The backend as one process reaches it over its line. What takes effect is told to the history at that moment.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oqron_core::{
    AbsentLease, CancelOutcome, Consume, Enqueued, Error, Finished, Heartbeat, Held, JobRecord, JobRef,
    LockName, Locks, NewJob, Presence, Publish, Records, Settlement, Sight, Swept, Token, TopicName, Turn,
    Turned, Verdict, WorkerId, WorkerInfo,
};
use oqron_testing::memory::{MemoryConsume, MemoryPublish};
use tokio::time::sleep;

use crate::faulty_presence;
use crate::history::{History, number_of};
use crate::line::Line;
use crate::weather::Weather;

/// What a compute node reaches.
pub(crate) struct FaultyConsume {
    pub(crate) inner: MemoryConsume,
    pub(crate) line: Arc<Line>,
    pub(crate) weather: Arc<Weather>,
    pub(crate) history: Arc<History>,
}

#[async_trait]
impl Locks for FaultyConsume {
    async fn acquire(&self, name: &LockName, ttl: Duration) -> Result<Option<Token>, Error> {
        let (inner, name) = (self.inner.clone(), name.clone());
        self.line
            .call("acquire a lock", async move { inner.acquire(&name, ttl).await })
            .await
    }

    async fn renew(&self, name: &LockName, token: Token, ttl: Duration) -> Result<bool, Error> {
        let (inner, name) = (self.inner.clone(), name.clone());
        self.line
            .call(
                "renew a lock",
                async move { inner.renew(&name, token, ttl).await },
            )
            .await
    }

    async fn release(&self, name: &LockName, token: Token) -> Result<bool, Error> {
        let (inner, name) = (self.inner.clone(), name.clone());
        self.line
            .call("release a lock", async move { inner.release(&name, token).await })
            .await
    }
}

/// A turn that has left its sender.
struct SentTurn {
    worker: WorkerId,
    topic: TopicName,
    line: u8,
    request: u64,
    settlements: Vec<Settlement>,
    claim: Option<oqron_core::Claim>,
}

/// A heartbeat that has left its sender.
struct SentHeartbeat {
    worker: WorkerId,
    topic: TopicName,
    through: u64,
    lease_ttl: Duration,
    held: Vec<Held>,
}

#[async_trait]
impl Consume for FaultyConsume {
    async fn join(&self, worker: &WorkerInfo) -> Result<Box<dyn Presence>, Error> {
        let (inner, info, line) = (self.inner.clone(), worker.clone(), Arc::clone(&self.line));
        let join = async move {
            line.say(format_args!("joins"));
            inner
                .join(&info)
                .await
                .map(|presence| faulty_presence::open(presence, &line))
        };
        let presence = self.line.call("join", join).await?;
        self.line.joined(presence.link());
        Ok(Box::new(presence))
    }

    async fn turn(&self, turn: &Turn<'_>) -> Result<Turned, Error> {
        let (inner, history) = (self.inner.clone(), Arc::clone(&self.history));
        let sent = SentTurn {
            worker: turn.worker.clone(),
            topic: turn.topic.clone(),
            line: turn.line,
            request: turn.request,
            settlements: turn.settlements.to_vec(),
            claim: turn.claim,
        };
        let turn = async move {
            let turn = Turn {
                worker: &sent.worker,
                topic: &sent.topic,
                line: sent.line,
                request: sent.request,
                settlements: &sent.settlements,
                claim: sent.claim,
            };
            let turned = inner.turn(&turn).await?;
            history.turned(&turn, &turned);
            Ok(turned)
        };
        self.line.call("settle and claim", turn).await
    }

    async fn heartbeat(&self, heartbeat: &Heartbeat<'_>) -> Result<Vec<Verdict>, Error> {
        let (inner, history) = (self.inner.clone(), Arc::clone(&self.history));
        let sent = SentHeartbeat {
            worker: heartbeat.worker.clone(),
            topic: heartbeat.topic.clone(),
            through: heartbeat.through,
            lease_ttl: heartbeat.lease_ttl,
            held: heartbeat.held.to_vec(),
        };
        let heartbeat = async move {
            let heartbeat = Heartbeat {
                worker: &sent.worker,
                topic: &sent.topic,
                through: sent.through,
                lease_ttl: sent.lease_ttl,
                held: &sent.held,
            };
            let verdicts = inner.heartbeat(&heartbeat).await?;
            history.beaten(&heartbeat, &verdicts);
            Ok(verdicts)
        };
        self.line.call("renew leases", heartbeat).await
    }

    async fn look(&self, worker: &WorkerId, topics: &[TopicName]) -> Result<Option<Sight>, Error> {
        let (inner, worker, topics) = (self.inner.clone(), worker.clone(), topics.to_vec());
        let weather = Arc::clone(&self.weather);
        let look = async move {
            let mut sight = inner.look(&worker, &topics).await?;
            if let Some(sight) = &mut sight {
                sight.server_up = weather.server_up();
            }
            Ok(sight)
        };
        self.line.call("look", look).await
    }

    async fn reclaim(&self, leases: &[AbsentLease]) -> Result<u32, Error> {
        let (inner, leases, line) = (self.inner.clone(), leases.to_vec(), Arc::clone(&self.line));
        let reclaim = async move {
            let ended = inner.reclaim(&leases).await?;
            line.say(format_args!("reclaims {ended} leases of workers that are gone"));
            Ok(ended)
        };
        self.line.call("reclaim", reclaim).await
    }

    async fn sweep(&self, topic: &TopicName) -> Result<Swept, Error> {
        let (inner, topic) = (self.inner.clone(), topic.clone());
        self.line
            .call("sweep", async move { inner.sweep(&topic).await })
            .await
    }
}

/// What a web service reaches.
pub(crate) struct FaultyPublish {
    pub(crate) inner: MemoryPublish,
    pub(crate) line: Arc<Line>,
    pub(crate) history: Arc<History>,
}

#[async_trait]
impl Records for FaultyPublish {
    async fn find(&self, job: &JobRef) -> Result<Option<JobRecord>, Error> {
        let (inner, job) = (self.inner.clone(), job.clone());
        self.line
            .call("find", async move { inner.find(&job).await })
            .await
    }

    async fn cancel(&self, job: &JobRef) -> Result<CancelOutcome, Error> {
        let (inner, job, line) = (self.inner.clone(), job.clone(), Arc::clone(&self.line));
        let history = Arc::clone(&self.history);
        let cancel = async move {
            let outcome = inner.cancel(&job).await?;
            if outcome == CancelOutcome::Cancelled {
                history.of(number_of(&job.id), |seen| seen.cancelled_at_once = true);
            }
            line.say(format_args!("cancels {}: {outcome:?}", job.id));
            Ok(outcome)
        };
        self.line.call("cancel", cancel).await
    }
}

#[async_trait]
impl Publish for FaultyPublish {
    async fn enqueue(&self, topic: &TopicName, jobs: &[NewJob]) -> Result<Vec<Enqueued>, Error> {
        let (inner, topic, jobs) = (self.inner.clone(), topic.clone(), jobs.to_vec());
        let line = Arc::clone(&self.line);
        let enqueue = async move {
            let answers = inner.enqueue(&topic, &jobs).await?;
            for answer in &answers {
                line.say(format_args!("adds {}/{}: {:?}", topic, answer.id, answer.outcome));
            }
            Ok(answers)
        };
        self.line.call("add", enqueue).await
    }

    /// A notification may be lost; the record is read again every few seconds, as every backend does. A line that breaks is
    /// an error.
    async fn finished(&self, job: &JobRef) -> Result<Finished, Error> {
        const READ_AGAIN_EVERY: Duration = Duration::from_secs(5);
        loop {
            let (inner, job) = (self.inner.clone(), job.clone());
            if !self.line.can_reach_the_backend() {
                return Err(self.line.unavailable("wait for the end of a job"));
            }
            let ended = tokio::time::timeout(READ_AGAIN_EVERY, inner.finished(&job)).await;
            let is_told = !self.line.loses_hint();
            match ended {
                Ok(finished) if is_told => return finished,
                Ok(_) => sleep(READ_AGAIN_EVERY).await,
                Err(_) => {}
            }
        }
    }
}
