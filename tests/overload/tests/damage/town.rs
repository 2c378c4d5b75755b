//! The jobs around the edited one, and what must hold for them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use oqron::core::{
    Claim, Consume, Delivery, Heartbeat, Held, JobFailure, Lease, ListQuery, LogLine, Operate, Outcome,
    Presence, Progress, Publish, Records, Settled, Settlement, Start, Turn, Turned, Verdict, WorkerId,
    WorkerInfo,
};
use oqron::{Codec, Error, FailureKind, JobId, JobRef, JobState, NewJob, Timestamp, TopicName};
use tokio::time::{Instant, sleep, timeout};

use crate::case::{Call, Case};
use crate::edit::Edit;

/// No call takes longer. Generous: other tests may keep the machine busy.
const CALL_TIME: Duration = Duration::from_secs(20);
/// Within it, everything that can be claimed is.
const PATIENCE: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(600);
const VICTIM: &str = "victim";

/// Gets at what is stored, past the adapter.
pub(crate) trait Hand {
    /// Edits what is stored of a job. What the database refuses has not happened.
    async fn edit(&self, topic: &TopicName, id: &str, worker: &WorkerId, edits: &[Edit]);
}

/// A namespace with the three sides of an adapter.
pub(crate) struct Town<H> {
    pub(crate) publish: Arc<dyn Publish>,
    pub(crate) consume: Arc<dyn Consume>,
    pub(crate) operate: Arc<dyn Operate>,
    pub(crate) hand: H,
    pub(crate) topics: AtomicU32,
}

/// A worker of one topic.
struct Hands {
    id: WorkerId,
    topic: TopicName,
    consume: Arc<dyn Consume>,
    request: u64,
    presence: Option<Box<dyn Presence>>,
    /// What it completed.
    done: HashSet<JobId>,
}

impl<H: Hand> Town<H> {
    pub(crate) async fn endure(&self, case: &Case) -> Result<(), String> {
        let number = self.topics.fetch_add(1, Ordering::Relaxed);
        let topic: TopicName = format!("topic-{number}").parse().unwrap();
        let mut holder = self.worker(&topic, "holder").await;
        let lease = self.bring_to(case, &mut holder).await;
        // A second lease of the same worker, of a job that nobody edits.
        let healthy = if lease.is_some() && !case.is_orphan {
            self.add(&topic, "healthy").await;
            Some(holder.claim_one(LONG).await)
        } else {
            None
        };
        if case.is_orphan {
            // Dropped without a goodbye: a death.
            holder.presence = None;
        }
        for id in ["other-1", "other-2"] {
            self.add(&topic, id).await;
        }
        self.hand.edit(&topic, VICTIM, &holder.id, &case.edits).await;

        let mut other = self.worker(&topic, "other").await;
        for call in &case.calls {
            let met = self.meet(*call, &mut holder, &mut other, lease.as_ref(), healthy.as_ref());
            match timeout(CALL_TIME, met).await {
                Err(_) => return Err(format!("{call:?} has not ended within {CALL_TIME:?}")),
                Ok(met) => met.map_err(|problem| format!("{call:?}: {problem}"))?,
            }
        }
        self.add(&topic, "other-3").await;
        let mut to_do = vec!["other-1", "other-2", "other-3"];
        if case.calls.contains(&Call::Purge) {
            to_do = vec!["other-3"];
        }
        if let Some(healthy) = &healthy
            && !case.calls.contains(&Call::Settle)
        {
            let settled = holder.complete(std::slice::from_ref(healthy)).await;
            holder.answered(settled, 0)?;
        }
        self.all_done(&topic, &mut other, &to_do).await
    }

    async fn worker(&self, topic: &TopicName, label: &str) -> Hands {
        let id = WorkerId::generate(label);
        let info = WorkerInfo::new(id.clone(), vec![topic.clone()], 10, label);
        let presence = self.consume.join(&info).await.unwrap();
        Hands {
            id,
            topic: topic.clone(),
            consume: Arc::clone(&self.consume),
            request: 0,
            presence: Some(presence),
            done: HashSet::new(),
        }
    }

    async fn add(&self, topic: &TopicName, id: &str) {
        self.publish.enqueue(topic, &[job(id, Start::Now)]).await.unwrap();
    }

