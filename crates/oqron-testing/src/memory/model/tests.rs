//! The trickier steps, with a time of the test's own. What every backend does is in the conformance suite.

use std::time::Duration;

use oqron_core::{
    Claim, Codec, Delivery, Heartbeat, Held, JobId, JobState, NewJob, Outcome, Retention, Settled,
    Settlement, Start, TimelineKind, Timestamp, TopicName, Turn, Turned, WorkerId, WorkerInfo,
};

use super::{Hint, Model};

const SECOND: Duration = Duration::from_secs(1);
const TTL: Duration = Duration::from_secs(10);

struct World {
    model: Model,
    now: Timestamp,
    topic: TopicName,
}

impl World {
    fn new() -> Self {
        Self {
            model: Model::default(),
            now: Timestamp::from_millis(1_700_000_000_000),
            topic: TopicName::new("t").unwrap(),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }

    fn add(&mut self, id: &str, change: impl FnOnce(&mut NewJob)) -> JobId {
        let id = JobId::new(id).unwrap();
        let mut job = NewJob::new(Codec::Json.encode(&id).unwrap()).with_id(id.clone());
        change(&mut job);
        self.model.topic(&self.topic).enqueue(&[job], self.now);
        id
    }

    fn join(&mut self, worker: &WorkerId) {
        let info = WorkerInfo::new(worker.clone(), vec![self.topic.clone()], 1, "host");
        self.model.workers.join(&info, self.now);
    }

    fn turn(&mut self, worker: &WorkerId, request: u64, settlements: &[Settlement], max: u32) -> Turned {
        let turn = Turn {
            worker,
            topic: &self.topic.clone(),
            line: 0,
            request,
            settlements,
            claim: Some(Claim {
                max,
                lease_ttl: TTL,
                delivery: Delivery::AtLeastOnce,
                max_stalls: 3,
            }),
        };
        self.model.turn(&turn, self.now)
    }

    fn state(&mut self, id: &JobId) -> Option<JobState> {
        self.model.topic(&self.topic).find(id).map(|record| record.state)
    }

    fn woken(&mut self) -> Vec<WorkerId> {
        let hints = self.model.take_hints();
        let worker_of = |(_, hint)| match hint {
            Hint::Wake(worker) => Some(worker),
            _ => None,
        };
        hints.into_iter().filter_map(worker_of).collect()
    }
}

fn worker(name: &str) -> WorkerId {
    WorkerId::new(name).unwrap()
}

fn complete(turned: &Turned) -> Vec<Settlement> {
    let settlement = |lease: &oqron_core::Lease| {
        let result = Codec::Json.encode(&"done").unwrap();
        Settlement::new(lease.id.clone(), lease.token, Outcome::Complete(result))
    };
    turned.leases.iter().map(settlement).collect()
}

#[test]
fn a_lease_is_over_exactly_at_its_end() {
    let mut world = World::new();
    let id = world.add("a", |_| {});
    world.turn(&worker("one"), 1, &[], 1);
    world.pass(TTL - Duration::from_millis(1));
    let turned = world.turn(&worker("two"), 1, &[], 1);
    assert!(turned.leases.is_empty());
    assert_eq!(turned.due_in, Some(Duration::from_millis(1)));
    world.pass(Duration::from_millis(1));
    let turned = world.turn(&worker("two"), 2, &[], 1);
    assert_eq!((turned.leases.len(), turned.leases[0].stalls), (1, 1));
    assert_eq!(world.state(&id), Some(JobState::Active));
}

#[test]
fn an_older_request_that_arrives_late_claims_nothing() {
    let mut world = World::new();
    world.add("a", |_| {});
    let one = worker("one");
    let first = world.turn(&one, 1, &[], 1);
    world.turn(&one, 2, &complete(&first), 1);
    world.add("b", |_| {});
    let late = world.turn(&one, 1, &[], 1);
    assert!(late.leases.is_empty());
    assert_eq!(world.turn(&one, 3, &[], 1).leases.len(), 1);
}

#[test]
fn a_job_that_is_not_kept_leaves_the_count_of_the_others_alone() {
    let mut world = World::new();
    let kept = world.add("kept", |job| job.options.retention = Retention::keep_last(5));
    world.add("gone", |job| job.options.retention = Retention::none());
    let one = worker("one");
    let turned = world.turn(&one, 1, &[], 2);
    world.turn(&one, 2, &complete(&turned), 1);
    let swept = world.model.topic(&world.topic).sweep(world.now);
    assert_eq!((swept.records, swept.more), (0, false));
    assert_eq!(world.state(&kept), Some(JobState::Completed));
}

#[test]
fn an_earlier_job_wakes_one_who_would_sleep_past_it() {
    let mut world = World::new();
    let (one, two) = (worker("one"), worker("two"));
    world.join(&one);
    world.join(&two);
    world.add("in a minute", |job| job.options.start = Start::After(60 * SECOND));
    world.turn(&one, 1, &[], 1);
    world.turn(&two, 1, &[], 1);
    world.woken();

    world.add("in two minutes", |job| {
        job.options.start = Start::After(120 * SECOND)
    });
    assert_eq!(world.woken(), []);
    world.add("in a second", |job| job.options.start = Start::After(SECOND));
    assert_eq!(world.woken(), [one]);
}

#[test]
fn a_heartbeat_leaves_leases_alone_that_its_sender_cannot_know() {
    let mut world = World::new();
    let (a, b) = (world.add("a", |_| {}), world.add("b", |_| {}));
    let one = worker("one");
    let first = world.turn(&one, 1, &[], 1);
    world.turn(&one, 2, &[], 1);
    let held = [Held::new(a.clone(), first.leases[0].token)];
    let mut heartbeat = Heartbeat {
        worker: &one,
        topic: &world.topic.clone(),
        through: 1,
        lease_ttl: TTL,
        held: &held,
    };
    world.model.heartbeat(&heartbeat, world.now);
    assert_eq!(world.state(&b), Some(JobState::Active));
    heartbeat.through = 2;
    world.model.heartbeat(&heartbeat, world.now);
    assert_eq!(world.state(&b), Some(JobState::Waiting));
    assert_eq!(world.state(&a), Some(JobState::Active));
}

#[test]
fn an_expired_lease_settles_until_it_is_reclaimed_and_not_after() {
    let mut world = World::new();
    let id = world.add("a", |_| {});
    let (one, two) = (worker("one"), worker("two"));
    let turned = world.turn(&one, 1, &[], 1);
    world.pass(2 * TTL);
    let stolen = world.turn(&two, 1, &[], 1);
    assert_eq!(
        world.turn(&one, 2, &complete(&turned), 1).settled,
        [Settled::LeaseLost]
    );
    world.pass(2 * TTL);
    assert_eq!(
        world.turn(&two, 2, &complete(&stolen), 1).settled,
        [Settled::Accepted]
    );
    let record = world.model.topic(&world.topic).find(&id).unwrap();
    let kinds: Vec<_> = record.timeline.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [TimelineKind::Stalled]);
}
