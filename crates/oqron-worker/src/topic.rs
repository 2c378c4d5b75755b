//! The task of one topic: it owns the slots, starts what is claimed, and settles what has ended.
//!
//! What ends while a turn is under way goes into the next one, and each asks for exactly the slots that are free: no added
//! latency when little happens, full batches under load. When half of all slots have ended meanwhile, they do not wait for
//! the answer but go on a second line, so that backend and handlers work at the same time (docs/decisions/0009-two-lines.md).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use oqron_core::{Claim, Consume, Lease, Outcome, Settled, Turned};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, info, warn};

use crate::Error;
use crate::attempt::{Attempt, TopicShared};
use crate::demand::Demand;
use crate::heart::ToHeart;
use crate::inbox::{Inbox, Inboxes};
use crate::lease::fence_at;
use crate::lookout::Lookout;
use crate::report::Report;
use crate::runner::{Ended, Runner};
use crate::sweeper::Completions;
use crate::turn::{Lines, Offered, Post, Request, Said, Sent, fill};
use crate::ward::News;

/// Hooks under way at most; over that no job is claimed.
const HOOKS_MAX: usize = 1_000;

/// How often quick jobs are waited for before a turn is sent.
const GATHER_ROUNDS: usize = 8;

/// With fewer slots, half of them are not worth a turn of their own.
const SPLIT_FROM: u32 = 32;

/// How far the runtime is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Working,
    /// Nothing is claimed any more; what runs, ends and is settled.
    Draining,
    /// What is left, is left to its lease.
    Abandoning,
}

/// What a topic's task is made of.
pub(crate) struct Parts {
    /// Its number in the runtime.
    pub(crate) number: usize,
    pub(crate) shared: Arc<TopicShared>,
    pub(crate) runner: Arc<dyn Runner>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) inboxes: Arc<Inboxes>,
    pub(crate) backend: Arc<dyn Consume>,
    pub(crate) heart: mpsc::Sender<ToHeart>,
    pub(crate) completions: Arc<Completions>,
    pub(crate) lookout: Arc<Lookout>,
    pub(crate) phase: watch::Receiver<Phase>,
    /// A turn without an answer is repeated after it.
    pub(crate) answer_time: Duration,
}

pub(crate) struct TopicTask {
    parts: Parts,
    paused: watch::Receiver<bool>,
    demand: Demand,
    jobs: JoinSet<Ended>,
    hooks: JoinSet<()>,
    /// To be settled, oldest first.
    ended: VecDeque<Ended>,
    lines: Lines,
    last_number: u64,
}

