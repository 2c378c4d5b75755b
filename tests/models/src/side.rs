//! One side: takes a step on a backend, and tells the answer without what may differ from backend to backend. Tokens, times and
//! names of workers do; leases are named by the worker and the order in which it got them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use oqron_core::{
    AbsentLease, Claim, Codec, Delivery, FailureKind, Heartbeat, Held, JobFailure, JobId, JobRecord, JobRef,
    JobState, Lease, ListQuery, LockName, LogLine, NewJob, Outcome, Presence, Progress, Retention, Settled,
    Settlement, Start, Timestamp, Token, TopicName, Turn, Turned, WorkerId, WorkerInfo,
};
use oqron_testing::conformance::Handles;
use proptest::sample::Index;

use crate::step::{End, Ended, Job, Kept, LINES, Step, Terms, WORKERS};

/// Longer than a test, for leases, delays and locks.
const LONG: Duration = Duration::from_secs(3600);

pub(crate) struct Side {
    pub(crate) handles: Handles,
    pub(crate) topic: TopicName,
    pub(crate) crew: Vec<Member>,
    looker: WorkerId,
    absent: Vec<AbsentLease>,
    locks: HashMap<usize, Vec<Token>>,
    /// How often each job had no record after a step.
    pub(crate) gone: BTreeMap<JobId, usize>,
    /// Makes every lease end at another time than the one before, so that a renewal can be told in any clock.
    leases_timed: u32,
}

/// A worker, with every lease that it ever got, old ones too.
pub(crate) struct Member {
    pub(crate) id: WorkerId,
    request: u64,
    leases: Vec<Lease>,
    /// Leases whose settlement was accepted, and how often the job had had no record by then.
    accepted: HashMap<usize, usize>,
    /// The last turn of each line. Who says goodbye sends nothing of before: some backends have forgotten its requests.
    last: [Option<LastTurn>; LINES],
    presence: Option<Box<dyn Presence>>,
}

struct LastTurn {
    request: u64,
    settlements: Vec<Settlement>,
    claim: Option<Claim>,
    /// Which of its verdicts are unsure.
    unsure: Vec<bool>,
}

impl Side {
    pub(crate) fn new(handles: Handles, topic: TopicName) -> Self {
        let member = |_| Member {
            id: WorkerId::generate("member"),
            request: 0,
            leases: Vec::new(),
            accepted: HashMap::new(),
            last: Default::default(),
            presence: None,
        };
        Self {
            handles,
            topic,
            crew: (0..WORKERS).map(member).collect(),
            looker: WorkerId::generate("looker"),
            absent: Vec::new(),
            locks: HashMap::new(),
            gone: BTreeMap::new(),
            leases_timed: 0,
        }
    }

