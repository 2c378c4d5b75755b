//! Random histories, side by side on the backend and on the in-memory model: whatever the order of the steps, both give
//! the same answers and end with the same records.
//!
//! No step depends on time. A failure names its seed; the same seed is the same history.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oqron_core::{
    Claim, Config, Error, JobId, JobState, Lease, NewJob, Outcome, Retention, Settled, Settlement, Turned,
};

use super::bench::{LONG, failure, id, job_with, told};
use super::worker::{done, for_long, settlement};
use super::{Backend, Bench, BenchWorker, Handles};
use crate::memory::{MemoryConsume, MemoryOperate, MemoryPublish};

const IDS: u64 = 10;
const WORKERS: u64 = 3;
const STEPS: usize = 120;

/// Of adds, turns, repeated turns, heartbeats, cancels, and what an operator does.
pub async fn random_histories_go_as_in_the_model(bench: Bench) {
    for seed in 1..=20 {
        let model = Bench::new(Model).await;
        let backend = bench.topic(&format!("history-{seed}"));
        one_history(seed, Side::new(backend), Side::new(model)).await;
    }
}

async fn one_history(seed: u64, mut backend: Side, mut model: Side) {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut history = Vec::new();
    for _ in 0..STEPS {
        let step = Step::random(&mut chance, &model);
        history.push(format!("{step:?}"));
        let (found, expected) = (backend.take(&step).await, model.take(&step).await);
        let (records, expected_records) = (backend.records().await, model.records().await);
        assert!(
            found == expected && records == expected_records,
            "seed {seed}, after\n{}\nthe answer is   {found}\nin the model it is {expected}\n\
             the records are\n{records}\nin the model they are\n{expected_records}",
            history.join("\n")
        );
    }
}

/// A step that names leases by the worker and the order in which it got them: tokens differ from backend to backend.
#[derive(Debug)]
enum Step {
    Add(Vec<NewJob>),
    Turn {
        worker: usize,
        settle: Vec<(usize, Outcome)>,
        claim: Option<Claim>,
    },
    RepeatTurn {
        worker: usize,
    },
    Heartbeat {
        worker: usize,
        listed: Vec<usize>,
    },
    Cancel(JobId),
    Retry(JobId),
    Discard(JobId),
    Purge(JobState),
    Pause,
    Resume,
}

impl Step {
    fn random(chance: &mut Chance, side: &Side) -> Self {
        let worker = chance.below(WORKERS) as usize;
        match chance.below(20) {
            0..=4 => Self::Add((0..=chance.below(3)).map(|_| random_job(chance)).collect()),
            5..=10 => {
                let settle = chance.some_of(side.crew[worker].leases.len());
                let settle = settle.into_iter().map(|lease| (lease, random_outcome(chance)));
                Self::Turn {
                    worker,
                    settle: settle.collect(),
                    claim: match chance.below(4) {
                        0 => None,
                        max => Some(for_long(max as u32)),
                    },
                }
            }
            11 => Self::RepeatTurn { worker },
            12 => Self::Heartbeat {
                worker,
                listed: chance.some_of(side.crew[worker].leases.len()),
            },
            13..=14 => Self::Cancel(random_id(chance)),
            15 => Self::Retry(random_id(chance)),
            16 => Self::Discard(random_id(chance)),
            17 => {
                use JobState::{Cancelled, Completed, Failed, Scheduled, Waiting};
                let states = [Scheduled, Waiting, Completed, Failed, Cancelled];
                Self::Purge(states[chance.below(5) as usize])
            }
            18 => Self::Pause,
            _ => Self::Resume,
        }
    }
}

fn random_id(chance: &mut Chance) -> JobId {
    id(&format!("job-{}", chance.below(IDS)))
}

fn random_job(chance: &mut Chance) -> NewJob {
    let (priority, kept, remembered) = (chance.below(3), chance.below(5) > 0, chance.below(2) > 0);
    job_with(random_id(chance).as_str(), |options| {
        options.priority = priority as u32;
        options.id_window = if remembered { LONG } else { Duration::ZERO };
        if !kept {
            options.retention = Retention::none();
        }
    })
}

fn random_outcome(chance: &mut Chance) -> Outcome {
    let delay = [Duration::ZERO, LONG * 60][chance.below(2) as usize];
    match chance.below(7) {
        0..=1 => done(),
        2 => Outcome::Retry {
            delay,
            failure: failure("once more"),
        },
        3 => Outcome::Fail(failure("broken")),
        4 => Outcome::Snooze { delay },
        5 => Outcome::Release {
            reason: "going".into(),
        },
        _ => Outcome::Cancel {
            reason: "enough".into(),
        },
    }
}

/// The backend or the model, with its workers.
struct Side {
    bench: Bench,
    crew: Vec<Member>,
    /// How often each job had no record.
    gone: HashMap<JobId, usize>,
}

/// A worker, with every lease that it ever got, old ones too, and its last turn with the verdicts that are unsure.
struct Member {
    worker: BenchWorker,
    leases: Vec<Lease>,
    /// Leases whose settlement was accepted, and how often the job had no record by then.
    accepted: HashMap<usize, usize>,
    last: (Vec<Settlement>, Option<Claim>, Vec<bool>),
}