    /// Brings the job to be edited into its state; its lease, if it is active.
    async fn bring_to(&self, case: &Case, holder: &mut Hands) -> Option<Lease> {
        let topic = &holder.topic.clone();
        let later = Start::After(Duration::from_secs(3600));
        let is_scheduled = case.state == JobState::Scheduled;
        let start = match is_scheduled && !case.has_past {
            true => later,
            false => Start::Now,
        };
        self.publish.enqueue(topic, &[job(VICTIM, start)]).await.unwrap();
        if case.has_past {
            let lease = holder.claim_one(LONG).await;
            let failure = JobFailure::new(FailureKind::Error, "it did not work");
            let delay = match is_scheduled {
                true => Duration::from_secs(3600),
                false => Duration::ZERO,
            };
            let mut settlement = Settlement::new(lease.id, lease.token, Outcome::Retry { delay, failure });
            settlement.progress = Some(Progress::new(40, "half"));
            settlement.logs = vec![LogLine::new(Timestamp::now(), "a line"); 3];
            holder.turn(&[settlement], None).await.unwrap();
        }
        let victim = JobRef::new(topic.clone(), JobId::new(VICTIM).unwrap());
        match case.state {
            JobState::Scheduled | JobState::Waiting => None,
            JobState::Active if case.is_orphan => Some(holder.claim_one(Duration::from_millis(1)).await),
            JobState::Active => Some(holder.claim_one(LONG).await),
            JobState::Completed | JobState::Failed => {
                let lease = holder.claim_one(LONG).await;
                let outcome = match case.state {
                    JobState::Completed => Outcome::Complete(Codec::Json.encode(&"r".repeat(400)).unwrap()),
                    _ => Outcome::Fail(JobFailure::new(FailureKind::Panic, "it broke")),
                };
                let settlement = Settlement::new(lease.id, lease.token, outcome);
                holder.turn(&[settlement], None).await.unwrap();
                None
            }
            JobState::Cancelled => {
                self.publish.cancel(&victim).await.unwrap();
                None
            }
        }
    }

    /// Any answer about the edited job will do, but what is not about it must be as ever.
    async fn meet(
        &self,
        call: Call,
        holder: &mut Hands,
        other: &mut Hands,
        lease: Option<&Lease>,
        healthy: Option<&Lease>,
    ) -> Result<(), String> {
        let topic = &other.topic.clone();
        let victim = JobRef::new(topic.clone(), JobId::new(VICTIM).unwrap());
        let victims = std::slice::from_ref(&victim);
        match call {
            Call::Find => drop(Records::find(&*self.publish, &victim).await),
            Call::Counts => drop(self.operate.counts(topic).await),
            Call::List => {
                for state in JobState::ALL {
                    let query = ListQuery {
                        topic: topic.clone(),
                        state,
                        after: None,
                        limit: 1,
                    };
                    if let Ok(page) = self.operate.list(&query).await {
                        let after = page.next;
                        drop(self.operate.list(&ListQuery { after, ..query }).await);
                    }
                }
            }
            Call::Look => {
                let sight = self.consume.look(&other.id, std::slice::from_ref(topic)).await;
                if let Ok(Some(sight)) = sight {
                    drop(self.consume.reclaim(&sight.absent).await);
                }
            }
            Call::Heartbeat => return holder.heartbeat(lease, healthy).await,
            Call::Settle => {
                let leases: Vec<Lease> = lease.into_iter().chain(healthy).cloned().collect();
                let settled = holder.complete(&leases).await;
                if healthy.is_some() {
                    return holder.answered(settled, 1);
                }
            }
            Call::Claim => {
                other
                    .work()
                    .await
                    .map_err(|error| format!("a claim failed: {error}"))?;
            }
            Call::Sweep => drop(self.consume.sweep(topic).await),
            Call::Cancel => drop(self.publish.cancel(&victim).await),
            Call::Retry => drop(self.operate.retry(victims).await),
            Call::Discard => drop(self.operate.discard(victims).await),
            Call::AddAgain => drop(self.publish.enqueue(topic, &[job(VICTIM, Start::Now)]).await),
            Call::Finished => {
                drop(timeout(Duration::from_millis(20), self.publish.finished(&victim)).await);
            }
            Call::Purge => {
                for state in JobState::ALL {
                    if state != JobState::Active {
                        drop(self.operate.purge(topic, state).await);
                    }
                }
            }
        }
        Ok(())
    }

