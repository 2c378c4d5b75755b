use std::time::Duration;

use oqron_processes::fleet::Fleet;
use oqron_processes::history::Event;
use oqron_processes::load::Load;
use oqron_processes::script::Step;
use oqron_processes::world::{LOCK_TTL, World, completed};

on_each_backend!(
    handlers_that_panic_and_block_harm_no_other_job,
    handlers_that_pay_no_heed_to_their_signal_are_settled_by_what_they_did
);

const JOBS: u64 = 600;

async fn handlers_that_panic_and_block_harm_no_other_job(world: World) {
    let gate = world.gate("gate");
    gate.open().unwrap();
    // Two block all threads of both workers for longer than a lease lasts.
    for _ in 0..4 {
        world.add([Step::BlockFor(LOCK_TTL + LOCK_TTL / 4)]).await;
    }
    let mut fleet = Fleet::start(2, |number| world.loaded_worker(number));
    let mut publisher = world
        .load_process("publisher", &gate, 0..JOBS, Load::Rough)
        .start();
    publisher.ended_in_order().await;
    world.drained().await;
    fleet.stop().await;

    let summary = world.proven().await;
    let failed = (0..JOBS).filter(|number| Load::Rough.fails(*number)).count();
    assert_eq!(summary.failed, failed, "{summary}");
    assert_eq!(summary.completed, JOBS as usize + 4 - failed, "{summary}");
    assert_eq!(summary.overlaps, 0, "{summary}");
    // A claim whose answer is under way when the last thread blocks is not known to the heart: what it brings goes back.
    let never_begun = summary.leases - summary.runs;
    assert!(
        summary.stalls <= never_begun,
        "a blocked worker lost the lease of a job that ran: {summary}"
    );
}

async fn handlers_that_pay_no_heed_to_their_signal_are_settled_by_what_they_did(world: World) {
    let gate = world.gate("gate");
    let stubborn = world.add([Step::Wait(gate.clone())]).await;
    let timed = world.add([Step::Wait(gate.clone())]).await;
    for number in 0..100 {
        world.add([Step::Sleep(Duration::from_millis(number % 20))]).await;
    }
    let mut fleet = Fleet::start(2, |number| world.loaded_worker(number));
    for job in [&stubborn, &timed] {
        oqron_processes::world::eventually("both handlers", async || {
            (!world.entries_of(Event::Started, job).is_empty()).then_some(())
        })
        .await;
        job.cancel().await.unwrap();
        oqron_processes::world::eventually("the signal", async || {
            (!world.entries_of(Event::Signalled, job).is_empty()).then_some(())
        })
        .await;
    }
    world.completed(100).await;
    gate.open().unwrap();

    for job in [&stubborn, &timed] {
        let (_, record) = completed(job).await;
        assert_eq!((record.attempts, record.stalls), (1, 0));
    }
    world.drained().await;
    fleet.stop().await;
    let summary = world.proven().await;
    assert_eq!(
        (summary.completed, summary.stalls, summary.refused),
        (102, 0, 0),
        "{summary}"
    );
}
