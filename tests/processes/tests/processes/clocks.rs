use oqron_processes::chance::Chance;
use oqron_processes::faketime::live_at;
use oqron_processes::fleet::Fleet;
use oqron_processes::history::Event;
use oqron_processes::load::Load;
use oqron_processes::world::{World, eventually};

on_each_backend!(processes_whose_clocks_are_an_hour_off_change_nothing);

const JOBS_EACH: u64 = 200;
const CLOCKS: [&str; 3] = ["+1h", "-1h", "+0"];

async fn processes_whose_clocks_are_an_hour_off_change_nothing(world: World) {
    let gate = world.gate("gate");
    gate.open().unwrap();
    let mut fleet = Fleet::start(3, |number| live_at(world.loaded_worker(number), CLOCKS[number]));
    let ids = |number: u64| number * JOBS_EACH..(number + 1) * JOBS_EACH;
    let mut publishers: Vec<_> = (0..3)
        .map(|number| {
            let label = format!("publisher{number}");
            let publisher = world.load_process(&label, &gate, ids(number), Load::Quick);
            live_at(publisher, CLOCKS[number as usize]).start()
        })
        .collect();
    let mut chance = Chance::new();
    eventually("half of the jobs", async || {
        (world.count(Event::Stored) as u64 > JOBS_EACH * 3 / 2).then_some(())
    })
    .await;
    // Leases go by another clock: whoever dies is replaced in time, and nobody who lives loses a job.
    fleet.replace(chance.between(0, 3) as usize);
    for publisher in &mut publishers {
        publisher.ended_in_order().await;
    }
    world.drained().await;
    fleet.stop().await;

    let summary = world.proven().await;
    assert_eq!(summary.completed as u64, JOBS_EACH * 3, "{summary}");
    assert!(
        summary.stalls <= 4,
        "more than the dead worker held was lost: {summary}"
    );
}
