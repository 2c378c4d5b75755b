//! The leases of one topic, and what is due for them: no I/O, and time comes from outside.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use oqron_core::{Error, Held, JobId, Token, Verdict};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::attempt::{Attempt, TopicShared};
use crate::lease::fence_at;
use crate::signal::Why;

/// Between the signal of a timeout and the end of the handler's future.
pub(crate) const TIMEOUT_GRACE: Duration = Duration::from_secs(1);

/// All that the process holds of one topic.
pub(crate) struct Ward {
    shared: Arc<TopicShared>,
    through: u64,
    held: BTreeMap<Token, Holding>,
    /// Nothing is due before it: a lower bound, so that a lease that ends costs nothing here.
    check_at: Option<Instant>,
    beat_at: Instant,
    /// There while the presence is broken.
    absence: Option<Absence>,
    /// A job was to be cancelled that is not held here: its lease may be on the way.
    missed_cancel: bool,
}

/// The presence broke: the others take what is held here unless they see it renewed within their grace.
struct Absence {
    since: Instant,
    /// How long this process goes on without a renewal.
    silence_max: Duration,
    hear_by: Instant,
}

struct Holding {
    attempt: Arc<Attempt>,
    fence_at: Instant,
    time_out_at: Option<Instant>,
    cut_off: Option<(Instant, Why)>,
    /// The handler was told that the local end came. The lease is renewed all the same while the handler runs, so
    /// that nobody else starts meanwhile if it is still ours.
    is_fenced: bool,
    /// The backend said that it is not ours. It is not listed any more.
    is_lost: bool,
}

/// What the topic's task tells after a turn: the leases it was given, and those it is done with.
pub(crate) struct News {
    /// The number of the topic in the runtime.
    pub(crate) topic: usize,
    /// The last request whose answer is processed, the leases of it being in `added`.
    pub(crate) through: u64,
    pub(crate) added: Vec<Arc<Attempt>>,
    pub(crate) gone: Vec<Token>,
}

/// One heartbeat under way.
pub(crate) struct Beat {
    pub(crate) through: u64,
    pub(crate) held: Vec<Held>,
    sent_at: Instant,
    attempts: Vec<Arc<Attempt>>,
}