    /// Takes the step and tells the answer.
    pub(crate) async fn take(&mut self, step: &Step) -> String {
        let handles = self.handles.clone();
        let (publish, consume, operate) = (&handles.publish, &handles.consume, &handles.operate);
        let topic = self.topic.clone();
        match step {
            Step::Add(jobs) => {
                let jobs: Vec<NewJob> = jobs.iter().map(new_job).collect();
                let answers = publish.enqueue(&topic, &jobs).await.unwrap();
                let told = |answer: &oqron_core::Enqueued| format!("{} {:?}", answer.id, answer.outcome);
                format!("{:?}", answers.iter().map(told).collect::<Vec<_>>())
            }
            Step::Turn {
                worker,
                line,
                settle,
                claim,
            } => self.turn(*worker, *line, settle, *claim).await,
            Step::RepeatTurn { worker, line } => self.repeat(*worker, *line).await,
            Step::Heartbeat {
                worker,
                listed,
                knows_last,
            } => self.heartbeat(*worker, listed, *knows_last).await,
            Step::Join { worker } => {
                let member = &mut self.crew[*worker];
                let info = WorkerInfo::new(member.id.clone(), vec![topic], 4, "a-host");
                member.presence = Some(consume.join(&info).await.unwrap());
                "joined".into()
            }
            Step::Die { worker } => format!("{}", self.crew[*worker].presence.take().is_some()),
            Step::Leave { worker } => match self.crew[*worker].presence.take() {
                Some(presence) => {
                    self.crew[*worker].last = Default::default();
                    format!("{:?}", presence.leave().await.is_ok())
                }
                None => String::new(),
            },
            Step::Look => self.look().await,
            Step::Reclaim(which) => {
                let leases: Vec<AbsentLease> = picked(which, self.absent.len())
                    .into_iter()
                    .map(|index| self.absent[index].clone())
                    .collect();
                format!("{:?}", consume.reclaim(&leases).await.unwrap())
            }
            Step::Sweep => format!("{:?}", consume.sweep(&topic).await.unwrap()),
            Step::Cancel(id) => format!("{:?}", publish.cancel(&self.job_ref(*id)).await.unwrap()),
            Step::Retry(ids) => format!("{:?}", operate.retry(&self.job_refs(ids)).await.unwrap()),
            Step::Discard(ids) => format!("{:?}", operate.discard(&self.job_refs(ids)).await.unwrap()),
            Step::Purge(state) => format!("{:?}", operate.purge(&topic, state.state()).await.unwrap()),
            Step::Pause => format!("{:?}", operate.pause(&topic).await.unwrap()),
            Step::Resume => format!("{:?}", operate.resume(&topic).await.unwrap()),
            Step::Finished(id) => {
                let job = self.job_ref(*id);
                match publish.find(&job).await.unwrap() {
                    Some(record) if !record.state.is_finished() => "goes on".into(),
                    _ => format!("{:?}", publish.finished(&job).await.unwrap()),
                }
            }
            Step::List { limit } => self.list(*limit).await,
            Step::Acquire { lock } => {
                let token = consume.acquire(&self.lock(*lock), LONG).await.unwrap();
                let tokens = self.locks.entry(*lock).or_default();
                let grows = token.is_none_or(|token| tokens.last().is_none_or(|last| *last < token));
                tokens.extend(token);
                format!("acquired {}, greater than all before {grows}", token.is_some())
            }
            Step::Renew { lock, token } => match self.lock_token(*lock, token) {
                Some(token) => {
                    let renewed = consume.renew(&self.lock(*lock), token, LONG).await;
                    format!("renewed {}", renewed.unwrap())
                }
                None => String::new(),
            },
            Step::Release { lock, token } => match self.lock_token(*lock, token) {
                Some(token) => {
                    let released = consume.release(&self.lock(*lock), token).await;
                    format!("released {}", released.unwrap())
                }
                None => String::new(),
            },
        }
    }

    async fn turn(
        &mut self,
        worker: usize,
        line: usize,
        settle: &[(Index, End)],
        terms: Option<Terms>,
    ) -> String {
        let ttl = self.next_ttl();
        let member = &mut self.crew[worker];
        let (picks, ends): (Vec<Index>, Vec<End>) = settle.iter().copied().unzip();
        let leases = picked(&picks, member.leases.len());
        let settlement = |(number, end): (&usize, &End)| {
            let lease = &member.leases[*number];
            let mut settlement = Settlement::new(lease.id.clone(), lease.token, end.outcome());
            (settlement.progress, settlement.logs) = report(*number);
            settlement
        };
        let settlements: Vec<Settlement> = leases.iter().zip(&ends).map(settlement).collect();
        let claim = terms.map(|terms| Claim {
            max: terms.max,
            lease_ttl: ttl,
            delivery: match terms.at_most_once {
                true => Delivery::AtMostOnce,
                false => Delivery::AtLeastOnce,
            },
            max_stalls: terms.max_stalls,
        });
        member.request += 1;
        let mut last = LastTurn {
            request: member.request,
            settlements,
            claim,
            unsure: Vec::new(),
        };
        let turned = send(&self.handles, &self.topic, member, line, &last).await;
        for (lease, settled) in leases.into_iter().zip(&turned.settled) {
            let gone = self.gone.get(&member.leases[lease].id).copied().unwrap_or(0);
            last.unsure
                .push(member.accepted.get(&lease).is_some_and(|before| *before != gone));
            if *settled == Settled::Accepted {
                member.accepted.entry(lease).or_insert(gone);
            }
        }
        let told = format!(
            "{:?} {:?} more {} paused {}",
            verdicts(&turned, &last.unsure),
            lease_texts(&turned),
            turned.more,
            turned.paused
        );
        member.last[line] = Some(last);
        member.leases.extend(turned.leases);
        told
    }