impl TopicTask {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            paused: parts.inbox.paused.subscribe(),
            demand: Demand::new(parts.shared.options.throttle, Instant::now()),
            jobs: JoinSet::new(),
            hooks: JoinSet::new(),
            ended: VecDeque::new(),
            lines: Lines::new(Post {
                backend: Arc::clone(&parts.backend),
                shared: Arc::clone(&parts.shared),
                answer_time: parts.answer_time,
            }),
            last_number: 0,
            parts,
        }
    }

    /// Works until the runtime drains and all is settled, or the runtime abandons what is left.
    pub(crate) async fn run(mut self) -> Result<(), Error> {
        loop {
            while self.lines.can_send() {
                if self.lines.are_free() {
                    self.gather().await?;
                }
                if !self.begin_turn() {
                    break;
                }
            }
            let phase = *self.parts.phase.borrow_and_update();
            match phase {
                Phase::Draining if self.has_drained() => return Ok(()),
                Phase::Abandoning => {
                    self.abandon();
                    return Ok(());
                }
                _ => {}
            }
            let alarm = self.alarm();
            tokio::select! {
                biased;
                changed = self.parts.phase.changed() => if changed.is_err() {
                    // The runtime was dropped, and this task is about to be.
                    return Ok(());
                },
                Some(joined) = self.jobs.join_next(), if !self.jobs.is_empty() => {
                    self.collect(joined).await?;
                    self.collect_all().await?;
                }
                said = self.lines.next() => match said {
                    Said::Answer { sent, turned, failures } => self.answered(sent, turned, failures).await?,
                    Said::Problem { problem, failures } => self.failed(&problem, failures),
                    Said::SentAgain => {}
                },
                () = self.parts.inbox.woken() => self.demand.woken(),
                // The other end is held by `parts`, so it cannot go.
                _ = self.paused.changed() => self.demand.wake(),
                Some(_) = self.hooks.join_next(), if !self.hooks.is_empty() => {}
                () = sleep_until(alarm.unwrap_or_else(Instant::now)), if alarm.is_some() => {}
            }
        }
    }

    fn is_working(&self) -> bool {
        *self.parts.phase.borrow() == Phase::Working
    }

    fn has_drained(&self) -> bool {
        self.jobs.is_empty() && self.ended.is_empty() && self.hooks.is_empty() && self.lines.are_free()
    }

    /// Slots that nothing takes. Everything that is claimed and not settled takes one, so the leases of a topic are never
    /// more than its concurrency, and a heartbeat always holds all of them.
    fn free(&self) -> u32 {
        let taken = u32::try_from(self.jobs.len() + self.ended.len()).unwrap_or(u32::MAX);
        let taken = taken.saturating_add(self.lines.claimed());
        self.parts.shared.options.concurrency.saturating_sub(taken)
    }

    /// Settlements in one turn at most.
    fn share(&self) -> usize {
        let concurrency = self.parts.shared.options.concurrency as usize;
        match self.has_second_line() {
            true => concurrency.div_ceil(2),
            false => concurrency,
        }
    }

    fn has_second_line(&self) -> bool {
        self.parts.shared.options.concurrency >= SPLIT_FROM
    }

    /// Jobs that may be claimed now.
    fn claimable(&mut self, now: Instant) -> u32 {
        let is_missed = self.parts.inboxes.is_missed();
        if !self.is_working() || is_missed || *self.paused.borrow() || self.hooks.len() >= HOOKS_MAX {
            return 0;
        }
        // The throttle counts what is answered.
        let claimed = self.lines.claimed();
        let allowed = self.demand.allowed(self.free().saturating_add(claimed), now);
        allowed.saturating_sub(claimed)
    }

    /// Sends a turn if there is a reason for one, and says whether it did. While another is under way, only many settlements
    /// are one.
    fn begin_turn(&mut self) -> bool {
        let now = Instant::now();
        let max = self.claimable(now);
        let asks = self.demand.is_due(now, self.parts.inboxes.has_channel()) && max > 0;
        let passes_on = self.demand.owes_wakeup() && max == 0;
        let is_wanted = match self.lines.are_free() {
            true => !self.ended.is_empty() || asks || passes_on,
            false => self.has_second_line() && self.ended.len() >= self.share(),
        };
        if !is_wanted {
            return false;
        }
        let share = self.share();
        let (settlements, offered) = fill(&mut self.ended, share);
        let options = &self.parts.shared.options;
        let (lease_ttl, delivery, max_stalls) = (options.lock_ttl, options.delivery, options.max_stalls);
        // Slots of what has ended are still taken in `max`: they are free once it is on its way.
        let max = self.claimable(now);
        let claim = (max > 0 || passes_on).then_some(Claim {
            max,
            lease_ttl,
            delivery,
            max_stalls,
        });
        self.demand.asked(max, self.free(), now);
        self.last_number += 1;
        let request = Request {
            number: self.last_number,
            settlements,
            claim,
            first_sent: now,
        };
        self.lines.send(request, offered);
        true
    }

    fn failed(&self, problem: &oqron_core::Error, failures: u32) {
        let topic = &self.parts.shared.topic;
        if !problem.is_transient() {
            error!(
                %topic, %problem, failures,
                "the backend refuses to settle and claim, and that will not pass by itself; trying on, nothing is lost"
            );
        } else if failures % 10 == 1 {
            warn!(%topic, %problem, failures, "could not settle and claim; trying on, nothing is lost");
        }
    }

    async fn answered(&mut self, sent: Sent, turned: Turned, failures: u32) -> Result<(), Error> {
        let Sent { request, offered, .. } = sent;
        let topic = &self.parts.shared.topic;
        if failures > 0 {
            info!(%topic, failures, "the backend answers again");
        }
        let now = Instant::now();
        self.demand.answered(&turned, now);
        let claimed = turned.leases.len();
        let is_short = request.claim.is_some_and(|claim| claimed < claim.max as usize);
        if turned.leased && is_short {
            self.parts.lookout.call();
        }
        let fence = fence_at(request.first_sent, self.parts.shared.options.lock_ttl);
        let begin = |lease: Lease| Attempt::new(Arc::clone(&self.parts.shared), lease, now, fence);
        let begun: Vec<_> = turned.leases.into_iter().map(begin).collect();

        // The heart hears of the leases, and with them of the request, right behind the start of their handlers: nothing is
        // awaited between, and what ends is told later.
        let news = News {
            topic: self.parts.number,
            through: self.processed(),
            added: begun.iter().map(|(attempt, _)| Arc::clone(attempt)).collect(),
            gone: offered.iter().map(|offered| offered.attempt.token).collect(),
        };
        let heart = self.parts.heart.clone();
        let to_heart = heart.reserve().await.map_err(|_| heart_is_gone())?;
        for (attempt, payload) in begun {
            if !self.is_working() {
                self.give_back(attempt, "its worker shuts down");
            } else if now >= fence {
                self.give_back(attempt, "its lease was over when the answer arrived");
            } else {
                self.parts.runner.start(&mut self.jobs, attempt, payload);
            }
        }
        to_heart.send(ToHeart::News(news));
        self.settled(&request, offered, &turned.settled);
        if claimed > 0 && !is_short && self.free() > 0 {
            // The other line's claim came up short, and perhaps before this one, with which the backend took the worker for
            // one that waits for nothing.
            self.demand.wake();
        }
        Ok(())
    }

    /// A job that was claimed and never started.
    fn give_back(&mut self, attempt: Arc<Attempt>, reason: &str) {
        attempt.end();
        self.ended.push_back(Ended {
            attempt,
            outcome: Some(Outcome::Release {
                reason: reason.to_owned(),
            }),
            report: Report::default(),
            after: None,
        });
    }

    fn settled(&mut self, request: &Request, offered: Vec<Offered>, settled: &[Settled]) {
        let mut completions = 0;
        for ((settlement, offered), settled) in request.settlements.iter().zip(offered).zip(settled) {
            match settled {
                Settled::Accepted => {
                    completions += u64::from(!matches!(
                        settlement.outcome,
                        Outcome::Retry { .. } | Outcome::Snooze { .. } | Outcome::Release { .. }
                    ));
                    if let Some(after) = offered.after {
                        self.hooks.spawn(after());
                    }
                }
                Settled::LeaseLost => {
                    let (topic, job, token) = (&self.parts.shared.topic, &settlement.id, settlement.token);
                    if matches!(settlement.outcome, Outcome::Release { .. }) {
                        debug!(%topic, %job, %token, "the job was somebody else's before it was given back");
                    } else {
                        warn!(
                            %topic, %job, %token,
                            "the outcome of an attempt was refused: its lease was lost, and another attempt counts"
                        );
                    }
                }
            }
        }
        self.parts.completions.add(completions);
    }

    /// Lets jobs that can end without waiting do so, so that they share the turn that is about to be sent. Without it, the
    /// first of a batch of quick jobs would take a round trip for itself, and turns would be half as full.
    async fn gather(&mut self) -> Result<(), Error> {
        for _ in 0..GATHER_ROUNDS {
            if self.ended.is_empty() || self.jobs.is_empty() || self.ended.len() >= self.share() {
                break;
            }
            // To the end of the runtime's queue, behind the jobs; when there is nothing in it, this is microseconds.
            tokio::task::yield_now().await;
            if self.collect_all().await? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Takes in what has ended already, and says how many.
    async fn collect_all(&mut self) -> Result<usize, Error> {
        let mut count = 0;
        while let Some(joined) = self.jobs.try_join_next() {
            self.collect(joined).await?;
            count += 1;
        }
        Ok(count)
    }

    async fn collect(&mut self, joined: Result<Ended, tokio::task::JoinError>) -> Result<(), Error> {
        let ended = joined.map_err(|error| Error::Broken {
            part: "a job's task",
            problem: error.to_string(),
        })?;
        if ended.outcome.is_some() {
            self.ended.push_back(ended);
            return Ok(());
        }
        // The lease is known to be lost: nobody would take an outcome.
        let news = News {
            topic: self.parts.number,
            through: self.processed(),
            added: Vec::new(),
            gone: vec![ended.attempt.token],
        };
        let sent = self.parts.heart.send(ToHeart::News(news)).await;
        sent.map_err(|_| heart_is_gone())
    }

    /// The last request up to which all answers have been processed.
    fn processed(&self) -> u64 {
        let under_way = self.lines.sent().map(|sent| sent.request.number).min();
        under_way.map_or(self.last_number, |first| first - 1)
    }

    /// When there is something to do though nothing happens; `None` while only an event can change that.
    fn alarm(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let at = if self.claimable(now) > 0 {
            Some(self.demand.ask_at(self.parts.inboxes.has_channel()))
        } else {
            self.demand.next_start()
        };
        // What is due now waits for the line, for a slot or for the end of a pause, and these are events.
        at.filter(|at| *at > now)
    }

    /// Aborts what still runs. Blocking code cannot be aborted; all of it is left to its lease.
    fn abandon(&mut self) {
        let unsettled = self.ended.len() + self.lines.sent().map(|sent| sent.offered.len()).sum::<usize>();
        if !self.jobs.is_empty() || unsettled > 0 {
            warn!(
                topic = %self.parts.shared.topic, running = self.jobs.len(), unsettled,
                "jobs are left to their leases: their handlers did not stop, or the backend did not answer, within the \
                 shutdown's grace"
            );
        }
    }
}

fn heart_is_gone() -> Error {
    Error::Broken {
        part: "the heart",
        problem: "it hears nothing".into(),
    }
}
