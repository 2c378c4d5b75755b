use oqron_processes::history::Event;
use oqron_processes::script::Step;
use tokio::time::Instant;

use oqron_processes::world::{LOCK_TTL, World, completed, eventually};

on_each_backend!(a_handler_that_blocks_every_thread_keeps_its_leases);

async fn a_handler_that_blocks_every_thread_keeps_its_leases(world: World) {
    let gate = world.gate("gate");
    // The first holds the thread; the second has begun, and cannot go on.
    let held_up = world.add([Step::Wait(gate.clone())]).await;
    let mut first = world
        .worker("first")
        .env("PROCESSES_THREADS", "1")
        .env("OQRON_WORKER_CONCURRENCY", "2")
        .start();
    world.started(&held_up, &first).await;
    let blocking = world.add([Step::Block(gate.clone())]).await;
    let started = world.started(&blocking, &first).await;
    let since = Instant::now();
    // It would take both jobs over if it could.
    let second = world.worker("second").start();
    second.says("working").await;

    eventually("several lifetimes of the lease", async || {
        (since.elapsed() > LOCK_TTL * 4).then_some(())
    })
    .await;
    first.says("every thread of the runtime is blocked").await;
    gate.open().unwrap();

    for job in [&held_up, &blocking] {
        let (ran, record) = completed(job).await;
        assert_eq!(
            (ran.label.as_str(), record.attempts, record.stalls),
            ("first", 1, 0)
        );
        assert!(record.timeline.is_empty(), "{:?}", record.timeline);
        assert_eq!(world.entries_of(Event::Started, job).len(), 1, "it was run twice");
    }
    assert_eq!(started.token, completed(&blocking).await.0.token);
    assert!(
        world.entries(Event::Signalled).is_empty(),
        "a lease was thought to be lost"
    );
    for worker in [&first, &second] {
        let log = worker.log();
        assert!(!log.contains("presence of this worker broke"), "{log}");
    }
    first.stop().await;
    assert_eq!(world.proven().await.stalls, 0);
}
