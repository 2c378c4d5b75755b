//! A history, made by hand: one process for each worker, and time that passes when the story says so.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use oqron_core::{JobId, JobState, Token, TopicName, WorkerId};

use crate::history::{
    Answer, Ask, Asked, Beat, Claiming, Ending, Event, History, Leased, Listed, Moment, Phase, Record, Rule,
    Rules, Run, Settling, Summary, Violation, What,
};

/// The lease of every claim and heartbeat of a story.
pub(super) const TTL: Duration = Duration::from_secs(2);

pub(super) struct Story {
    now: Moment,
    events: Vec<Event>,
    records: Vec<Record>,
    requests: HashMap<String, u64>,
    calls: u64,
}

pub(super) fn topic() -> TopicName {
    TopicName::new("play").unwrap()
}

pub(super) fn id(job: &str) -> JobId {
    JobId::new(job).unwrap()
}

pub(super) fn worker(name: &str) -> WorkerId {
    WorkerId::new(name).unwrap()
}

impl Story {
    pub(super) fn new() -> Self {
        Self {
            now: Moment(1_000_000_000),
            events: Vec::new(),
            records: Vec::new(),
            requests: HashMap::new(),
            calls: 0,
        }
    }

    pub(super) fn wait(&mut self, time: Duration) -> &mut Self {
        self.now = self.now.after(time);
        self
    }

    fn event(&mut self, process: &str, what: What) {
        self.wait(Duration::from_millis(1));
        self.events.push(Event {
            at: self.now,
            process: Arc::from(process),
            pid: 1,
            what,
        });
    }

    /// A call and, if there is one, its answer.
    pub(super) fn call(&mut self, process: &str, ask: Ask, answer: Option<Answer>) -> &mut Self {
        self.calls += 1;
        let call = self.calls;
        self.event(process, What::Asked { call, ask });
        if let Some(answer) = answer {
            self.event(process, What::Answered { call, answer });
        }
        self
    }

    pub(super) fn add(&mut self, jobs: &[&str]) -> &mut Self {
        self.add_with(jobs, Some(0))
    }

    pub(super) fn add_with(&mut self, jobs: &[&str], retries: Option<u32>) -> &mut Self {
        let answer = Answer::Added(vec![true; jobs.len()]);
        self.call("publisher", adding(jobs, retries), Some(answer))
    }

    /// An add without an answer.
    pub(super) fn asks_to_add(&mut self, process: &str, job: &str) -> &mut Self {
        self.call(process, adding(&[job], Some(0)), None)
    }

    /// A turn with these outcomes (and whether each is accepted) that gets these leases (job, token, attempt).
    pub(super) fn turn(
        &mut self,
        name: &str,
        settled: &[(&str, u64, Ending, bool)],
        leases: &[(&str, u64, u32)],
    ) -> &mut Self {
        let request = self.requests.entry(name.into()).or_default();
        *request += 1;
        let ask = Ask::Turn {
            worker: worker(name),
            topic: topic(),
            request: *request,
            settlements: settled
                .iter()
                .map(|(job, token, ending, _)| Settling {
                    id: id(job),
                    token: Token(*token),
                    ending: *ending,
                })
                .collect(),
            claim: Some(Claiming {
                max: 8,
                lease_ttl_ms: 2_000,
            }),
        };
        let answer = Answer::Turned {
            accepted: settled.iter().map(|(.., accepted)| *accepted).collect(),
            leases: leases
                .iter()
                .map(|(job, token, attempt)| Leased {
                    id: id(job),
                    token: Token(*token),
                    attempt: *attempt,
                    stalls: 0,
                })
                .collect(),
        };
        self.call(name, ask, Some(answer))
    }

    pub(super) fn claim(&mut self, name: &str, job: &str, token: u64) -> &mut Self {
        self.turn(name, &[], &[(job, token, 1)])
    }

    pub(super) fn settle(&mut self, name: &str, job: &str, token: u64, ending: Ending) -> &mut Self {
        self.turn(name, &[(job, token, ending, true)], &[])
    }

