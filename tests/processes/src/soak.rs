//! Everything that can happen to processes, mixed at random, round after round, each proven at its end.

use std::ops::Range;
use std::time::Duration;

use oqron_testing::history::Summary;
use rustix::process::Signal;
use tokio::time::Instant;

use crate::chance::Chance;
use crate::fleet::Fleet;
use crate::history::Event;
use crate::load::Load;
use crate::process::{Process, killed_by};
use crate::script::{Gate, Step};
use crate::world::{Backend, LOCK_TTL, PATIENCE, Programs, World, eventually};
use crate::{PLAY, faketime};

/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_millis(20);
/// Between two troubles, in milliseconds.
const TROUBLE_AFTER_MS: (u64, u64) = (20, 700);
/// Jobs of a round.
const JOBS: (u64, u64) = (200, 800);

/// One round: a world of its own, and the seed of everything that is decided in it. What the processes make of it is
/// decided by their machine.
///
/// # Panics
/// If a promise was broken, or a round does not come to its end.
pub async fn round(backend: Backend, programs: Programs, seed: u64) -> Summary {
    let world = World::new(backend, programs).await;
    let mut round = Round::start(&world, Chance::of(seed));
    let deadline = Instant::now() + PATIENCE * 2;
    let mut trouble_at = Instant::now();
    while !round.has_published().await {
        assert!(
            Instant::now() < deadline,
            "the publishers do not come to their end"
        );
        if Instant::now() >= trouble_at {
            round.trouble().await;
            let (from, to) = TROUBLE_AFTER_MS;
            trouble_at = Instant::now() + Duration::from_millis(round.chance.between(from, to));
        }
        round.look_after();
        tokio::time::sleep(TICK).await;
    }
    round.calm_down().await;
    world.proven().await
}

/// What can happen.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Kill,
    Freeze,
    Terminate,
    KillPublisher,
    Abort,
    Block,
    Cancel,
    Pause,
    Resume,
}

const TROUBLES: [Trouble; 11] = [
    Trouble::Kill,
    Trouble::Kill,
    Trouble::Freeze,
    Trouble::Freeze,
    Trouble::Terminate,
    Trouble::KillPublisher,
    Trouble::Abort,
    Trouble::Block,
    Trouble::Cancel,
    Trouble::Pause,
    Trouble::Resume,
];

struct Round<'a> {
    world: &'a World,
    chance: Chance,
    fleet: Fleet<'a>,
    /// When each of the frozen ones goes on.
    frozen: Vec<Option<Instant>>,
    publishers: Vec<Publisher>,
    gate: Gate,
    load: Load,
}

struct Publisher {
    process: Process,
    ids: Range<u64>,
    has_ended: bool,
}

impl<'a> Round<'a> {
    fn start(world: &'a World, mut chance: Chance) -> Self {
        let gate = world.gate("gate");
        gate.open().unwrap();
        let load = chance.choose(&[Load::Quick, Load::Rough]);
        let count = chance.between(2, 5) as usize;
        let concurrency = chance.between(1, 8);
        let threads = chance.between(1, 4);
        let clocks: Vec<&str> = (0..count)
            .map(|_| chance.choose(&["", "", "+1h", "-1h"]))
            .collect();
        let worker = move |number: usize| {
            let worker = world
                .loaded_worker(number)
                .env("PROCESSES_THREADS", threads.to_string())
                .env("OQRON_WORKER_CONCURRENCY", concurrency.to_string());
            match clocks[number] {
                "" => worker,
                clock => faketime::live_at(worker, clock),
            }
        };
        let half = chance.between(JOBS.0, JOBS.1) / 2;
        let mut round = Self {
            world,
            chance,
            fleet: Fleet::start(count, worker),
            frozen: vec![None; count],
            publishers: Vec::new(),
            gate,
            load,
        };
        for ids in [0..half, half..half * 2] {
            let process = round.publish(&ids);
            round.publishers.push(Publisher {
                process,
                ids,
                has_ended: false,
            });
        }
        round
    }

    fn publish(&self, ids: &Range<u64>) -> Process {
        let label = format!("publisher{}", ids.start);
        let builder = self
            .world
            .load_process(&label, &self.gate, ids.clone(), self.load);
        builder.start()
    }

