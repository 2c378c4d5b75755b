//! The events of a history, job by job.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use oqron_core::{JobId, Token, TopicName, WorkerId};

use super::lease::{Given, Heard, Lease, Ran, Sent, Span};
use super::{Answer, Ask, Asked, Beat, Event, Listed, Moment, Phase, Record, Run, What};

/// An add that named the job.
#[derive(Clone, Debug)]
pub(super) struct Added {
    pub(super) span: Span,
    /// Its place among those of the same call.
    pub(super) place: usize,
    /// The call: process and number.
    pub(super) call: (Arc<str>, u64),
    pub(super) asked: Asked,
    /// The backend acknowledged it.
    pub(super) acknowledged: bool,
}

/// Everything about one job.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) topic: TopicName,
    pub(super) id: JobId,
    pub(super) added: Vec<Added>,
    pub(super) leases: BTreeMap<Token, Lease>,
    pub(super) records: Vec<Record>,
    /// Somebody asked to cancel it.
    pub(super) cancelled: bool,
}

impl Job {
    /// The smallest number of retries that its adds allow, or what the worker's policy allows.
    pub(super) fn retries(&self, of_worker: u32) -> u32 {
        let said = self.added.iter().filter_map(|added| added.asked.retries);
        said.max().unwrap_or(of_worker)
    }

    pub(super) fn was_acknowledged(&self) -> bool {
        self.added.iter().any(|added| added.acknowledged)
    }

    /// How often it was given back without counting: by an outcome, or because a heartbeat left it out.
    pub(super) fn times_given_back(&self) -> usize {
        let given_back = |lease: &&Lease| {
            let sent = lease.sent.iter();
            let mut sent = sent.filter(|sent| sent.accepted != Some(false));
            lease.left_out.is_some() || sent.any(|sent| sent.ending.gives_back())
        };
        self.leases.values().filter(given_back).count()
    }
}

/// All jobs of a history.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    pub(super) jobs: BTreeMap<(TopicName, JobId), Job>,
    calls: HashMap<(Arc<str>, u64), (Moment, Ask)>,
    first_asked: HashMap<(WorkerId, TopicName, u64), Moment>,
    /// What a worker was given and has not yet settled, with the request.
    open: HashMap<(WorkerId, TopicName), BTreeMap<Listed, u64>>,
    last_heard: HashMap<Arc<str>, Moment>,
}

impl Jobs {
    /// Sorts the events, which stand in the order of their time.
    pub(super) fn new(events: &[Event], records: &[Record]) -> Self {
        let mut jobs = Self::default();
        for event in events {
            jobs.last_heard.insert(Arc::clone(&event.process), event.at);
        }
        for event in events {
            match &event.what {
                What::Began { .. } | What::Up { .. } => {}
                What::Asked { call, ask } => jobs.asked(event, *call, ask),
                What::Answered { call, answer } => {
                    let call = (Arc::clone(&event.process), *call);
                    if let Some((asked, ask)) = jobs.calls.remove(&call) {
                        let span = Span {
                            asked,
                            answered: Some(event.at),
                        };
                        jobs.answered(call, span, &ask, answer);
                    }
                }
                What::Run(run) => jobs.ran(event, run),
            }
        }
        // What was never answered may have had its effect.
        let unanswered: Vec<_> = jobs.calls.drain().collect();
        for (call, (asked, ask)) in unanswered {
            jobs.unanswered(call, asked, &ask);
        }
        for record in records {
            jobs.job(&record.topic, &record.id).records.push(record.clone());
        }
        jobs
    }

    fn asked(&mut self, event: &Event, call: u64, ask: &Ask) {
        match ask {
            Ask::Turn {
                worker,
                topic,
                request,
                settlements,
                ..
            } => {
                let turn = (worker.clone(), topic.clone(), *request);
                self.first_asked.entry(turn).or_insert(event.at);
                let open = self.open.entry((worker.clone(), topic.clone())).or_default();
                for settling in settlements {
                    let (id, token) = (settling.id.clone(), settling.token);
                    open.remove(&Listed { id, token });
                }
            }
            Ask::Beat {
                worker,
                topic,
                through,
                held,
                ..
            } => self.left_out(event.at, (worker.clone(), topic.clone()), *through, held),
            Ask::Reclaim { leases } => {
                for (topic, listed) in leases {
                    let reclaimed = &mut self.lease(topic, &listed.id, listed.token).reclaimed;
                    reclaimed.get_or_insert(event.at);
                }
            }
            Ask::Cancel { topic, id } => self.job(topic, id).cancelled = true,
            Ask::Add { .. } => {}
        }
        let call = (Arc::clone(&event.process), call);
        self.calls.insert(call, (event.at, ask.clone()));
    }

    fn left_out(&mut self, at: Moment, who: (WorkerId, TopicName), through: u64, held: &[Listed]) {
        let Some(open) = self.open.get_mut(&who) else {
            return;
        };
        let mut left_out = open.clone();
        for listed in held {
            left_out.remove(listed);
        }
        left_out.retain(|_, request| *request <= through);
        open.retain(|listed, _| !left_out.contains_key(listed));
        for listed in left_out.into_keys() {
            let lease = self.lease(&who.1, &listed.id, listed.token);
            lease.left_out.get_or_insert(at);
        }
    }

