//! Workers and a publisher at work, each a process of its own, while the test breaks what they stand on.

use std::time::Duration;

use tokio::time::Instant;

use crate::fleet::Fleet;
use crate::history::Event;
use crate::load::Load;
use crate::process::{Builder, Process};
use crate::programs::publisher::{MANNER_VARIABLE, Manner, PAUSE_VARIABLE};
use crate::world::{World, eventually_within};

/// Workers of a siege.
pub const WORKERS: usize = 3;
/// For servers that come back and work that goes on, on a machine that does much else.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Between two adds of a lane of the publisher: so that it is at work for as long as the faults last.
const PAUSE_MS: &str = "10";

/// Workers and a publisher at work.
pub struct Siege<'a> {
    world: &'a World,
    jobs: u64,
    fleet: Fleet<'a>,
    publisher: Process,
}

impl<'a> Siege<'a> {
    /// Starts three workers and a publisher of so many jobs, who adds each until it is acknowledged, and waits until they are
    /// in the middle of it.
    pub async fn start(world: &'a World, jobs: u64) -> Self {
        Self::with(world, jobs, Manner::Insisting, |builder| builder).await
    }

    /// The same, with more said about every process.
    pub async fn with(
        world: &'a World,
        jobs: u64,
        manner: Manner,
        more: impl Fn(Builder) -> Builder + 'a,
    ) -> Self {
        let gate = world.gate("siege");
        gate.open().unwrap();
        let publisher = more(world.load_process("publisher", &gate, 0..jobs, Load::Mixed))
            .env(MANNER_VARIABLE, manner.as_str())
            .env(PAUSE_VARIABLE, PAUSE_MS)
            .start();
        let fleet = Fleet::start(WORKERS, move |number| more(world.loaded_worker(number)));
        let siege = Self {
            world,
            jobs,
            fleet,
            publisher,
        };
        siege.goes_on(50).await;
        siege
    }

    /// Waits until so many more jobs are acknowledged and so many more handlers have ended.
    pub async fn goes_on(&self, jobs: usize) {
        let count = || (self.world.count(Event::Added), self.world.count(Event::Stored));
        let before = count();
        eventually_within(PATIENCE, "work goes on", async || {
            let now = count();
            (now.0 >= before.0 + jobs && now.1 >= before.1 + jobs).then_some(())
        })
        .await;
    }

    /// What the publisher was told of adds that were refused, line by line.
    pub fn refusals(&self) -> Vec<String> {
        let log = self.publisher.log();
        log.lines()
            .filter(|line| line.contains("was not added"))
            .map(str::to_owned)
            .collect()
    }

    /// Waits until everything is added and done, and proves it: every job was acknowledged, and none failed for good.
    ///
    /// # Panics
    /// If a promise was broken.
    pub async fn proven(mut self) {
        self.end().await;
        let summary = self.world.proven().await;
        let ended = (summary.acknowledged, summary.completed, summary.failed);
        assert_eq!(ended, (self.jobs as usize, self.jobs as usize, 0), "{summary}");
    }

    /// Waits until everything is added and done, and everybody has ended in order.
    pub async fn end(&mut self) {
        let what = "the end of the publisher";
        let status = eventually_within(PATIENCE, what, async || self.publisher.end()).await;
        assert!(status.success(), "{status}\n{}", self.publisher.log());
        self.world.drained_within(PATIENCE).await;
        self.fleet.stop().await;
    }
}

/// For a fault that has to last: nothing else can be waited for.
pub async fn lasts(time: Duration) {
    tokio::time::sleep_until(Instant::now() + time).await;
}
