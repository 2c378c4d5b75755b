//! What was seen of every job: at the backend, in the handlers, and by those who added it. What must never happen is
//! noticed at the moment at which it happens; what must hold in the end is in `verdict`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oqron_core::{
    EnqueueOutcome, Heartbeat, JobId, Outcome, Settled, Token, Turn, Turned, Verdict, WorkerId,
};
use oqron_worker::Context;

use crate::line::Line;
use crate::plan::Plan;
use crate::seen::{Claimed, Run, Seen};
use crate::task::Task;
use crate::trace::{Shown, Trace};

/// Of one simulation.
pub(crate) struct History {
    pub(crate) trace: Arc<Trace>,
    plan: Plan,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    names: HashMap<WorkerId, String>,
    jobs: BTreeMap<u32, Seen>,
    /// The last token of each topic.
    tokens: HashMap<String, Token>,
    violations: Vec<String>,
    running: HashMap<(String, bool), u32>,
}

/// A handler under way. Dropping it is its end, however it comes.
pub(crate) struct Running {
    history: Arc<History>,
    process: Arc<Line>,
    task: Task,
    token: Token,
    at_most_once: bool,
    /// The number of the run in the life of its job, from 1.
    pub(crate) number: u32,
    how: Option<&'static str>,
}

impl History {
    pub(crate) fn new(trace: Arc<Trace>, plan: &Plan) -> Arc<Self> {
        let jobs = plan.jobs.iter().map(|job| {
            let seen = Seen {
                planned: Some(job.clone()),
                ..Seen::default()
            };
            (job.task.number, seen)
        });
        let inner = Inner {
            jobs: jobs.collect(),
            ..Inner::default()
        };
        Arc::new(Self {
            trace,
            plan: plan.clone(),
            inner: Mutex::new(inner),
        })
    }

    pub(crate) fn violated(&self, rule: impl Into<String>) {
        self.lock().violate(&self.trace, rule.into());
    }

    /// Whether no call can fail in this simulation.
    pub(crate) fn is_calm(&self) -> bool {
        self.plan.faults == crate::plan::Faults::default()
    }