    async fn repeat(&mut self, worker: usize, line: usize) -> String {
        let member = &self.crew[worker];
        let Some(last) = &member.last[line] else {
            return String::new();
        };
        let turned = send(&self.handles, &self.topic, member, line, last).await;
        format!("{:?} {:?}", verdicts(&turned, &last.unsure), lease_texts(&turned))
    }

    async fn heartbeat(&mut self, worker: usize, listed: &[Index], knows_last: bool) -> String {
        let lease_ttl = self.next_ttl();
        let member = &self.crew[worker];
        let held: Vec<Held> = picked(listed, member.leases.len())
            .into_iter()
            .map(|index| {
                let lease = &member.leases[index];
                let mut held = Held::new(lease.id.clone(), lease.token);
                (held.progress, held.logs) = report(index);
                held
            })
            .collect();
        let heartbeat = Heartbeat {
            worker: &member.id,
            topic: &self.topic,
            through: member.request.saturating_sub(u64::from(!knows_last)),
            lease_ttl,
            held: &held,
        };
        format!("{:?}", self.handles.consume.heartbeat(&heartbeat).await.unwrap())
    }

    async fn look(&mut self) -> String {
        let topics = [self.topic.clone()];
        let sight = self
            .handles
            .consume
            .look(&self.looker, &topics)
            .await
            .unwrap()
            .unwrap();
        let mut told: Vec<String> = sight.absent.iter().map(|lease| lease.id.to_string()).collect();
        told.sort();
        self.absent = sight.absent;
        self.absent.sort_by(|one, other| one.id.cmp(&other.id));
        let listed = self.handles.operate.workers().await.unwrap();
        let is_listed = |member: &Member| listed.iter().any(|record| record.info.id == member.id);
        let workers: Vec<bool> = self.crew.iter().map(is_listed).collect();
        format!("others {} absent {told:?} workers {workers:?}", sight.others)
    }

    async fn list(&self, limit: u32) -> String {
        let mut told = Vec::new();
        for state in JobState::ALL {
            let mut query = ListQuery {
                topic: self.topic.clone(),
                state,
                after: None,
                limit,
            };
            let mut jobs = Vec::new();
            loop {
                let page = self.handles.operate.list(&query).await.unwrap();
                assert!(page.jobs.len() <= limit as usize);
                let named = |record: JobRecord| (record.finished_at, record.id.to_string());
                jobs.extend(page.jobs.into_iter().map(named));
                query.after = page.next;
                if query.after.is_none() {
                    break;
                }
            }
            // Ends within one millisecond, as those of one turn, have no order.
            for same in jobs.chunk_by_mut(|one, next| one.0.is_some() && one.0 == next.0) {
                same.sort();
            }
            let mut ids: Vec<String> = jobs.into_iter().map(|(_, id)| id).collect();
            // These stand in the order of times, which may be the same or not.
            if matches!(state, JobState::Scheduled | JobState::Active) {
                ids.sort();
            }
            told.push(format!("{state} {ids:?}"));
        }
        told.join(", ")
    }

    pub(crate) fn job_ref(&self, id: usize) -> JobRef {
        JobRef::new(self.topic.clone(), job_id(id))
    }

    fn job_refs(&self, ids: &[usize]) -> Vec<JobRef> {
        ids.iter().map(|id| self.job_ref(*id)).collect()
    }

    fn lock(&self, lock: usize) -> LockName {
        LockName::new(format!("{}-{lock}", self.topic)).unwrap()
    }

    fn lock_token(&self, lock: usize, token: &Index) -> Option<Token> {
        let tokens = self.locks.get(&lock).filter(|tokens| !tokens.is_empty())?;
        Some(*token.get(tokens))
    }

