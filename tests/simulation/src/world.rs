//! One simulation from its plan to its verdict.

use std::sync::Arc;
use std::time::Duration;

use oqron_core::{Config, JobId, JobRecord, JobRef, JobState, Operate, Records, TopicName};
use oqron_testing::memory::{MemoryOperate, MemoryPublish};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::chance::Chance;
use crate::history::History;
use crate::line::Line;
use crate::node::{Ground, Node};
use crate::plan::{Plan, Planned};
use crate::publisher::{PATIENCE, Service};
use crate::task::{Kind, Task};
use crate::trace::{Reader, Trace};
use crate::verdict::judge;
use crate::weather::Weather;

/// After the faults: workers are present again, and have asked for jobs, also those whose last hint was lost.
const SETTLE: Duration = Duration::from_secs(40);
/// An idle fleet takes up a new job in this time: no answer is slow any more, and no hint is lost.
const PICKED_UP_WITHIN: Duration = Duration::from_millis(500);
/// The jobs that are added when all has come to rest have numbers from here on.
const PROBES: u32 = 1_000_000;

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) ground: Arc<Ground>,
    pub(crate) operate: MemoryOperate,
    pub(crate) nodes: Vec<Arc<Node>>,
    pub(crate) services: Vec<Arc<Service>>,
    fleet: JoinSet<()>,
    pub(crate) tasks: JoinSet<()>,
}

impl World {
    pub(crate) async fn new(
        seed: u64,
        url: &str,
        plan: Plan,
        reader: Reader,
    ) -> Result<Self, oqron_core::Error> {
        let mut config = Config::new(url)?;
        config.call_timeout = plan.terms.call_timeout;
        let trace = Arc::new(Trace::new(reader));
        let weather = Arc::new(Weather::new(plan.faults));
        let history = History::new(Arc::clone(&trace), &plan);
        let ground = Arc::new(Ground {
            config: config.clone(),
            terms: plan.terms,
            trace: Arc::clone(&trace),
            weather: Arc::clone(&weather),
            history: Arc::clone(&history),
        });
        let node = |number| {
            let chance = Chance::new(seed, &format!("node-{number}"));
            Node::new(Arc::clone(&ground), number, chance)
        };
        let nodes: Vec<_> = (0..plan.nodes).map(node).collect();
        let mut services = Vec::new();
        for number in 1..=plan.publishers {
            let who = format!("service-{number}");
            let chance = Chance::new(seed, &who);
            let line = Line::new(
                who,
                Arc::clone(&trace),
                Arc::clone(&weather),
                chance,
                plan.terms.call_timeout,
            );
            let inner = MemoryPublish::connect(&config).await?;
            services.push(Service::new(
                line,
                Arc::clone(&history),
                inner,
                config.clone(),
                plan.terms,
            ));
        }
        Ok(Self {
            operate: MemoryOperate::connect(&config).await?,
            plan,
            ground,
            nodes,
            services,
            fleet: JoinSet::new(),
            tasks: JoinSet::new(),
        })
    }

    /// Runs it, and tells what was violated and what happened.
    pub(crate) async fn run(mut self) -> (Vec<String>, Vec<String>) {
        self.say(format_args!("{:?}", self.plan.terms));
        self.say(format_args!("{:?}", self.plan.faults));
        for node in &self.nodes {
            self.fleet.spawn(Arc::clone(node).run());
        }
        for job in self.plan.jobs.clone() {
            let service = Arc::clone(&self.services[job.publisher]);
            self.tasks.spawn(async move {
                sleep(job.at).await;
                service.add_and_wait(job).await;
            });
        }
        let start = Instant::now();
        for (at, event) in self.plan.events.clone() {
            sleep_until(start + at).await;
            self.bring(event).await;
        }
        sleep_until(start + self.plan.span).await;
        self.heal().await;
        if self.come_to_rest().await {
            self.probe().await;
            self.close().await;
            self.judge().await;
        }
        self.clean().await;
        let history = &self.ground.history;
        (history.take_violations(), self.ground.trace.take())
    }

    /// All faults are over.
    async fn heal(&self) {
        self.say(format_args!("all faults are over"));
        self.ground.weather.clear();
        for process in self.nodes.iter().filter_map(|node| node.process()) {
            process.line.mend();
            process.line.thaw();
            process.pause(false);
        }
        for topic in topics() {
            let _ = self.operate.resume(&topic).await;
        }
    }