    pub(crate) fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().violations)
    }

    pub(crate) fn worker(&self, id: &WorkerId, name: &str) {
        self.lock().names.insert(id.clone(), name.to_owned());
    }

    /// Looks at one job, or notes something about it.
    pub(crate) fn of<R>(&self, number: u32, note: impl FnOnce(&mut Seen) -> R) -> R {
        note(self.lock().jobs.entry(number).or_default())
    }

    /// A publisher is about to add it.
    pub(crate) fn adding(&self, number: u32) {
        let now = self.trace.now();
        self.of(number, |seen| seen.tried_at.get_or_insert(now).to_owned());
    }

    /// The backend has answered an add that was sent at a time.
    pub(crate) fn acknowledged(&self, number: u32, outcome: EnqueueOutcome, sent_at: Duration) {
        let now = self.trace.now();
        let mut inner = self.lock();
        let seen = inner.jobs.entry(number).or_default();
        let was_known = seen.acknowledged_at.is_some_and(|at| at < sent_at);
        seen.acknowledged_at.get_or_insert(now);
        if was_known && outcome == EnqueueOutcome::Created {
            inner.violate(&self.trace, format!("job-{number} was made twice"));
        }
    }

    /// An operator put it back to waiting; this was its record before.
    pub(crate) fn put_back(&self, number: u32) {
        self.of(number, |seen| {
            seen.retried_by_operator = true;
            seen.cancelled_at_once = false;
            seen.earlier_claims = seen.claims.len();
            seen.earlier_runs = seen.runs.len();
        });
    }

    /// A turn took effect.
    pub(crate) fn turned(&self, turn: &Turn<'_>, turned: &Turned) {
        let mut inner = self.lock();
        let name = inner.name(turn.worker);
        for (settlement, settled) in turn.settlements.iter().zip(&turned.settled) {
            let (id, token, word) = (&settlement.id, settlement.token, word(&settlement.outcome));
            match settled {
                Settled::Accepted => self.accepted(&mut inner, &name, id, token, word),
                Settled::LeaseLost => self.trace.say(
                    &name,
                    format_args!(
                        "offers to {word} {id} {token:?} in request {}: the lease is lost",
                        turn.request
                    ),
                ),
            }
        }
        for lease in &turned.leases {
            let job = number_of(&lease.id);
            let is_repeated = |seen: &Seen| seen.claims.iter().any(|claim| claim.token == lease.token);
            if inner.jobs.get(&job).is_some_and(is_repeated) {
                continue;
            }
            let (id, token, attempt) = (&lease.id, lease.token, lease.attempt);
            self.trace.say(
                &name,
                format_args!(
                    "claims {id} {token:?}, attempt {attempt}, in request {}",
                    turn.request
                ),
            );
            let last = inner.tokens.insert(turn.topic.to_string(), token);
            if last.is_some_and(|last| last >= token) {
                inner.violate(
                    &self.trace,
                    format!("{token:?} of {id} is not greater than {last:?}"),
                );
            }
            let claim = Claimed {
                token,
                worker: name.clone(),
            };
            inner.jobs.entry(job).or_default().claims.push(claim);
        }
    }

    fn accepted(&self, inner: &mut Inner, name: &str, id: &JobId, token: Token, word: &'static str) {
        let seen = inner.jobs.entry(number_of(id)).or_default();
        if seen.settled.iter().any(|(settled, _)| *settled == token) {
            return;
        }
        seen.settled.push((token, word));
        self.trace
            .say(&name, format_args!("settles {id} {token:?}: {word}"));
        let holder = seen.claims.last();
        if !holder.is_some_and(|claim| claim.token == token && claim.worker == *name) {
            let holder = holder.map(|claim| (claim.token, claim.worker.clone()));
            inner.violate(
                &self.trace,
                format!("a stale write was accepted: {name} settled {id} {token:?}, which {holder:?} held"),
            );
        }
    }

    /// A heartbeat took effect.
    pub(crate) fn beaten(&self, heartbeat: &Heartbeat<'_>, verdicts: &[Verdict]) {
        let inner = self.lock();
        for (held, verdict) in heartbeat.held.iter().zip(verdicts) {
            if *verdict != Verdict::Renewed {
                let (id, token) = (&held.id, held.token);
                self.trace.say(
                    &inner.name(heartbeat.worker),
                    format_args!("renews {id} {token:?}: {verdict:?}"),
                );
            }
        }
    }

    /// A handler begins.
    pub(crate) fn begins(
        self: &Arc<Self>,
        process: &Arc<Line>,
        ctx: &Context<Task>,
        at_most_once: bool,
    ) -> Running {
        let task = ctx.data().clone();
        let token = ctx.fencing_token();
        self.trace.say(
            &process.who(),
            format_args!(
                "begins {} {token:?}, attempt {}: {:?}",
                task.id(),
                ctx.attempt(),
                task.kind
            ),
        );
        let mut inner = self.lock();
        let running = inner
            .running
            .entry((process.who().to_owned(), at_most_once))
            .or_default();
        *running += 1;
        let is_over = *running > self.plan.terms.concurrency;
        let seen = inner.jobs.entry(task.number).or_default();
        let problems = [
            (is_over, "more handlers run than its worker has slots"),
            (seen.tried_at.is_none(), "it was never added"),
            (
                seen.planned.as_ref().is_some_and(|planned| planned.task != task),
                "its payload is not what was added",
            ),
            (
                !seen
                    .claims
                    .iter()
                    .any(|claim| claim.token == token && claim.worker == process.who()),
                "its worker was never given the lease",
            ),
            (
                seen.runs.iter().any(|run| run.token == token),
                "the same lease runs twice",
            ),
            (seen.cancelled_at_once, "it had been cancelled before it began"),
            (
                at_most_once
                    && seen.runs[seen.earlier_runs..]
                        .iter()
                        .any(|run| !seen.may_run_after(run.token)),
                "it is to run at most once, and an attempt before was neither retried nor snoozed",
            ),
            (
                seen.overlaps(&self.plan),
                "another attempt runs, and nothing can have ended its lease",
            ),
            (
                seen.outruns(&self.plan),
                "another attempt runs in a living worker that has not been told to stop",
            ),
        ];
        let signal = ctx.signal();
        seen.runs.push(Run {
            token,
            has_ended: false,
            process: Arc::clone(process),
            is_told_to_stop: Box::new(move || signal.is_cancelled()),
        });
        let number = seen.runs.len() - seen.earlier_runs.min(seen.runs.len());
        for (_, problem) in problems.into_iter().filter(|(is_so, _)| *is_so) {
            inner.violate(
                &self.trace,
                format!("{} runs {} {token:?}: {problem}", process.who(), task.id()),
            );
        }
        Running {
            history: Arc::clone(self),
            process: Arc::clone(process),
            task,
            token,
            at_most_once,
            number: u32::try_from(number).unwrap_or(u32::MAX),
            how: None,
        }
    }

    /// A hook was called that may only be called once the outcome is stored.
    pub(crate) fn hook(&self, name: &str, number: u32, token: Token, words: &[&str]) {
        let stored = self.of(number, |seen| {
            seen.settled
                .iter()
                .any(|(settled, word)| *settled == token && words.contains(word))
        });
        if !stored {
            self.violated(format!(
                "{name} was called for job-{number} {token:?}, whose outcome is not stored"
            ));
        }
    }

    /// Every job, and what was seen of it.
    pub(crate) fn check(&self, check: impl Fn(u32, &Seen) -> Vec<String>) {
        let mut inner = self.lock();
        let problems: Vec<String> = inner
            .jobs
            .iter()
            .flat_map(|(number, seen)| check(*number, seen))
            .collect();
        for problem in problems {
            inner.violate(&self.trace, problem);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn name(&self, worker: &WorkerId) -> String {
        self.names
            .get(worker)
            .cloned()
            .unwrap_or_else(|| "nobody".to_owned())
    }

    fn violate(&mut self, trace: &Trace, rule: String) {
        trace.say(&"VIOLATION", format_args!("{rule}"));
        self.violations
            .push(format!("at {}: {rule}", Shown(trace.now()).to_string().trim()));
    }
}

impl Running {
    /// How the handler is about to end.
    pub(crate) fn ends(&mut self, how: &'static str) {
        self.how = Some(how);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let how = self.how.unwrap_or("is dropped");
        let (id, token) = (self.task.id(), self.token);
        // The handlers of a crashed process go all at once, in no order.
        if !self.process.is_dead() {
            let who = self.process.who();
            self.history.trace.say(&who, format_args!("{id} {token:?} {how}"));
        }
        let mut inner = self.history.lock();
        if let Some(running) = inner
            .running
            .get_mut(&(self.process.who().to_owned(), self.at_most_once))
        {
            *running -= 1;
        }
        let runs = inner
            .jobs
            .get_mut(&self.task.number)
            .map(|seen| seen.runs.iter_mut());
        if let Some(run) = runs.into_iter().flatten().find(|run| run.token == token) {
            run.has_ended = true;
        }
    }
}

/// Ids are made of numbers.
pub(crate) fn number_of(id: &JobId) -> u32 {
    id.as_str()
        .rsplit_once('-')
        .and_then(|(_, number)| number.parse().ok())
        .unwrap_or(u32::MAX)
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Complete(_) => "complete",
        Outcome::Retry { .. } => "retry",
        Outcome::Fail(_) => "fail",
        Outcome::Snooze { .. } => "snooze",
        Outcome::Release { .. } => "release",
        Outcome::Cancel { .. } => "cancel",
    }
}