    fn answered(&mut self, call: (Arc<str>, u64), span: Span, ask: &Ask, answer: &Answer) {
        match (ask, answer) {
            (Ask::Add { topic, jobs }, Answer::Added(_)) => self.added(&call, span, topic, jobs, true),
            (
                Ask::Turn {
                    worker,
                    topic,
                    request,
                    settlements,
                    claim,
                },
                Answer::Turned { accepted, leases },
            ) => {
                for (settling, accepted) in settlements.iter().zip(accepted) {
                    let lease = self.lease(topic, &settling.id, settling.token);
                    lease.sent.push(Sent {
                        ending: settling.ending,
                        worker: worker.clone(),
                        span,
                        accepted: Some(*accepted),
                    });
                }
                let answered = span.answered.unwrap_or(span.asked);
                let turn = (worker.clone(), topic.clone(), *request);
                let first_asked = self.first_asked.get(&turn).copied();
                let ttl = Duration::from_millis(claim.map_or(0, |claim| claim.lease_ttl_ms));
                for leased in leases {
                    let lease = self.lease(topic, &leased.id, leased.token);
                    lease.given.push(Given {
                        request: *request,
                        worker: worker.clone(),
                        attempt: leased.attempt,
                        asked: first_asked.unwrap_or(span.asked),
                        answered,
                        ttl,
                    });
                    let open = self.open.entry((worker.clone(), topic.clone())).or_default();
                    let (id, token) = (leased.id.clone(), leased.token);
                    open.insert(Listed { id, token }, *request);
                }
            }
            (
                Ask::Beat {
                    worker,
                    topic,
                    lease_ttl_ms,
                    held,
                    ..
                },
                Answer::Beaten(verdicts),
            ) => {
                for (listed, verdict) in held.iter().zip(verdicts) {
                    self.lease(topic, &listed.id, listed.token).heard.push(Heard {
                        worker: worker.clone(),
                        asked: span.asked,
                        answered: span.answered.unwrap_or(span.asked),
                        renewed: *verdict != Beat::Lost,
                        ttl: Duration::from_millis(*lease_ttl_ms),
                    });
                }
            }
            // An error, or an answer to something else: nothing is known.
            _ => self.unanswered(call, span.asked, ask),
        }
    }

    fn unanswered(&mut self, call: (Arc<str>, u64), asked: Moment, ask: &Ask) {
        let span = Span {
            asked,
            answered: None,
        };
        match ask {
            Ask::Add { topic, jobs } => self.added(&call, span, topic, jobs, false),
            Ask::Turn {
                worker,
                topic,
                settlements,
                ..
            } => {
                for settling in settlements {
                    self.lease(topic, &settling.id, settling.token).sent.push(Sent {
                        ending: settling.ending,
                        worker: worker.clone(),
                        span,
                        accepted: None,
                    });
                }
            }
            Ask::Beat { .. } | Ask::Reclaim { .. } | Ask::Cancel { .. } => {}
        }
    }

    fn added(
        &mut self,
        call: &(Arc<str>, u64),
        span: Span,
        topic: &TopicName,
        jobs: &[Asked],
        acknowledged: bool,
    ) {
        for (place, asked) in jobs.iter().enumerate() {
            self.job(topic, &asked.id).added.push(Added {
                span,
                place,
                call: call.clone(),
                asked: asked.clone(),
                acknowledged,
            });
        }
    }

    fn ran(&mut self, event: &Event, run: &Run) {
        let last_heard = self.last_heard.get(&event.process).copied();
        let lease = self.lease(&run.topic, &run.id, run.token);
        if run.phase == Phase::Started {
            lease.ran.push(Ran {
                worker: run.worker.clone(),
                process: Arc::clone(&event.process),
                attempt: run.attempt,
                started: event.at,
                until: last_heard.unwrap_or(event.at),
                returned: false,
            });
            return;
        }
        let ran = lease.ran.iter_mut().rfind(|ran| ran.process == event.process);
        if let (Some(ran), Phase::Returned | Phase::Erred(_) | Phase::Dropped) = (ran, &run.phase) {
            ran.until = event.at;
            ran.returned = run.phase == Phase::Returned;
        }
    }

    fn lease(&mut self, topic: &TopicName, id: &JobId, token: Token) -> &mut Lease {
        let leases = &mut self.job(topic, id).leases;
        leases.entry(token).or_insert_with(|| Lease::new(token))
    }

    fn job(&mut self, topic: &TopicName, id: &JobId) -> &mut Job {
        let key = (topic.clone(), id.clone());
        self.jobs.entry(key).or_insert_with(|| Job {
            topic: topic.clone(),
            id: id.clone(),
            added: Vec::new(),
            leases: BTreeMap::new(),
            records: Vec::new(),
            cancelled: false,
        })
    }
}