impl Ward {
    pub(crate) fn new(shared: Arc<TopicShared>, now: Instant) -> Self {
        Self {
            beat_at: now,
            shared,
            through: 0,
            held: BTreeMap::new(),
            check_at: None,
            absence: None,
            missed_cancel: false,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<TopicShared> {
        &self.shared
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(crate) fn take(&mut self, news: News, now: Instant) {
        if self.held.is_empty() {
            self.beat_at = now + self.beat_every();
        }
        self.through = news.through;
        if !news.added.is_empty() && std::mem::take(&mut self.missed_cancel) {
            self.beat_by(now);
        }
        for token in news.gone {
            self.held.remove(&token);
        }
        for attempt in news.added {
            let holding = Holding {
                fence_at: attempt.fence_at,
                time_out_at: attempt.timeout().map(|timeout| attempt.begun_at + timeout),
                cut_off: None,
                is_fenced: false,
                is_lost: false,
                attempt,
            };
            self.check_by(Some(holding.fence_at));
            self.check_by(holding.time_out_at);
            self.check_by(self.absence.as_ref().map(|absence| absence.hear_by));
            self.held.insert(holding.attempt.token, holding);
        }
    }

    fn check_by(&mut self, at: Option<Instant>) {
        self.check_at = [self.check_at, at].into_iter().flatten().min();
    }

    /// When [`check`](Self::check) may have something to do.
    pub(crate) fn check_at(&self) -> Option<Instant> {
        self.check_at
    }

    /// Fires the signals that are due.
    pub(crate) fn check(&mut self, now: Instant) {
        if self.check_at.is_none_or(|at| now < at) {
            return;
        }
        let hear_by = self.absence.as_ref().map(|absence| absence.hear_by);
        if hear_by.is_some_and(|at| now >= at) {
            for holding in self.held.values_mut() {
                holding.fence();
            }
        }
        self.check_at = self
            .held
            .values_mut()
            .filter_map(|holding| holding.check(now))
            .chain(hear_by.filter(|at| now < *at))
            .min();
    }

    /// The presence broke. From now on leases are renewed so often that the others do not miss them for a whole grace.
    pub(crate) fn presence_broke(&mut self, now: Instant, silence_max: Duration) {
        let hear_by = now + silence_max;
        self.absence = Some(Absence {
            since: now,
            silence_max,
            hear_by,
        });
        self.check_by(Some(hear_by));
        self.beat_by(now);
    }

    pub(crate) fn present_again(&mut self, now: Instant) {
        self.absence = None;
        self.beat_by(now);
    }

    /// The backend itself answered what was sent at that time.
    fn heard(&mut self, sent_at: Instant) {
        if let Some(absence) = self.absence.as_mut().filter(|absence| sent_at >= absence.since) {
            absence.hear_by = absence.hear_by.max(sent_at + absence.silence_max);
        }
    }

    /// Between two heartbeats.
    fn beat_every(&self) -> Duration {
        let regular = self.shared.options.heartbeat;
        self.absence
            .as_ref()
            .map_or(regular, |absence| regular.min(absence.silence_max / 2))
    }

    /// When the next heartbeat is due; `None` while nothing is held.
    pub(crate) fn beat_at(&self) -> Option<Instant> {
        (!self.held.is_empty()).then_some(self.beat_at)
    }

    pub(crate) fn beat_by(&mut self, at: Instant) {
        self.beat_at = self.beat_at.min(at);
    }

    pub(crate) fn has_news(&self) -> bool {
        self.held
            .values()
            .any(|holding| holding.attempt.report.has_news())
    }

    /// Lists what is held. The answer must come back by [`answered`](Self::answered) or [`failed`](Self::failed).
    pub(crate) fn beat(&mut self, now: Instant) -> Beat {
        self.beat_at = now + self.beat_every();
        let mut beat = Beat {
            through: self.through,
            held: Vec::with_capacity(self.held.len()),
            sent_at: now,
            attempts: Vec::with_capacity(self.held.len()),
        };
        for holding in self.held.values().filter(|holding| !holding.is_lost) {
            let attempt = &holding.attempt;
            let mut held = Held::new(attempt.id.clone(), attempt.token);
            // An attempt that has ended sends its last report with its settlement.
            if !attempt.has_ended() {
                let report = attempt.report.send();
                (held.progress, held.logs) = (report.progress, report.logs);
            }
            beat.held.push(held);
            beat.attempts.push(Arc::clone(attempt));
        }
        beat
    }

    pub(crate) fn answered(&mut self, beat: Beat, verdicts: &[Verdict]) {
        self.heard(beat.sent_at);
        let fence = fence_at(beat.sent_at, self.shared.options.lock_ttl);
        for (attempt, verdict) in beat.attempts.iter().zip(verdicts) {
            attempt.report.delivered();
            // It may have been settled while the heartbeat was under way.
            let Some(holding) = self.held.get_mut(&attempt.token) else {
                continue;
            };
            match verdict {
                Verdict::Renewed => holding.fence_at = holding.fence_at.max(fence),
                Verdict::Cancelled => {
                    holding.fence_at = holding.fence_at.max(fence);
                    holding.request_cancel();
                }
                Verdict::Lost => holding.lose(),
            }
        }
    }

    /// The heartbeat may or may not have had its effect: the next one comes at `again_at`.
    pub(crate) fn failed(&mut self, beat: Beat, problem: &Error, again_at: Instant) {
        if !matches!(problem, Error::Timeout { .. } | Error::Unavailable { .. }) {
            self.heard(beat.sent_at);
        }
        for attempt in &beat.attempts {
            attempt.report.put_back();
        }
        self.beat_by(again_at);
    }

    /// Somebody asked to cancel a job. If it is not held here yet, the next heartbeat will say so again, and it comes with
    /// the next lease.
    pub(crate) fn cancel(&mut self, id: &JobId) {
        match self.held.values_mut().find(|holding| holding.attempt.id == *id) {
            Some(holding) => holding.request_cancel(),
            None => self.missed_cancel = true,
        }
    }

    /// The grace of a shutdown is over: tells every handler, and cuts off at `cut_at` those that have not ended.
    pub(crate) fn shut_down(&mut self, cut_at: Instant) {
        for holding in self.held.values_mut() {
            holding.fire(Why::ShuttingDown);
            holding.cut_off.get_or_insert((cut_at, Why::ShuttingDown));
        }
        self.check_by(Some(cut_at));
    }
}

impl Holding {
    /// Fires what is due, and answers when to look again.
    fn check(&mut self, now: Instant) -> Option<Instant> {
        if self.attempt.has_ended() {
            return None;
        }
        if now >= self.fence_at {
            self.fence();
        }
        if self.time_out_at.is_some_and(|at| now >= at) {
            self.time_out_at = None;
            self.fire(Why::TimedOut);
            self.cut_off.get_or_insert((now + TIMEOUT_GRACE, Why::TimedOut));
        }
        if let Some((_, why)) = self.cut_off.take_if(|(at, _)| now >= *at) {
            self.attempt.signal.cut_off(why);
        }
        let fence_at = (!self.is_fenced && !self.is_lost).then_some(self.fence_at);
        [fence_at, self.time_out_at, self.cut_off.map(|(at, _)| at)]
            .into_iter()
            .flatten()
            .min()
    }

    /// The lease is not to be trusted any more.
    fn fence(&mut self) {
        if self.is_fenced || self.is_lost || self.attempt.has_ended() {
            return;
        }
        self.is_fenced = true;
        if self.fire(Why::Fenced) {
            let (job, token) = (&self.attempt.id, self.attempt.token);
            warn!(
                topic = %self.attempt.shared.topic, %job, %token,
                "the lease could not be renewed in time, and others may take the job; its handler is told to stop"
            );
        }
    }

    fn fire(&self, why: Why) -> bool {
        !self.attempt.has_ended() && self.attempt.signal.fire(why)
    }

    fn request_cancel(&self) {
        if self.fire(Why::Requested) {
            info!(topic = %self.attempt.shared.topic, job = %self.attempt.id, "the job is asked to stop: cancelled on request");
        }
    }

    fn lose(&mut self) {
        // Whether the outcome of one that has ended is accepted, the answer to its settlement says.
        if self.attempt.has_ended() || self.is_lost {
            return;
        }
        self.is_lost = true;
        if self.fire(Why::Lost) {
            let (job, token) = (&self.attempt.id, self.attempt.token);
            warn!(
                topic = %self.attempt.shared.topic, %job, %token,
                "the lease is lost: the job is somebody else's now; its handler is told to stop"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use oqron_core::{Codec, Lease, Timestamp, TopicName, WorkerId};

    use super::*;
    use crate::CancelReason;
    use crate::options::Options;

    const SECOND: Duration = Duration::from_secs(1);

    fn ward(start: Instant) -> Ward {
        let shared = TopicShared {
            topic: TopicName::new("t").unwrap(),
            worker: WorkerId::new("w").unwrap(),
            options: Options::default(),
            bell: Arc::default(),
        };
        Ward::new(Arc::new(shared), start)
    }

    fn add(ward: &mut Ward, token: u64, start: Instant, timeout: Option<Duration>) -> Arc<Attempt> {
        let id = JobId::new(format!("job-{token}")).unwrap();
        let payload = Codec::Json.encode(&()).unwrap();
        let mut lease = Lease::new(id, Token(token), payload, Timestamp::from_millis(0));
        lease.options.timeout = timeout;
        let fence_at = fence_at(start, ward.shared.options.lock_ttl);
        let (attempt, _) = Attempt::new(Arc::clone(&ward.shared), lease, start, fence_at);
        let news = News {
            topic: 0,
            through: token,
            added: vec![Arc::clone(&attempt)],
            gone: Vec::new(),
        };
        ward.take(news, start);
        attempt
    }

    #[test]
    fn a_lease_that_is_not_renewed_fires_before_its_end_and_one_that_is_does_not() {
        let start = Instant::now();
        let mut ward = ward(start);
        let attempt = add(&mut ward, 1, start, None);
        let beat = ward.beat(start + SECOND * 20);
        ward.answered(beat, &[Verdict::Renewed]);
        ward.check(start + SECOND * 46);
        assert_eq!(attempt.signal.reason(), None);
        assert_eq!(ward.check_at(), Some(start + SECOND * 47));
        ward.check(start + SECOND * 47);
        assert_eq!(attempt.signal.reason(), Some(CancelReason::LeaseLost));
        assert_eq!(
            ward.beat(start + SECOND * 48).held.len(),
            1,
            "it is renewed while the handler runs"
        );
    }

    #[test]
    fn verdicts_reach_the_handler() {
        let start = Instant::now();
        let mut ward = ward(start);
        let (a, b) = (add(&mut ward, 1, start, None), add(&mut ward, 2, start, None));
        let beat = ward.beat(start);
        assert_eq!(beat.through, 2);
        let verdict = |attempt: &Arc<Attempt>| {
            if attempt.token == a.token {
                Verdict::Cancelled
            } else {
                Verdict::Lost
            }
        };
        let verdicts: Vec<Verdict> = beat.attempts.iter().map(verdict).collect();
        ward.answered(beat, &verdicts);
        assert_eq!(a.signal.reason(), Some(CancelReason::Requested));
        assert_eq!(b.signal.reason(), Some(CancelReason::LeaseLost));
        let beat = ward.beat(start);
        assert_eq!(beat.held.len(), 1, "a lost lease is not listed");
        assert_eq!(beat.held[0].token, a.token);
    }

    #[tokio::test]
    async fn a_timeout_fires_and_then_cuts_off() {
        let start = Instant::now();
        let mut ward = ward(start);
        let attempt = add(&mut ward, 1, start, Some(SECOND * 2));
        assert_eq!(ward.check_at(), Some(start + SECOND * 2));
        ward.check(start + SECOND * 2);
        assert_eq!(attempt.signal.reason(), Some(CancelReason::TimedOut));
        assert_eq!(ward.check_at(), Some(start + SECOND * 3));
        ward.check(start + SECOND * 3);
        assert_eq!(attempt.signal.until_cut_off().await, Why::TimedOut);
    }

    #[test]
    fn an_attempt_that_has_ended_is_renewed_in_silence_until_it_is_settled() {
        let start = Instant::now();
        let mut ward = ward(start);
        let attempt = add(&mut ward, 1, start, Some(SECOND));
        attempt.end();
        let beat = ward.beat(start);
        assert_eq!(beat.held.len(), 1);
        ward.answered(beat, &[Verdict::Lost]);
        ward.check(start + SECOND * 100);
        assert_eq!(attempt.signal.reason(), None);
        assert_eq!(ward.beat(start).held.len(), 1);
        let news = News {
            topic: 0,
            through: 2,
            added: Vec::new(),
            gone: vec![attempt.token],
        };
        ward.take(news, start);
        assert!(ward.is_empty());
        assert_eq!(ward.beat_at(), None);
    }

    #[test]
    fn while_the_presence_is_broken_renewals_are_frequent_and_silence_fires_the_signals() {
        let start = Instant::now();
        let mut ward = ward(start);
        let attempt = add(&mut ward, 1, start, None);
        let under_way = ward.beat(start);
        let broke_at = start + SECOND;
        ward.presence_broke(broke_at, SECOND);
        assert_eq!(
            (ward.beat_at(), ward.check_at()),
            (Some(broke_at), Some(broke_at + SECOND))
        );
        // The answer to what was sent before says nothing of what came after.
        ward.answered(under_way, &[Verdict::Renewed]);
        let beat = ward.beat(broke_at + SECOND / 4);
        assert_eq!(ward.beat_at(), Some(broke_at + SECOND * 3 / 4));
        ward.answered(beat, &[Verdict::Renewed]);
        ward.check(broke_at + SECOND);
        assert_eq!(attempt.signal.reason(), None);
        ward.check(broke_at + SECOND * 5 / 4);
        assert_eq!(attempt.signal.reason(), Some(crate::CancelReason::LeaseLost));
    }

    #[test]
    fn a_presence_that_comes_back_in_time_fires_nothing() {
        let start = Instant::now();
        let mut ward = ward(start);
        let attempt = add(&mut ward, 1, start, None);
        ward.presence_broke(start, SECOND);
        ward.present_again(start + SECOND / 2);
        ward.check(start + SECOND * 2);
        assert_eq!(attempt.signal.reason(), None);
    }

    #[test]
    fn a_cancel_that_overtakes_its_lease_is_asked_for_with_the_lease() {
        let start = Instant::now();
        let mut ward = ward(start);
        ward.cancel(&JobId::new("job-1").unwrap());
        add(&mut ward, 1, start, None);
        assert_eq!(ward.beat_at(), Some(start));
        ward.beat(start);
        add(&mut ward, 2, start, None);
        assert_eq!(ward.beat_at(), Some(start + ward.shared.options.heartbeat));
    }

    #[test]
    fn a_failed_heartbeat_comes_again_with_what_it_carried() {
        let start = Instant::now();
        let mut ward = ward(start);
        let attempt = add(&mut ward, 1, start, None);
        attempt
            .report
            .progress(oqron_core::Progress::new(7, "x"), &attempt.shared.bell);
        assert!(ward.has_news());
        let beat = ward.beat(start);
        assert!(!ward.has_news());
        let problem = Error::Invalid {
            what: "test",
            problem: String::new(),
        };
        ward.failed(beat, &problem, start + SECOND);
        assert_eq!(ward.beat_at(), Some(start + SECOND));
        assert_eq!(
            ward.beat(start).held[0].progress,
            Some(oqron_core::Progress::new(7, "x"))
        );
    }
}
