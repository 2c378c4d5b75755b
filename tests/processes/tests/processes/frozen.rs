use oqron::TimelineKind;
use oqron_processes::history::Event;
use oqron_processes::script::Step;

use oqron_processes::world::{World, completed, record, timeline};

on_each_backend!(a_frozen_worker_cannot_overwrite_the_result_of_the_next);

async fn a_frozen_worker_cannot_overwrite_the_result_of_the_next(world: World) {
    let gate = world.gate("gate");
    let job = world.add([Step::Wait(gate.clone())]).await;
    let mut first = world.worker("first").start();
    let frozen = world.started(&job, &first).await;
    let second = world.worker("second").start();
    second.says("working").await;

    assert!(first.freeze());
    gate.open_for("second").unwrap();
    let (ran, before) = completed(&job).await;
    assert_eq!((ran.label.as_str(), ran.attempt), ("second", 1));
    assert!(ran.token > frozen.token);

    first.thaw();
    let signalled = world.entry(Event::Signalled, &job, &first).await;
    assert_eq!(signalled.note, "Some(LeaseLost)");
    // Its handler pays no heed and comes to a result.
    gate.open_for("first").unwrap();
    let ended = world.entry(Event::Ended, &job, &first).await;
    assert_eq!((ended.note.as_str(), ended.token), ("ok", frozen.token));
    first.says("the outcome of an attempt was refused").await;
    first.stop().await;

    let after = record(&job).await;
    assert_eq!(after, before, "the frozen worker changed the record");
    assert_eq!((after.attempts, after.stalls), (1, 1));
    assert_eq!(timeline(&after), [TimelineKind::Stalled]);
    assert_eq!(after.timeline[0].worker.as_ref().unwrap().as_str(), frozen.worker);
    let stored = world.entries_of(Event::Stored, &job);
    assert_eq!(stored.len(), 1, "both were told that their result is stored");
    assert_eq!((stored[0].pid, stored[0].token), (second.pid(), ran.token));
    let summary = world.proven().await;
    assert_eq!((summary.overlaps, summary.refused), (1, 1), "{summary}");
}
