//! What a seed decides before anything runs: who takes part, on which terms, what is added, and what goes wrong when.
//!
//! Each seed switches some kinds of faults off altogether, so that the others are seen undisturbed, and so that what holds
//! without a kind of fault can be checked where there is none.

use std::time::Duration;

use crate::chance::Chance;
use crate::task::{Kind, Task};

/// Of a seed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) terms: Terms,
    pub(crate) faults: Faults,
    pub(crate) nodes: usize,
    pub(crate) publishers: usize,
    pub(crate) jobs: Vec<Planned>,
    /// By time.
    pub(crate) events: Vec<(Duration, Event)>,
    /// When the faults stop.
    pub(crate) span: Duration,
}

/// The options of every worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) lease_ttl: Duration,
    pub(crate) heartbeat: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) shutdown_grace: Duration,
    pub(crate) presence: bool,
    pub(crate) presence_grace: Duration,
    pub(crate) concurrency: u32,
    pub(crate) retries: u32,
    pub(crate) retry_delay: Duration,
    pub(crate) max_stalls: u32,
}

/// Which kinds of faults there are, and how many calls of a hundred are hit by the small ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) refused: u32,
    pub(crate) replies_lost: u32,
    /// No answer, not even an error; half of these calls have their effect, some of them late.
    pub(crate) hangs: u32,
    pub(crate) hints_lost: u32,
    pub(crate) crashes: bool,
    pub(crate) freezes: bool,
    pub(crate) partitions: bool,
    /// Who is cut off is refused at once, and not only without an answer.
    pub(crate) partitions_refuse: bool,
    pub(crate) outages: bool,
    pub(crate) presence_breaks: bool,
    pub(crate) clock_jumps: bool,
    pub(crate) stops: bool,
}

impl Faults {
    /// Whether a living worker can lose a lease for other reasons than its own shutdown.
    pub(crate) fn threaten_leases(&self) -> bool {
        self.hangs > 0
            || self.refused > 0
            || self.replies_lost > 0
            || self.crashes
            || self.freezes
            || self.partitions
            || self.outages
            || self.presence_breaks
            || self.clock_jumps
    }

    /// Whether somebody else can own a job before its worker can know it: the backend's clock jumps, or only the backend sees
    /// that a presence broke.
    pub(crate) fn outrun_signals(&self) -> bool {
        self.clock_jumps || self.presence_breaks
    }
}

/// A job and how it is added.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) at: Duration,
    pub(crate) publisher: usize,
    pub(crate) task: Task,
    /// On the topic whose jobs are run at most once.
    pub(crate) at_most_once: bool,
    pub(crate) priority: u32,
    pub(crate) delay: Duration,
    /// Its own, instead of the worker's.
    pub(crate) retries: Option<u32>,
    /// The longest that an attempt may take.
    pub(crate) timeout: Option<Duration>,
    /// Its record goes at the moment of its end.
    pub(crate) is_not_kept: bool,
}

impl Planned {
    pub(crate) fn retries(&self, terms: &Terms) -> u32 {
        self.retries.unwrap_or(terms.retries)
    }
}

/// What happens at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Crash {
        node: usize,
    },
    Stop {
        node: usize,
    },
    Freeze {
        node: usize,
        time: Duration,
    },
    Partition {
        node: usize,
        time: Duration,
        quiet: bool,
    },
    /// The backend goes away for all, and with it every presence.
    Outage {
        time: Duration,
        quiet: bool,
    },
    /// The worker notices it after a while, or at once; the backend as well.
    BreakPresence {
        node: usize,
        noticed_after: Duration,
        seen_after: Duration,
    },
    PutClockForward {
        by: Duration,
    },
    Pause {
        at_most_once: bool,
        time: Duration,
    },
    PauseHere {
        node: usize,
        time: Duration,
    },
    Cancel {
        job: usize,
    },
    Retry {
        job: usize,
    },
    Discard {
        job: usize,
    },
    AddAgain {
        job: usize,
    },
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed, "plan");
        let faults = faults(&mut chance);
        let terms = terms(&mut chance);
        let nodes = chance.number(2..5) as usize;
        let publishers = chance.number(1..4) as usize;
        let span = chance.one_of(&[5, 15, 40, 120].map(Duration::from_secs));
        let count = chance.one_of(&[5, 15, 30, 60]);
        let jobs: Vec<Planned> = (0..count)
            .map(|number| job(&mut chance, number, publishers, span, &terms, &faults))
            .collect();
        let mut events = events(&mut chance, nodes, jobs.len(), span, &faults, &terms);
        events.sort_by_key(|(at, _)| *at);
        Self {
            terms,
            faults,
            nodes,
            publishers,
            jobs,
            events,
            span,
        }
    }

    /// The longest that it may take to come to rest once the faults have stopped: as if one slot ran everything, one job
    /// after the other.
    pub(crate) fn rest_max(&self) -> Duration {
        let work: Duration = self.jobs.iter().map(|job| self.longest(job)).sum();
        work + self.terms.lease_ttl * 4 + Duration::from_secs(120)
    }

    fn longest(&self, job: &Planned) -> Duration {
        let runs = match job.task.kind {
            Kind::Snoozes { times } => times + 1,
            Kind::Kills => self.terms.max_stalls + 2,
            _ => 1,
        } + job.retries(&self.terms);
        let work = Duration::from_millis(job.task.work_ms);
        job.delay + (work + self.terms.retry_delay + Duration::from_secs(8)) * runs
    }
}

