use std::time::Duration;

use oqron_processes::chance::Chance;
use oqron_processes::fleet::Fleet;
use oqron_processes::history::Event;
use oqron_processes::world::{World, eventually};
use tokio::time::Instant;

on_each_backend!(
    workers_and_publisher_die_again_and_again_and_every_acknowledged_job_ends_once,
    workers_that_die_at_any_moment_neither_lose_nor_double_a_job
);

/// What the publisher would add if it lived.
const PLANNED: u64 = 600;
/// It is killed when so many are acknowledged.
const ACKNOWLEDGED: usize = 300;
/// A worker is killed each time when so many more handlers have ended.
const ENDS_PER_KILL: usize = 40;

async fn workers_and_publisher_die_again_and_again_and_every_acknowledged_job_ends_once(world: World) {
    let gate = world.gate("gate");
    gate.open().unwrap();
    let mut fleet = Fleet::start(3, |number| world.loaded_worker(number));
    let mut publisher = world.publisher_process("publisher", &gate, PLANNED).start();

    let mut kills = 0;
    let mut chance = Chance::new();
    let mut publishes = true;
    eventually("the last kill", async || {
        if publishes && world.count(Event::Added) >= ACKNOWLEDGED {
            publisher.kill();
            publishes = false;
        }
        if world.count(Event::Ended) >= (kills + 1) * ENDS_PER_KILL {
            fleet.replace(chance.between(0, 3) as usize);
            kills += 1;
        }
        (!publishes && kills >= ACKNOWLEDGED / ENDS_PER_KILL).then_some(())
    })
    .await;
    world.drained().await;
    fleet.stop().await;

    let summary = world.proven().await;
    assert!(summary.acknowledged >= ACKNOWLEDGED, "{summary}");
    assert_eq!((summary.failed, summary.cancelled), (0, 0), "{summary}");
}

/// Jobs of the other test.
const JOBS: u64 = 500;
const KILLS: usize = 20;
/// Between two deaths: shorter and longer than a process needs to start, claim, and work.
const KILL_AFTER_MS: (u64, u64) = (20, 500);

async fn workers_that_die_at_any_moment_neither_lose_nor_double_a_job(world: World) {
    let gate = world.gate("gate");
    gate.open().unwrap();
    let mut fleet = Fleet::start(3, |number| world.loaded_worker(number));
    let mut publisher = world.publisher_process("publisher", &gate, JOBS).start();
    let mut chance = Chance::new();
    let mut kill_at = Instant::now();

    let mut kills = 0;

    eventually("the last kill", async || {
        if Instant::now() >= kill_at {
            fleet.replace(chance.between(0, 3) as usize);
            kill_at =
                Instant::now() + Duration::from_millis(chance.between(KILL_AFTER_MS.0, KILL_AFTER_MS.1));
            kills += 1;
        }
        // A number, and not a part of the work: where processes start slowly, nobody would come to that.
        (kills >= KILLS).then_some(())
    })
    .await;
    publisher.ended_in_order().await;
    world.drained().await;
    fleet.stop().await;

    let summary = world.proven().await;
    assert_eq!(summary.completed as u64, JOBS, "{summary}");
}