    /// The others are claimed and completed, and their records say so.
    async fn all_done(&self, topic: &TopicName, worker: &mut Hands, ids: &[&str]) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        let mut left: Vec<JobRef> = ids
            .iter()
            .map(|id| JobRef::new(topic.clone(), JobId::new(id).unwrap()))
            .collect();
        let mut problem = String::new();
        while !left.is_empty() {
            if Instant::now() > deadline {
                return Err(format!("{left:?} are not done within {PATIENCE:?}: {problem}"));
            }
            if let Err(error) = timeout(CALL_TIME, worker.work())
                .await
                .map_err(|_| "a turn hangs")?
            {
                problem = error.to_string();
                // As a worker does, which sends the same request again after a pause.
                sleep(Duration::from_millis(200)).await;
                if Instant::now() + PATIENCE - Duration::from_secs(3) > deadline {
                    return Err(format!("every turn fails: {problem}"));
                }
            }
            let mut still = Vec::new();
            for job in left {
                let found = Records::find(&*self.publish, &job).await;
                let record = found.map_err(|error| format!("{job} cannot be read: {error}"))?;
                match record.map(|record| record.state) {
                    Some(JobState::Completed) => {}
                    Some(_) => still.push(job),
                    // The retention of the job that ended last counts for its topic, whatever somebody made of it.
                    None if worker.done.contains(&job.id) => {}
                    None => return Err(format!("{job} is gone")),
                }
            }
            left = still;
        }
        Ok(())
    }
}

impl Hands {
    /// Sends a request; one that failed is sent again with the same number, as a worker does.
    async fn turn(&mut self, settlements: &[Settlement], claim: Option<Claim>) -> Result<Turned, Error> {
        let turn = Turn {
            worker: &self.id,
            topic: &self.topic,
            line: 0,
            request: self.request + 1,
            settlements,
            claim,
        };
        let turned = self.consume.turn(&turn).await?;
        self.request += 1;
        Ok(turned)
    }

    async fn claim_one(&mut self, lease_ttl: Duration) -> Lease {
        let turned = self.turn(&[], Some(claim(1, lease_ttl))).await.unwrap();
        turned
            .leases
            .into_iter()
            .next()
            .expect("it is there to be claimed")
    }

    /// Claims what there is and completes it.
    async fn work(&mut self) -> Result<(), Error> {
        let turned = self.turn(&[], Some(claim(10, LONG))).await?;
        if !turned.leases.is_empty() {
            self.complete(&turned.leases).await?;
        }
        Ok(())
    }

    async fn complete(&mut self, leases: &[Lease]) -> Result<Vec<Settled>, Error> {
        let result = Codec::Json.encode(&"done").unwrap();
        let settlements: Vec<Settlement> = leases
            .iter()
            .map(|lease| Settlement::new(lease.id.clone(), lease.token, Outcome::Complete(result.clone())))
            .collect();
        let settled = self.turn(&settlements, None).await?.settled;
        let accepted = settlements
            .into_iter()
            .zip(&settled)
            .filter(|(_, settled)| **settled == Settled::Accepted);
        self.done.extend(accepted.map(|(settlement, _)| settlement.id));
        Ok(settled)
    }

    fn answered(&self, settled: Result<Vec<Settled>, Error>, place: usize) -> Result<(), String> {
        match settled {
            Ok(settled) if settled.get(place) == Some(&Settled::Accepted) => Ok(()),
            other => Err(format!("a job that nobody edited is not settled: {other:?}")),
        }
    }

    async fn heartbeat(&self, lease: Option<&Lease>, healthy: Option<&Lease>) -> Result<(), String> {
        let report = |lease: &Lease| {
            let mut held = Held::new(lease.id.clone(), lease.token);
            held.progress = Some(Progress::new(70, "on"));
            held.logs = vec![LogLine::new(Timestamp::now(), "another line")];
            held
        };
        let held: Vec<Held> = lease.into_iter().chain(healthy).map(report).collect();
        let heartbeat = Heartbeat {
            worker: &self.id,
            topic: &self.topic,
            through: self.request,
            lease_ttl: LONG,
            held: &held,
        };
        let verdicts = self.consume.heartbeat(&heartbeat).await;
        if healthy.is_none() {
            return Ok(());
        }
        match verdicts {
            Ok(verdicts) if verdicts.get(1) == Some(&Verdict::Renewed) => Ok(()),
            // It was settled before.
            Ok(verdicts) if verdicts.get(1) == Some(&Verdict::Lost) && self.has_settled() => Ok(()),
            other => Err(format!("a lease that nobody edited is not renewed: {other:?}")),
        }
    }

    /// A holder's third turn and later ones settle.
    fn has_settled(&self) -> bool {
        self.request > 2
    }
}

fn claim(max: u32, lease_ttl: Duration) -> Claim {
    Claim {
        max,
        lease_ttl,
        delivery: Delivery::AtLeastOnce,
        max_stalls: 3,
    }
}

fn job(id: &str, start: Start) -> NewJob {
    let mut job = NewJob::new(Codec::Json.encode(&id).unwrap()).with_id(JobId::new(id).unwrap());
    job.options.start = start;
    job.options.tags = vec!["tag".to_owned()];
    job
}