impl Side {
    fn new(bench: Bench) -> Self {
        let member = |_| Member {
            worker: bench.worker("member"),
            leases: Vec::new(),
            accepted: HashMap::new(),
            last: (Vec::new(), None, Vec::new()),
        };
        let crew = (0..WORKERS).map(member).collect();
        Self {
            bench,
            crew,
            gone: HashMap::new(),
        }
    }

    /// Takes the step and tells the answer, without what differs from backend to backend.
    async fn take(&mut self, step: &Step) -> String {
        let bench = &self.bench;
        match step {
            Step::Add(jobs) => format!("{:?}", bench.enqueue(jobs).await),
            Step::Turn {
                worker,
                settle,
                claim,
            } => {
                let member = &mut self.crew[*worker];
                let settlements: Vec<Settlement> = settle
                    .iter()
                    .map(|(lease, outcome)| settlement(&member.leases[*lease], outcome.clone()))
                    .collect();
                let turned = member.worker.turn(&settlements, *claim).await;
                let mut unsure = Vec::new();
                for (lease, settled) in settle.iter().map(|(lease, _)| *lease).zip(&turned.settled) {
                    let gone = self.gone.get(&member.leases[lease].id).copied().unwrap_or(0);
                    unsure.push(member.accepted.get(&lease).is_some_and(|before| *before != gone));
                    if *settled == Settled::Accepted {
                        member.accepted.entry(lease).or_insert(gone);
                    }
                }
                let verdicts = verdicts(&turned, &unsure);
                member.last = (settlements, *claim, unsure);
                let told = format!(
                    "{verdicts:?} {:?} more {} paused {}",
                    lease_texts(&turned),
                    turned.more,
                    turned.paused
                );
                member.leases.extend(turned.leases);
                told
            }
            Step::RepeatTurn { worker } => {
                let member = &self.crew[*worker];
                if member.worker.request == 0 {
                    return String::new();
                }
                let (settlements, claim, unsure) = &member.last;
                let turned = member.worker.repeat(settlements, *claim).await;
                format!("{:?} {:?}", verdicts(&turned, unsure), lease_texts(&turned))
            }
            Step::Heartbeat { worker, listed } => {
                let member = &self.crew[*worker];
                let leases: Vec<&Lease> = listed.iter().map(|lease| &member.leases[*lease]).collect();
                format!("{:?}", member.worker.heartbeat(&leases).await)
            }
            Step::Cancel(id) => format!("{:?}", bench.publish.cancel(&bench.job_ref(id)).await.unwrap()),
            Step::Retry(id) => format!("{:?}", bench.operate.retry(&[bench.job_ref(id)]).await.unwrap()),
            Step::Discard(id) => format!("{:?}", bench.operate.discard(&[bench.job_ref(id)]).await.unwrap()),
            Step::Purge(state) => bench
                .operate
                .purge(&bench.topic, *state)
                .await
                .unwrap()
                .to_string(),
            Step::Pause => format!("{:?}", bench.operate.pause(&bench.topic).await.unwrap()),
            Step::Resume => format!("{:?}", bench.operate.resume(&bench.topic).await.unwrap()),
        }
    }

    /// What is kept of every job, and how many there are in each state.
    async fn records(&mut self) -> String {
        let mut texts = vec![format!("{:?}", self.bench.counts().await)];
        for number in 0..IDS {
            let id = id(&format!("job-{number}"));
            let Some(record) = self.bench.find(&id).await else {
                *self.gone.entry(id).or_default() += 1;
                continue;
            };
            let holder = self
                .crew
                .iter()
                .position(|member| Some(&member.worker.id) == record.worker.as_ref());
            texts.push(format!(
                "{id}: {} attempts {} stalls {} flagged {} error {:?} result {:?} worker {holder:?} started {} \
                 finished {} {:?}",
                record.state,
                record.attempts,
                record.stalls,
                record.cancel_requested,
                record.error.map(|error| error.message),
                record.result.map(|result| result.bytes),
                record.started_at.is_some(),
                record.finished_at.is_some(),
                told(&record.timeline),
            ));
        }
        texts.join("\n")
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

/// A generator of numbers that is the same everywhere: xorshift64*.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    /// Some of the last numbers below a limit, and now and then an old one.
    fn some_of(&mut self, limit: usize) -> Vec<usize> {
        let recent = limit.saturating_sub(6);
        let mut some: Vec<usize> = (recent..limit).filter(|_| self.below(2) == 0).collect();
        if recent > 0 && self.below(3) == 0 {
            some.push(self.below(recent as u64) as usize);
        }
        some
    }
}

struct Model;

#[async_trait]
impl Backend for Model {
    async fn prepare() -> Self {
        Self
    }

    fn url(&self) -> String {
        "memory:model".into()
    }

    async fn open(&self, config: &Config) -> Result<Handles, Error> {
        Ok(Handles {
            publish: Arc::new(MemoryPublish::connect(config).await?),
            consume: Arc::new(MemoryConsume::connect(config).await?),
            operate: Arc::new(MemoryOperate::connect(config).await?),
        })
    }
}
