use oqron_processes::fleet::Fleet;
use oqron_processes::history::Event;
use oqron_processes::world::{World, eventually};

on_each_backend!(a_rolling_restart_under_load_neither_loses_nor_doubles_a_job);

const JOBS: u64 = 700;
const ROUNDS: usize = 2;

async fn a_rolling_restart_under_load_neither_loses_nor_doubles_a_job(world: World) {
    let gate = world.gate("gate");
    gate.open().unwrap();
    let mut fleet = Fleet::start(3, |number| world.loaded_worker(number));
    let mut publisher = world.publisher_process("publisher", &gate, JOBS).start();
    eventually("the first results", async || {
        (world.count(Event::Stored) > 50).then_some(())
    })
    .await;

    for _ in 0..ROUNDS {
        for number in 0..fleet.len() {
            fleet.worker_mut(number).stop().await;
            let ups = world.count(Event::Up);
            fleet.restart(number);
            eventually("the next worker", async || {
                (world.count(Event::Up) > ups).then_some(())
            })
            .await;
        }
    }
    publisher.ended_in_order().await;
    world.drained().await;
    fleet.stop().await;

    let summary = world.proven().await;
    assert_eq!(summary.completed as u64, JOBS, "{summary}");
    // Every lease was settled or given back: nothing was left to run out, and no handler came to a result in vain.
    let facts = (summary.stalls, summary.overlaps, summary.refused);
    assert_eq!(facts, (0, 0, 0), "{summary}");
    assert_eq!(
        world.count(Event::Stored) as u64,
        JOBS,
        "a result was told twice, or never"
    );
}