    /// Whether every publisher has come to its end. Until then the topic does not stay paused.
    async fn has_published(&mut self) -> bool {
        for publisher in &mut self.publishers {
            if !publisher.has_ended
                && let Some(status) = publisher.process.end()
            {
                assert!(status.success(), "{status}\n{}", publisher.process.log());
                publisher.has_ended = true;
            }
        }
        self.publishers.iter().all(|publisher| publisher.has_ended)
    }

    /// Lets the frozen go on when their time has come, and starts again who has aborted.
    fn look_after(&mut self) {
        for number in 0..self.frozen.len() {
            if self.frozen[number].is_some_and(|until| Instant::now() >= until) {
                self.fleet.worker(number).thaw();
                self.frozen[number] = None;
            }
        }
        for status in self.fleet.revive() {
            assert_eq!(killed_by(status), Some(Signal::ABORT), "{status}");
        }
    }

    async fn trouble(&mut self) {
        let number = self.chance.between(0, self.fleet.len() as u64) as usize;
        let trouble = self.chance.choose(&TROUBLES);
        match trouble {
            Trouble::Kill => {
                self.fleet.replace(number);
                self.frozen[number] = None;
            }
            Trouble::Freeze if self.frozen[number].is_none() => {
                let long = LOCK_TTL.as_millis() as u64 * 3 / 2;
                let time = Duration::from_millis(self.chance.between(50, long));
                if self.fleet.worker(number).freeze() {
                    self.frozen[number] = Some(Instant::now() + time);
                }
            }
            Trouble::Terminate if self.frozen[number].is_none() => self.terminate(number).await,
            Trouble::KillPublisher => self.kill_publisher(),
            // It takes two processes with it, and is then done.
            Trouble::Abort => drop(self.world.add([Step::AbortUpTo(2)]).await),
            Trouble::Block => drop(self.world.add([Step::BlockFor(LOCK_TTL / 4)]).await),
            Trouble::Cancel => self.cancel().await,
            Trouble::Pause => self.world.operator.pause(&PLAY.name().unwrap()).await.unwrap(),
            Trouble::Resume => self.world.operator.resume(&PLAY.name().unwrap()).await.unwrap(),
            Trouble::Freeze | Trouble::Terminate => {}
        }
    }

    async fn terminate(&mut self, number: usize) {
        let worker = self.fleet.worker_mut(number);
        worker.terminate();
        let status = worker.ended().await;
        // Told to stop before it could listen, or ended by the job that it ran.
        let is_known = [Some(Signal::TERM), Some(Signal::ABORT)].contains(&killed_by(status));
        assert!(
            status.success() || is_known,
            "{status}\n{}",
            self.fleet.worker(number).log()
        );
        self.fleet.restart(number);
    }

    /// The next one adds the same ids again.
    fn kill_publisher(&mut self) {
        let number = self.chance.between(0, self.publishers.len() as u64) as usize;
        if !self.publishers[number].has_ended {
            self.publishers[number].process.kill();
            self.publishers[number].process = self.publish(&self.publishers[number].ids);
        }
    }

    async fn cancel(&mut self) {
        let added = self.world.count(Event::Added) as u64;
        let id = self.chance.between(0, added.max(1)).to_string();
        let job = self.world.queue().job(id).unwrap();
        job.cancel().await.unwrap();
    }

    /// Everybody lives on, and what is left is done.
    async fn calm_down(&mut self) {
        self.world.operator.resume(&PLAY.name().unwrap()).await.unwrap();
        for number in 0..self.frozen.len() {
            if self.frozen[number].take().is_some() {
                self.fleet.worker(number).thaw();
            }
        }
        let deadline = Instant::now() + PATIENCE * 2;
        loop {
            self.look_after();
            let counts = self.world.counts().await;
            if counts.waiting + counts.scheduled + counts.active == 0 {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "not every job comes to its end: {counts:?}"
            );
            tokio::time::sleep(TICK).await;
        }
        // Whoever has just been started can be told to stop once it listens.
        for number in 0..self.fleet.len() {
            let worker = self.fleet.worker(number);
            eventually("a worker that listens", async || {
                worker.log().contains("working").then_some(())
            })
            .await;
        }
        self.fleet.stop().await;
    }
}
