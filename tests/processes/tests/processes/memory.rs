use oqron::{FailureKind, JobState};
use oqron_processes::fleet::Fleet;
use oqron_processes::process::killed_by;
use oqron_processes::script::Step;
use oqron_processes::world::{World, eventually, record};
use rustix::process::Signal;

on_each_backend!(a_job_that_takes_all_memory_becomes_a_dead_letter_and_harms_no_other);

const JOBS: u64 = 300;
/// Enough for a worker with its threads and libraries, and little to fill.
const MEMORY_KIB: u64 = 1_500_000;
const MAX_STALLS: u32 = 2;

async fn a_job_that_takes_all_memory_becomes_a_dead_letter_and_harms_no_other(world: World) {
    let gate = world.gate("gate");
    gate.open().unwrap();
    let greedy = world.add([Step::Allocate]).await;
    let mut fleet = Fleet::start(2, |number| {
        // Whoever dies takes up to three others with it, and each of those may meet the greedy one again.
        let worker = world.worker(&format!("worker{number}"));
        worker
            .env("OQRON_WORKER_CONCURRENCY", "1")
            .env("OQRON_WORKER_MAX_STALLS", MAX_STALLS.to_string())
            .memory_kib(MEMORY_KIB)
    });
    let mut publisher = world.publisher_process("publisher", &gate, JOBS).start();

    let mut deaths = 0;
    eventually("the dead letter", async || {
        for (status, _) in fleet.revive() {
            assert_eq!(killed_by(status), Some(Signal::ABORT), "{status}");
            deaths += 1;
        }
        (record(&greedy).await.state == JobState::Failed).then_some(())
    })
    .await;
    publisher.ended_in_order().await;
    world.drained().await;
    fleet.stop().await;

    let record = record(&greedy).await;
    let failure = record.error.as_ref().unwrap();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Stalled, "stalled 3 times")
    );
    assert_eq!(deaths, MAX_STALLS + 1, "it ran after it was given up");
    let summary = world.proven().await;
    assert_eq!((summary.completed as u64, summary.failed), (JOBS, 1), "{summary}");
    assert_eq!(
        summary.stalls as u32,
        MAX_STALLS + 1,
        "another job was harmed: {summary}"
    );
}
