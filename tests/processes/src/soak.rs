//! Everything that can happen to processes, mixed at random, round after round, each proven at its end.

use std::ops::Range;
use std::process::ExitStatus;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use oqron_testing::history::Summary;
use rustix::process::Signal;
use tokio::time::Instant;

use crate::chance::Chance;
use crate::fleet::Fleet;
use crate::history::Event;
use crate::load::Load;
use crate::process::{Process, killed_by};
use crate::script::{Gate, Script, Step};
use crate::world::{Backend, LOCK_TTL, PATIENCE, Programs, World};
use crate::{PLAY, faketime};

/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_millis(20);
/// Between two troubles, in milliseconds.
const TROUBLE_AFTER_MS: (u64, u64) = (20, 700);
/// Then a call is dropped and made anew, so that it keeps nobody frozen.
const CALL_LASTS_MAX: Duration = Duration::from_millis(500);
/// How long a round makes trouble, in milliseconds.
const ROUND_MS: (u64, u64) = (3_000, 12_000);
/// Jobs that one publisher adds before the next takes its place.
const JOBS_EACH: u64 = 100;
/// Jobs of a round, beside the odd ones: far less than the backends keep, because a record that is gone proves nothing.
const JOBS_MAX: u64 = 1_500;

/// One round: a world of its own, and the seed of everything that is decided in it. What the processes make of it is
/// decided by their machine.
///
/// # Panics
/// If a promise was broken, or a round does not come to its end.
pub fn round(backend: Backend, programs: Programs, seed: u64) -> LocalBoxFuture<'static, Summary> {
    // Boxed, so that the program does not have to know how deep it is.
    Box::pin(one_round(backend, programs, seed))
}

