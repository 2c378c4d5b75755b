use oqron::TimelineKind;
use oqron::core::{LEASE_EXPIRED, WORKER_GONE};
use oqron_processes::history::Event;
use oqron_processes::script::Step;

use oqron_processes::world::{World, completed, timeline};

on_each_backend!(a_job_of_a_killed_worker_is_finished_by_the_next);

async fn a_job_of_a_killed_worker_is_finished_by_the_next(world: World) {
    let gate = world.gate("gate");
    let job = world.add([Step::Wait(gate.clone())]).await;
    let mut first = world.worker("first").start();
    let lost = world.started(&job, &first).await;
    let second = world.worker("second").start();
    second.says("working").await;

    first.kill();

    let taken_over = world.started(&job, &second).await;
    gate.open().unwrap();
    let (ran, record) = completed(&job).await;
    assert_eq!((ran.label.as_str(), ran.attempt), ("second", 1));
    assert_eq!((record.attempts, record.stalls), (1, 1));
    assert_eq!(timeline(&record), [TimelineKind::Stalled]);
    let stalled = &record.timeline[0];
    assert!(
        [LEASE_EXPIRED, WORKER_GONE].contains(&stalled.reason.as_str()),
        "{stalled:?}"
    );
    assert_eq!(stalled.worker.as_ref().unwrap().as_str(), lost.worker);
    assert!(taken_over.token > lost.token);
    let stored = world.entry(Event::Stored, &job, &second).await;
    assert_eq!(stored.token, ran.token);
    let counted =
        [Event::Started, Event::Ended, Event::Stored].map(|event| world.entries_of(event, &job).len());
    assert_eq!(counted, [2, 1, 1]);
    assert_eq!(world.proven().await.stalls, 1);
}
