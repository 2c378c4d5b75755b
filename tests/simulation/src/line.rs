//! How one process reaches the backend: calls take time, fail before or after their effect, hang, arrive long after they were
//! given up; the process is cut off, freezes, dies.
//!
//! A freeze stops every call of the process, every answer to it, every message, and every step of its handlers. It does not
//! stop the timers within the runtime under test: tokio's clock is one for all. So a simulation shows what becomes of the
//! others meanwhile, and that what a frozen worker sends after it has thawed is refused; it does not show a runtime that finds
//! all its timers late at the same moment. The tests that freeze real processes show that.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oqron_core::Error;
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};

use crate::chance::Chance;
use crate::trace::Trace;
use crate::weather::Weather;

/// Of one process, from its start to its end.
pub(crate) struct Line {
    who: String,
    trace: Arc<Trace>,
    weather: Arc<Weather>,
    chance: Mutex<Chance>,
    call_timeout: Duration,
    state: Mutex<State>,
    /// Not a watch channel, which wakes in an order that no seed decides.
    changed: Notify,
    has_joined: AtomicBool,
    link: Mutex<Option<Arc<Link>>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    is_dead: bool,
    is_frozen: bool,
    /// `Some(true)`: calls are not even refused.
    cut_off: Option<bool>,
}

/// The connection of a presence: each side learns by itself that it is gone.
#[derive(Default)]
pub(crate) struct Link {
    pub(crate) gone_here: Notify,
    pub(crate) gone_there: Notify,
    /// When this side goes, the other one does not see it at once.
    pub(crate) lingers: AtomicBool,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Fine,
    /// An error, and no effect.
    Refused,
    /// The effect, and an error instead of its answer.
    ReplyLost,
    /// Neither an effect nor an answer.
    Lost,
    /// The effect comes, in time or after the caller has given up, and no answer.
    Unanswered,
}

