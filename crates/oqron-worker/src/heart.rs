//! Owns every lease of the process: renews them, tells handlers to stop, and carries what they report.
//!
//! It runs on a thread of its own, with a connection of its own, so that a handler that blocks every thread of the
//! program's runtime keeps its leases.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use oqron_core::{Consume, Error, Heartbeat, JobRef, Verdict};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, warn};

use crate::attempt::TopicShared;
use crate::backoff::Backoff;
use crate::report::Bell;
use crate::ward::{Beat, News, Ward};
use crate::watchdog::Watchdog;

/// Between two heartbeats that carry reports.
const REPORT_EVERY: Duration = Duration::from_millis(500);
/// A process that holds nothing says so often that it lives: who was not heard for 90 s is not listed any more.
const IDLE_BEAT_EVERY: Duration = Duration::from_secs(80);
/// A heartbeat without an answer is given up early enough that there is time for others.
const BEATS_IN_A_LEASE: u32 = 3;
/// Of the grace, the part after which handlers are told to stop: before the others can begin.
const SILENCE_IN_A_GRACE: f64 = 0.8;
/// Whatever the lease, a server has this long to answer.
const ANSWER_TIME_MIN: Duration = Duration::from_millis(100);

/// While messages come one after the other, it looks for them so often and is not woken by each: that would take a core from
/// the jobs or the backend several times in a turn.
const HEAR_EVERY: Duration = Duration::from_millis(5);

/// What the heart is told.
pub(crate) enum ToHeart {
    /// After each turn, by the topic's task.
    News(News),
    /// Somebody asked to cancel a job.
    Cancel(JobRef),
    /// The presence broke: renew everything now, and hear from the backend before the others take over.
    PresenceBroke,
    /// The presence came back: renew everything now.
    PresentAgain,
    /// The grace of a shutdown is over.
    ShutDown {
        /// How long handlers have from now to stop.
        cut_after: Duration,
    },
}

pub(crate) struct Heart {
    backend: Arc<dyn Consume>,
    wards: Vec<Beating>,
    bell: Arc<Bell>,
    watchdog: Option<Watchdog>,
    /// Whether anything is held.
    holds_any: watch::Sender<bool>,
    /// After the presence broke, without a word from the backend.
    silence_max: Duration,
    answers: FuturesUnordered<BoxFuture<'static, Answer>>,
    report_at: Option<Instant>,
    idle_beat_at: Instant,
    /// Which topic is next to be told that nothing is held of it.
    next_idle: usize,
}

struct Beating {
    ward: Ward,
    is_under_way: bool,
    backoff: Backoff,
}

struct Answer {
    topic: usize,
    beat: Beat,
    verdicts: Result<Vec<Verdict>, Error>,
}

impl Heart {
    pub(crate) fn new(
        backend: Arc<dyn Consume>,
        topics: Vec<Arc<TopicShared>>,
        bell: Arc<Bell>,
        watchdog: Option<Watchdog>,
        holds_any: watch::Sender<bool>,
        presence_grace: Duration,
    ) -> Self {
        let now = Instant::now();
        let beating = |shared| Beating {
            ward: Ward::new(shared, now),
            is_under_way: false,
            backoff: Backoff::default(),
        };
        Self {
            backend,
            wards: topics.into_iter().map(beating).collect(),
            bell,
            watchdog,
            holds_any,
            silence_max: presence_grace.mul_f64(SILENCE_IN_A_GRACE),
            answers: FuturesUnordered::new(),
            report_at: None,
            idle_beat_at: now + IDLE_BEAT_EVERY,
            next_idle: 0,
        }
    }

    /// Beats until nobody is left who could tell it anything.
    pub(crate) async fn run(mut self, mut inbox: mpsc::Receiver<ToHeart>) {
        let mut hear_at = None;
        loop {
            self.do_what_is_due();
            let alarm = self.next_alarm();
            tokio::select! {
                biased;
                message = inbox.recv(), if hear_at.is_none() => {
                    let Some(message) = message else { return };
                    self.hear(message);
                    hear_at = Some(Instant::now() + HEAR_EVERY);
                }
                Some(answer) = self.answers.next(), if !self.answers.is_empty() => self.answered(answer),
                () = self.bell.rung(), if self.report_at.is_none() => {
                    self.report_at = Some(Instant::now() + REPORT_EVERY);
                }
                () = sleep_until(hear_at.map_or(alarm, |at| alarm.min(at))) => {}
            }
            // Also when something else has woken it: a heartbeat lists what is held now.
            let now = Instant::now();
            if self.hear_all(&mut inbox) {
                hear_at = Some(now + HEAR_EVERY);
            } else {
                hear_at = hear_at.filter(|at| now < *at);
            }
        }
    }

    /// What has come so far; answers whether anything has.
    fn hear_all(&mut self, inbox: &mut mpsc::Receiver<ToHeart>) -> bool {
        let mut has_heard = false;
        while let Ok(message) = inbox.try_recv() {
            self.hear(message);
            has_heard = true;
        }
        has_heard
    }