    pub(super) fn refused(&mut self, name: &str, job: &str, token: u64, ending: Ending) -> &mut Self {
        self.turn(name, &[(job, token, ending, false)], &[])
    }

    pub(super) fn beat(&mut self, name: &str, held: &[(&str, u64, Beat)]) -> &mut Self {
        let ask = Ask::Beat {
            worker: worker(name),
            topic: topic(),
            through: self.requests.get(name).copied().unwrap_or(0),
            lease_ttl_ms: 2_000,
            held: held.iter().map(|(job, token, _)| listed(job, *token)).collect(),
        };
        let verdicts = held.iter().map(|(.., verdict)| *verdict).collect();
        self.call(name, ask, Some(Answer::Beaten(verdicts)))
    }

    pub(super) fn reclaim(&mut self, name: &str, job: &str, token: u64) -> &mut Self {
        let leases = vec![(topic(), listed(job, token))];
        self.call(name, Ask::Reclaim { leases }, Some(Answer::Reclaimed(1)))
    }

    pub(super) fn phase(&mut self, name: &str, job: &str, token: u64, phase: Phase) -> &mut Self {
        let run = Run {
            topic: topic(),
            id: id(job),
            token: Token(token),
            attempt: 1,
            worker: worker(name),
            phase,
        };
        self.event(name, What::Run(run));
        self
    }

    pub(super) fn starts(&mut self, name: &str, job: &str, token: u64) -> &mut Self {
        self.phase(name, job, token, Phase::Started)
    }

    pub(super) fn returns(&mut self, name: &str, job: &str, token: u64) -> &mut Self {
        self.phase(name, job, token, Phase::Returned)
    }

    /// Claims, runs and completes it.
    pub(super) fn does(&mut self, name: &str, job: &str, token: u64) -> &mut Self {
        self.claim(name, job, token)
            .starts(name, job, token)
            .returns(name, job, token)
            .settle(name, job, token, Ending::Complete)
    }

    pub(super) fn completed(&mut self, job: &str, token: u64, name: &str) -> &mut Self {
        self.record(job, token, name, |_| {})
    }

    /// The record of a completed job, changed.
    pub(super) fn record(
        &mut self,
        job: &str,
        token: u64,
        name: &str,
        change: impl FnOnce(&mut Record),
    ) -> &mut Self {
        let mut record = Record::completed(topic(), id(job), Token(token), worker(name));
        change(&mut record);
        self.records.push(record);
        self
    }

    pub(super) fn failed(&mut self, job: &str, token: u64, name: &str) -> &mut Self {
        self.record(job, token, name, |record| record.state = JobState::Failed)
    }

    pub(super) fn history(&self) -> History {
        History::new(self.events.clone(), self.records.clone())
    }

    pub(super) fn now(&self) -> Moment {
        self.now
    }

    pub(super) fn check(&self) -> Result<Summary, Vec<Violation>> {
        self.history().check(&Rules::default())
    }

    pub(super) fn passes(&self) -> Summary {
        self.check()
            .unwrap_or_else(|violations| panic!("{violations:#?}"))
    }

    /// Exactly this rule is broken, and the text names all of that.
    pub(super) fn breaks(&self, rule: Rule, named: &[&str]) {
        let violations = self.check().expect_err("the violation was not found");
        assert!(
            violations.iter().all(|violation| violation.rule == rule),
            "{violations:#?}"
        );
        let text = format!("{violations:#?}");
        for name in named {
            assert!(text.contains(name), "{name:?} is not in {text}");
        }
    }
}

fn adding(jobs: &[&str], retries: Option<u32>) -> Ask {
    let asked = |job: &&str| Asked {
        id: id(job),
        priority: 0,
        delayed: false,
        retries,
    };
    Ask::Add {
        topic: topic(),
        jobs: jobs.iter().map(asked).collect(),
    }
}

fn listed(job: &str, token: u64) -> Listed {
    Listed {
        id: id(job),
        token: Token(token),
    }
}