fn faults(chance: &mut Chance) -> Faults {
    // One seed of ten has no faults at all: what holds then is the most.
    if chance.percent(10) {
        return Faults::default();
    }
    let mut some = |of: &[u32]| if chance.percent(50) { chance.one_of(of) } else { 0 };
    let (refused, replies_lost, hangs, hints_lost) = (
        some(&[1, 5, 20]),
        some(&[1, 5, 20]),
        some(&[1, 5]),
        some(&[5, 50]),
    );
    let partitions = chance.percent(40);
    Faults {
        refused,
        replies_lost,
        hangs,
        hints_lost,
        crashes: chance.percent(50),
        freezes: chance.percent(40),
        partitions,
        partitions_refuse: partitions && chance.percent(50),
        outages: chance.percent(30),
        presence_breaks: chance.percent(40),
        clock_jumps: chance.percent(15),
        stops: chance.percent(50),
    }
}

fn terms(chance: &mut Chance) -> Terms {
    let lease_ttl = chance.one_of(&[1_000, 2_000, 5_000, 30_000].map(Duration::from_millis));
    Terms {
        lease_ttl,
        heartbeat: lease_ttl / chance.number(2..8),
        call_timeout: chance.one_of(&[500, 2_000, 10_000].map(Duration::from_millis)),
        shutdown_grace: chance.one_of(&[0, 500, 5_000].map(Duration::from_millis)),
        presence: chance.percent(80),
        presence_grace: chance.one_of(&[300, 1_000].map(Duration::from_millis)),
        concurrency: chance.number(1..6),
        retries: chance.number(0..4),
        retry_delay: chance.one_of(&[0, 100, 3_000].map(Duration::from_millis)),
        max_stalls: chance.one_of(&[0, 1, 3, 1_000, 1_000, 1_000]),
    }
}

fn job(
    chance: &mut Chance,
    number: u32,
    publishers: usize,
    span: Duration,
    terms: &Terms,
    faults: &Faults,
) -> Planned {
    let ttl = u64::try_from(terms.lease_ttl.as_millis()).unwrap_or(u64::MAX);
    let work_ms = match chance.number(0..10) {
        0..=2 => 0,
        3..=6 => chance.number(1..1_000).into(),
        7..=8 => chance.number(1_000..5_000).into(),
        // Longer than the lease, which heartbeats renew.
        _ => ttl * 2 + u64::from(chance.number(0..3_000)),
    };
    let times = chance.number(1..4);
    let kind = match chance.number(0..20) {
        0..=7 => Kind::Works,
        8..=10 => Kind::Deaf,
        11..=12 => Kind::Fails { times },
        13 => Kind::Panics { times },
        14 => Kind::FailsForGood,
        15 => Kind::Discards,
        16 => Kind::Snoozes { times },
        17 => Kind::TimesOut,
        18 => Kind::TimesOutDeaf,
        // With an endless patience it would kill workers for ever.
        _ if faults.crashes && terms.max_stalls <= 3 => Kind::Kills,
        _ => Kind::Works,
    };
    let times_out = matches!(kind, Kind::TimesOut | Kind::TimesOutDeaf);
    Planned {
        at: chance.millis(0..u64::try_from(span.as_millis()).unwrap_or(u64::MAX) * 2 / 3),
        publisher: chance.number(0..u32::try_from(publishers).unwrap_or(1)) as usize,
        task: Task {
            number,
            kind,
            work_ms: if times_out { work_ms + 4_000 } else { work_ms },
        },
        at_most_once: chance.percent(25),
        priority: chance.one_of(&[0, 0, 1, 5]),
        delay: chance.one_of(&[0, 0, 0, 200, 5_000].map(Duration::from_millis)),
        retries: chance.percent(20).then(|| chance.number(0..3)),
        timeout: times_out.then(|| Duration::from_millis(1_500)),
        is_not_kept: chance.percent(10),
    }
}

fn events(
    chance: &mut Chance,
    nodes: usize,
    jobs: usize,
    span: Duration,
    faults: &Faults,
    terms: &Terms,
) -> Vec<(Duration, Event)> {
    let mut events = Vec::new();
    let span_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let (nodes, jobs) = (
        u32::try_from(nodes).unwrap_or(1),
        u32::try_from(jobs).unwrap_or(1),
    );
    let ttl_ms = u64::try_from(terms.lease_ttl.as_millis()).unwrap_or(u64::MAX);
    for _ in 0..chance.number(0..40) {
        let at = chance.millis(0..span_ms);
        let node = chance.number(0..nodes) as usize;
        let job = chance.number(0..jobs) as usize;
        let event = match chance.number(0..18) {
            0..=2 if faults.crashes => Event::Crash { node },
            3 if faults.stops => Event::Stop { node },
            4..=5 if faults.freezes => Event::Freeze {
                node,
                time: chance.millis(0..ttl_ms * 3),
            },
            6..=7 if faults.partitions => Event::Partition {
                node,
                time: chance.millis(0..ttl_ms * 3),
                quiet: !faults.partitions_refuse || chance.percent(30),
            },
            8 if faults.outages => Event::Outage {
                time: chance.millis(0..ttl_ms * 6),
                quiet: chance.percent(30),
            },
            9..=10 if faults.presence_breaks => Event::BreakPresence {
                node,
                noticed_after: chance.one_of(&[0, 0, 100, 3_000].map(Duration::from_millis)),
                seen_after: chance.one_of(&[0, 0, 100, 3_000].map(Duration::from_millis)),
            },
            11 if faults.clock_jumps => Event::PutClockForward {
                by: chance.millis(0..ttl_ms * 3),
            },
            12 => Event::Pause {
                at_most_once: chance.percent(30),
                time: chance.millis(0..10_000),
            },
            13 => Event::PauseHere {
                node,
                time: chance.millis(0..10_000),
            },
            14 => Event::Cancel { job },
            15 => Event::Retry { job },
            16 => Event::Discard { job },
            17 => Event::AddAgain { job },
            _ => continue,
        };
        events.push((at, event));
    }
    events
}