    fn hear(&mut self, message: ToHeart) {
        let now = Instant::now();
        match message {
            ToHeart::News(news) => self.wards[news.topic].ward.take(news, now),
            ToHeart::Cancel(job) => {
                let wards = self.wards.iter_mut().map(|beating| &mut beating.ward);
                for ward in wards.filter(|ward| ward.shared().topic == job.topic) {
                    ward.cancel(&job.id);
                }
            }
            ToHeart::PresenceBroke => {
                for beating in &mut self.wards {
                    beating.ward.presence_broke(now, self.silence_max);
                }
            }
            ToHeart::PresentAgain => {
                for beating in &mut self.wards {
                    beating.ward.present_again(now);
                }
            }
            ToHeart::ShutDown { cut_after } => {
                for beating in &mut self.wards {
                    beating.ward.shut_down(now + cut_after);
                }
            }
        }
    }

    fn do_what_is_due(&mut self) {
        let now = Instant::now();
        for beating in &mut self.wards {
            beating.ward.check(now);
        }
        let reports_are_due = self.report_at.take_if(|at| now >= *at).is_some();
        for topic in 0..self.wards.len() {
            let beating = &mut self.wards[topic];
            if reports_are_due && beating.ward.has_news() {
                beating.ward.beat_by(now);
            }
            if !beating.is_under_way && beating.ward.beat_at().is_some_and(|at| now >= at) {
                self.send(topic, now);
            }
        }
        if now >= self.idle_beat_at {
            self.idle_beat_at = now + IDLE_BEAT_EVERY;
            let topic = self.next_idle % self.wards.len();
            self.next_idle = topic + 1;
            if !self.wards[topic].is_under_way {
                self.send(topic, now);
            }
        }
        let holds_any = self.wards.iter().any(|beating| !beating.ward.is_empty());
        self.holds_any
            .send_if_modified(|held| std::mem::replace(held, holds_any) != holds_any);
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.look(now, holds_any);
        }
    }

    fn next_alarm(&self) -> Instant {
        let beats = self.wards.iter().filter(|beating| !beating.is_under_way);
        let beats = beats.filter_map(|beating| beating.ward.beat_at());
        let checks = self.wards.iter().filter_map(|beating| beating.ward.check_at());
        let watch = self.watchdog.as_ref().and_then(Watchdog::look_at);
        beats
            .chain(checks)
            .chain(self.report_at)
            .chain(watch)
            .fold(self.idle_beat_at, Instant::min)
    }

    fn send(&mut self, topic: usize, now: Instant) {
        self.idle_beat_at = now + IDLE_BEAT_EVERY;
        let beating = &mut self.wards[topic];
        beating.is_under_way = true;
        let beat = beating.ward.beat(now);
        let shared = Arc::clone(beating.ward.shared());
        let backend = Arc::clone(&self.backend);
        self.answers.push(Box::pin(async move {
            let lease_ttl = shared.options.lock_ttl;
            let heartbeat = Heartbeat {
                worker: &shared.worker,
                topic: &shared.topic,
                through: beat.through,
                lease_ttl,
                held: &beat.held,
            };
            let answer_time = (lease_ttl / BEATS_IN_A_LEASE).max(ANSWER_TIME_MIN);
            let answer = timeout(answer_time, backend.heartbeat(&heartbeat)).await;
            let verdicts = answer.unwrap_or_else(|_| {
                Err(Error::Timeout {
                    backend: "the backend".into(),
                    action: "renew leases",
                    after: answer_time,
                })
            });
            Answer {
                topic,
                beat,
                verdicts,
            }
        }));
    }

    fn answered(&mut self, answer: Answer) {
        let Answer {
            topic,
            beat,
            verdicts,
        } = answer;
        let beating = &mut self.wards[topic];
        beating.is_under_way = false;
        let held = beat.held.len();
        let problem = match verdicts {
            Ok(verdicts) if verdicts.len() == held => {
                if beating.backoff.failures() > 0 {
                    debug!(topic = %beating.ward.shared().topic, "leases are renewed again");
                }
                beating.backoff.reset();
                beating.ward.answered(beat, &verdicts);
                return;
            }
            Ok(verdicts) => Error::Corrupt {
                what: "the answer to a heartbeat",
                problem: format!("it has {} verdicts for {held} leases", verdicts.len()),
            },
            Err(error) => error,
        };
        let pause = beating
            .backoff
            .next()
            .min(beating.ward.shared().options.heartbeat);
        if beating.backoff.failures() % 10 == 1 {
            warn!(
                topic = %beating.ward.shared().topic, %problem, failures = beating.backoff.failures(),
                "leases could not be renewed; trying again"
            );
        }
        beating.ward.failed(beat, &problem, Instant::now() + pause);
    }
}