async fn one_round(backend: Backend, programs: Programs, seed: u64) -> Summary {
    let world = World::new(backend, programs).await;
    let mut round = Round::start(&world, Chance::of(seed));
    let (from, to) = ROUND_MS;
    let until = Instant::now() + Duration::from_millis(round.chance.between(from, to));
    let mut trouble_at = Instant::now();
    while Instant::now() < until {
        if Instant::now() >= trouble_at {
            round.trouble().await;
            let (from, to) = TROUBLE_AFTER_MS;
            trouble_at = Instant::now() + Duration::from_millis(round.chance.between(from, to));
        }
        round.look_after();
        round.publish_on();
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
    planned: u64,
    gate: Gate,
    load: Load,
}

struct Publisher {
    process: Process,
    ids: Range<u64>,
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
        let mut round = Self {
            world,
            chance,
            fleet: Fleet::start(count, worker),
            frozen: vec![None; count],
            publishers: Vec::new(),
            planned: 0,
            gate,
            load,
        };
        for _ in 0..2 {
            let next = round.next_publisher();
            round.publishers.push(next);
        }
        round
    }

    fn next_publisher(&mut self) -> Publisher {
        let ids = self.planned..self.planned + JOBS_EACH;
        self.planned = ids.end;
        Publisher {
            process: self.publish(&ids),
            ids,
        }
    }

    fn publish(&self, ids: &Range<u64>) -> Process {
        let label = format!("publisher{}", ids.start);
        let builder = self
            .world
            .load_process(&label, &self.gate, ids.clone(), self.load);
        builder.start()
    }

    /// Puts the next publisher in the place of each that has come to its end.
    fn publish_on(&mut self) {
        for number in 0..self.publishers.len() {
            let publisher = &mut self.publishers[number].process;
            let Some(status) = publisher.end() else { continue };
            let log = publisher.log();
            if was_locked_out(status, &log) {
                self.publishers[number].process = self.publish(&self.publishers[number].ids);
                continue;
            }
            assert!(status.success(), "{status}\n{log}");
            if self.planned < JOBS_MAX {
                self.publishers[number] = self.next_publisher();
            }
        }
    }

    /// Lets the frozen go on when their time has come, and starts again who has aborted.
    fn look_after(&mut self) {
        self.thaw_in_time();
        for (status, log) in self.fleet.revive() {
            let is_known = killed_by(status) == Some(Signal::ABORT) || was_locked_out(status, &log);
            assert!(is_known, "{status}\n{log}");
        }
    }

    fn thaw_in_time(&mut self) {
        for number in 0..self.frozen.len() {
            if self.frozen[number].is_some_and(|until| Instant::now() >= until) {
                self.fleet.worker(number).thaw();
                self.frozen[number] = None;
            }
        }
    }

    /// Looks until there is something. A frozen worker may hold the lock of an SQLite file for as long as it is frozen: so
    /// whatever is refused is tried again, and the frozen go on meanwhile.
    async fn insist<T>(&mut self, what: &str, mut look: impl AsyncFnMut(&mut Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(Some(found)) = tokio::time::timeout(CALL_LASTS_MAX, look(self)).await {
                return found;
            }
            assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
            self.thaw_in_time();
            tokio::time::sleep(TICK).await;
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
            Trouble::Abort => self.add(Step::AbortUpTo(2)).await,
            Trouble::Block => self.add(Step::BlockFor(LOCK_TTL / 4)).await,
            Trouble::Cancel => self.cancel().await,
            Trouble::Pause => self.pause().await,
            Trouble::Resume => self.resume().await,
            Trouble::Freeze | Trouble::Terminate => {}
        }
    }

    async fn terminate(&mut self, number: usize) {
        self.fleet.worker(number).terminate();
        let ended = async |round: &mut Self| round.fleet.worker_mut(number).end();
        let status = self.insist("the end of a worker", ended).await;
        // Told to stop before it could listen, or ended by the job that it ran.
        let log = self.fleet.worker(number).log();
        let is_known = [Some(Signal::TERM), Some(Signal::ABORT)].contains(&killed_by(status));
        assert!(
            status.success() || is_known || was_locked_out(status, &log),
            "{status}\n{log}"
        );
        self.fleet.restart(number);
    }

    /// The next one adds the same ids again.
    fn kill_publisher(&mut self) {
        let number = self.chance.between(0, self.publishers.len() as u64) as usize;
        self.publishers[number].process.kill();
        self.publishers[number].process = self.publish(&self.publishers[number].ids);
    }

    async fn add(&mut self, step: Step) {
        let (script, queue) = (Script::new([step]), self.world.queue());
        let add = async |_: &mut Self| queue.add(&script).await.ok();
        self.insist("an add", add).await;
    }

    async fn cancel(&mut self) {
        let added = self.world.count(Event::Added) as u64;
        let id = self.chance.between(0, added.max(1)).to_string();
        let job = self.world.queue().job(id).unwrap();
        let cancel = async |_: &mut Self| job.cancel().await.ok();
        self.insist("a cancel", cancel).await;
    }

    async fn pause(&mut self) {
        let (topic, operator) = (PLAY.name().unwrap(), &self.world.operator);
        let pause = async |_: &mut Self| operator.pause(&topic).await.ok();
        self.insist("a pause", pause).await;
    }

    async fn resume(&mut self) {
        let (topic, operator) = (PLAY.name().unwrap(), &self.world.operator);
        let resume = async |_: &mut Self| operator.resume(&topic).await.ok();
        self.insist("a resume", resume).await;
    }

    /// Everybody lives on, and what is left is done.
    async fn calm_down(&mut self) {
        self.resume().await;
        for number in 0..self.frozen.len() {
            if self.frozen[number].take().is_some() {
                self.fleet.worker(number).thaw();
            }
        }
        self.planned = JOBS_MAX;
        let published = async |round: &mut Self| {
            round.publish_on();
            let publishers = &mut round.publishers;
            publishers
                .iter_mut()
                .all(|publisher| publisher.process.end().is_some_and(|status| status.success()))
                .then_some(())
        };
        self.insist("the end of the publishers", published).await;
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
        self.fleet.stop().await;
    }
}

/// It began while a frozen process held the lock of the SQLite file, and said so.
fn was_locked_out(status: ExitStatus, log: &str) -> bool {
    status.code() == Some(1) && log.contains("another process has kept the file locked")
}
