use oqron_processes::chance::Chance;
use oqron_processes::fleet::Fleet;
use oqron_processes::history::Event;
use oqron_processes::world::{LOCK_TTL, World, eventually};
use tokio::time::Instant;

on_each_backend!(workers_that_freeze_under_load_and_come_back_write_over_nothing);

const JOBS: u64 = 700;
const FREEZES: usize = 3;

async fn workers_that_freeze_under_load_and_come_back_write_over_nothing(world: World) {
    let gate = world.gate("gate");
    gate.open().unwrap();
    let mut fleet = Fleet::start(3, |number| world.loaded_worker(number));
    let mut publisher = world.publisher_process("publisher", &gate, JOBS).start();
    let mut chance = Chance::new();

    for freeze in 0..FREEZES {
        let ended = JOBS as usize / 8 * (freeze + 1);
        eventually("the next freeze", async || {
            (world.count(Event::Ended) >= ended).then_some(())
        })
        .await;
        let number = chance.between(0, 3) as usize;
        assert!(fleet.worker(number).freeze());
        let since = Instant::now();
        eventually("the end of its leases", async || {
            (since.elapsed() > LOCK_TTL + LOCK_TTL / 4).then_some(())
        })
        .await;
        fleet.worker(number).thaw();
    }
    publisher.ended_in_order().await;
    world.drained().await;
    fleet.stop().await;

    let summary = world.proven().await;
    assert_eq!(summary.completed as u64, JOBS, "{summary}");
}