impl Line {
    pub(crate) fn new(
        who: String,
        trace: Arc<Trace>,
        weather: Arc<Weather>,
        chance: Chance,
        call_timeout: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            who,
            trace,
            weather,
            chance: Mutex::new(chance),
            call_timeout,
            state: Mutex::default(),
            changed: Notify::new(),
            has_joined: AtomicBool::new(false),
            link: Mutex::default(),
        })
    }

    pub(crate) fn who(&self) -> &str {
        &self.who
    }

    pub(crate) fn say(&self, what: fmt::Arguments<'_>) {
        self.trace.say(&self.who, what);
    }

    /// As a SIGKILL: nothing of it goes out or comes in any more.
    pub(crate) fn kill(&self) {
        self.change(|state| state.is_dead = true);
    }

    /// As a SIGSTOP.
    pub(crate) fn freeze(&self) {
        self.change(|state| state.is_frozen = true);
    }

    pub(crate) fn thaw(&self) {
        self.change(|state| state.is_frozen = false);
    }

    /// Between this process and the backend alone.
    pub(crate) fn cut_off(&self, quiet: bool) {
        self.change(|state| state.cut_off = Some(quiet));
    }

    pub(crate) fn mend(&self) {
        self.change(|state| state.cut_off = None);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        let state = self.state();
        state.is_dead || state.is_frozen
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state().is_dead
    }

    /// Whether the process has been told that it is present.
    pub(crate) fn has_joined(&self) -> bool {
        self.has_joined.load(Ordering::Relaxed)
    }

    pub(crate) fn joined(&self, link: Arc<Link>) {
        self.has_joined.store(true, Ordering::Relaxed);
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(link);
    }

    /// The connection of the presence that there is.
    pub(crate) fn link(&self) -> Option<Arc<Link>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Resolves while the process is neither dead nor frozen.
    pub(crate) async fn awake(&self) {
        loop {
            let changed = self.changed.notified();
            if !self.is_stopped() {
                return;
            }
            changed.await;
        }
    }

    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_waiters();
    }

    pub(crate) fn chance<R>(&self, draw: impl FnOnce(&mut Chance) -> R) -> R {
        draw(&mut self.chance.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// `Some(quiet)`: the backend cannot be reached.
    fn cut(&self) -> Option<bool> {
        self.weather.away().or(self.state().cut_off)
    }

    pub(crate) fn can_reach_the_backend(&self) -> bool {
        self.cut().is_none()
    }

    /// Whether a hint is lost on its way here.
    pub(crate) fn loses_hint(&self) -> bool {
        let percent = self.weather.faults().hints_lost;
        self.chance(|chance| chance.percent(percent))
    }

    pub(crate) fn unavailable(&self, action: &'static str) -> Error {
        Error::Unavailable {
            backend: "memory".into(),
            action,
            problem: "the simulation cut the line".into(),
        }
    }

    /// Makes a call whose effect is one step of the backend. Once it is on its way, the effect does not depend on the caller.
    ///
    /// # Cancel safety
    /// Dropping the future does not stop what is on its way, as on a network.
    pub(crate) async fn call<A: Send + 'static>(
        self: &Arc<Self>,
        what: &'static str,
        effect: impl Future<Output = Result<A, Error>> + Send + 'static,
    ) -> Result<A, Error> {
        self.awake().await;
        let (fate, there, back) = self.draw();
        if fate != Fate::Fine {
            self.say(format_args!("{what}: {}", fate.text()));
        }
        let way = async {
            match (self.cut(), fate) {
                (Some(true), _) | (None, Fate::Lost) => std::future::pending().await,
                (Some(false), _) | (None, Fate::Refused) => {
                    sleep(there).await;
                    Err(self.unavailable(what))
                }
                (None, _) => {
                    let answer = self.send(there, effect).await;
                    sleep(back).await;
                    match (fate, answer) {
                        (Fate::Unanswered, _) => std::future::pending().await,
                        (Fate::ReplyLost, _) | (_, None) => Err(self.unavailable(what)),
                        (_, Some(answer)) => answer,
                    }
                }
            }
        };
        let answer = timeout(self.call_timeout, way).await.unwrap_or_else(|_| {
            Err(Error::Timeout {
                backend: "memory".into(),
                action: what,
                after: self.call_timeout,
            })
        });
        self.awake().await;
        answer
    }

    /// `None`: it did not arrive, because the backend went away before.
    async fn send<A: Send + 'static>(
        self: &Arc<Self>,
        there: Duration,
        effect: impl Future<Output = Result<A, Error>> + Send + 'static,
    ) -> Option<Result<A, Error>> {
        let (answer, answered) = oneshot::channel();
        let line = Arc::clone(self);
        tokio::spawn(async move {
            sleep(there).await;
            if line.can_reach_the_backend() {
                // The caller may have given up.
                let _ = answer.send(effect.await);
            }
        });
        answered.await.ok()
    }

    fn draw(&self) -> (Fate, Duration, Duration) {
        let faults = self.weather.faults();
        let call_timeout = u64::try_from(self.call_timeout.as_millis()).unwrap_or(u64::MAX);
        self.chance(|chance| {
            let fate = match chance.number(0..100) {
                at if at < faults.refused => Fate::Refused,
                at if at < faults.refused + faults.replies_lost => Fate::ReplyLost,
                at if at < faults.refused + faults.replies_lost + faults.hangs => {
                    chance.one_of(&[Fate::Lost, Fate::Unanswered])
                }
                _ => Fate::Fine,
            };
            let is_slow = faults != crate::plan::Faults::default() && chance.percent(5);
            let usual = if is_slow { 0..150 } else { 0..3 };
            let there = match fate {
                Fate::Unanswered => chance.millis(0..call_timeout * 3),
                _ => chance.millis(usual.clone()),
            };
            (fate, there, chance.millis(usual))
        })
    }
}

impl Fate {
    fn text(self) -> &'static str {
        match self {
            Self::Fine => "goes well",
            Self::Refused => "an error before the effect",
            Self::ReplyLost => "an error after the effect",
            Self::Lost => "no answer and no effect",
            Self::Unanswered => "no answer, and the effect comes sooner or later",
        }
    }
}