    fn next_ttl(&mut self) -> Duration {
        self.leases_timed += 1;
        LONG + Duration::from_secs(self.leases_timed.into())
    }
}

async fn send(handles: &Handles, topic: &TopicName, member: &Member, line: usize, sent: &LastTurn) -> Turned {
    let turn = Turn {
        worker: &member.id,
        topic,
        line: line as u8,
        request: sent.request,
        settlements: &sent.settlements,
        claim: sent.claim,
    };
    let turned = handles.consume.turn(&turn).await.unwrap();
    assert_eq!(turned.settled.len(), sent.settlements.len());
    turned
}

pub(crate) fn job_id(id: usize) -> JobId {
    JobId::new(format!("job-{id}")).unwrap()
}

/// Different ones of so many, among the newest more often than not.
fn picked(indices: &[Index], count: usize) -> Vec<usize> {
    let mut picked = Vec::new();
    for index in indices {
        let newest = count.min(5);
        if newest == 0 {
            break;
        }
        // Two of three among the newest.
        let index = match index.index(3) {
            0 => index.index(count),
            _ => count - 1 - index.index(newest),
        };
        if !picked.contains(&index) {
            picked.push(index);
        }
    }
    picked
}

fn new_job(job: &Job) -> NewJob {
    let id = job_id(job.id);
    let mut new = NewJob::new(Codec::Json.encode(&id.as_str()).unwrap()).with_id(id);
    new.options.priority = job.priority;
    new.options.id_window = if job.is_remembered { LONG } else { Duration::ZERO };
    if job.is_delayed {
        new.options.start = Start::After(LONG);
    }
    new.options.retention = match job.kept {
        Kept::Not => Retention::none(),
        Kept::LastTwo => Retention::keep_last(2),
        Kept::Forever => Retention::forever(),
    };
    new
}

/// Of some leases.
fn report(number: usize) -> (Option<Progress>, Vec<LogLine>) {
    let percent = u8::try_from(number % 100).unwrap_or(0);
    match number % 3 {
        0 => (None, Vec::new()),
        1 => (Some(Progress::new(percent, "works")), Vec::new()),
        _ => (
            None,
            vec![LogLine::new(Timestamp::from_millis(7), format!("line {number}"))],
        ),
    }
}

/// Sent in another request after the record has gone, a repetition is known to some backends only.
fn verdicts(turned: &Turned, unsure: &[bool]) -> Vec<String> {
    let told = |(settled, unsure): (&Settled, &bool)| match unsure {
        true => "known or not".to_owned(),
        false => format!("{settled:?}"),
    };
    turned.settled.iter().zip(unsure).map(told).collect()
}

fn lease_texts(turned: &Turned) -> Vec<String> {
    let text = |lease: &Lease| format!("{} #{} stalls {}", lease.id, lease.attempt, lease.stalls);
    turned.leases.iter().map(text).collect()
}

impl End {
    fn outcome(self) -> Outcome {
        let delay = |is_delayed| if is_delayed { LONG } else { Duration::ZERO };
        let failure = || JobFailure::new(FailureKind::Error, "broken");
        match self {
            Self::Complete => Outcome::Complete(Codec::Json.encode(&"done").unwrap()),
            Self::Retry { is_delayed } => Outcome::Retry {
                delay: delay(is_delayed),
                failure: failure(),
            },
            Self::Fail => Outcome::Fail(failure()),
            Self::Snooze { is_delayed } => Outcome::Snooze {
                delay: delay(is_delayed),
            },
            Self::Release => Outcome::Release {
                reason: "going".into(),
            },
            Self::Cancel => Outcome::Cancel {
                reason: "enough".into(),
            },
        }
    }
}

impl Ended {
    fn state(self) -> JobState {
        match self {
            Self::Scheduled => JobState::Scheduled,
            Self::Waiting => JobState::Waiting,
            Self::Completed => JobState::Completed,
            Self::Failed => JobState::Failed,
            Self::Cancelled => JobState::Cancelled,
        }
    }
}