    /// Waits until all jobs have ended and everybody knows it. `false`: that takes too long.
    async fn come_to_rest(&mut self) -> bool {
        let limit = Instant::now() + self.plan.rest_max();
        loop {
            while self.tasks.try_join_next().is_some() {}
            if self.tasks.is_empty() && self.is_at_rest().await {
                self.say(format_args!("all is at rest"));
                return true;
            }
            if Instant::now() > limit {
                break;
            }
            sleep(Duration::from_millis(200)).await;
        }
        let mut unfinished = Vec::new();
        for job in &self.plan.jobs {
            let record = self.record(job).await;
            if let Some(record) = record.filter(|record| !record.state.is_finished()) {
                unfinished.push(format!("{} is {}", record.id, record.state));
            }
        }
        self.ground.history.violated(format!(
            "it does not come to rest within {:?}: {} tasks wait; {}",
            self.plan.rest_max(),
            self.tasks.len(),
            unfinished.join(", ")
        ));
        false
    }

    async fn is_at_rest(&self) -> bool {
        for topic in topics() {
            let Ok(counts) = self.operate.counts(&topic).await else {
                return false;
            };
            if counts.scheduled + counts.waiting + counts.active > 0 {
                return false;
            }
        }
        true
    }

    /// A fleet that has lived through all of this takes up a new job at once.
    async fn probe(&self) {
        sleep(SETTLE).await;
        for (number, at_most_once) in [(PROBES, false), (PROBES + 1, true)] {
            let job = Planned {
                at: Duration::ZERO,
                publisher: 0,
                task: Task {
                    number,
                    kind: Kind::Works,
                    work_ms: 0,
                },
                at_most_once,
                priority: 0,
                delay: Duration::ZERO,
                retries: None,
                timeout: None,
                is_not_kept: false,
            };
            self.ground
                .history
                .of(number, |seen| seen.planned = Some(job.clone()));
            let service = Arc::clone(&self.services[0]);
            if timeout(PICKED_UP_WITHIN, service.add_and_wait(job))
                .await
                .is_err()
            {
                self.ground.history.violated(format!(
                    "job-{number} is added to an idle fleet and has not ended within {PICKED_UP_WITHIN:?}"
                ));
            }
        }
    }

    async fn close(&mut self) {
        for node in &self.nodes {
            node.close();
        }
        let ended = async { while self.fleet.join_next().await.is_some() {} };
        if timeout(PATIENCE, ended).await.is_err() {
            self.ground.history.violated("a worker does not shut down");
        }
    }

    async fn judge(&self) {
        let jobs: Vec<Planned> = self.plan.jobs.clone();
        let mut records = std::collections::HashMap::new();
        for job in &jobs {
            if let Some(record) = self.record(job).await {
                records.insert(job.task.number, record);
            }
        }
        let terms = self.plan.terms;
        self.ground.history.check(|number, seen| {
            if number >= PROBES {
                return Vec::new();
            }
            judge(number, seen, records.get(&number), &terms)
        });
        if !self.plan.faults.threaten_leases() {
            let stalled = records.values().find(|record| record.stalls > 0);
            if let Some(record) = stalled {
                self.ground
                    .history
                    .violated(format!("{} stalled, and no fault can have done that", record.id));
            }
        }
    }

    /// A store lives as long as the program, so that thousands of seeds would fill the memory.
    async fn clean(&self) {
        for topic in topics() {
            for state in JobState::ALL
                .into_iter()
                .filter(|state| *state != JobState::Active)
            {
                while self
                    .operate
                    .purge(&topic, state)
                    .await
                    .is_ok_and(|count| count > 0)
                {}
            }
        }
    }

    async fn record(&self, job: &Planned) -> Option<JobRecord> {
        self.operate.find(&job_ref(job)).await.ok().flatten()
    }

    pub(crate) fn say(&self, what: std::fmt::Arguments<'_>) {
        self.ground.trace.say(&"world", what);
    }
}

pub(crate) fn topic(at_most_once: bool) -> TopicName {
    TopicName::new(if at_most_once { "once" } else { "steady" }).expect("it is a valid name")
}

fn topics() -> [TopicName; 2] {
    [topic(false), topic(true)]
}

pub(crate) fn job_ref(job: &Planned) -> JobRef {
    let id = JobId::new(job.task.id()).expect("a word and a number are a valid id");
    JobRef::new(topic(job.at_most_once), id)
}
