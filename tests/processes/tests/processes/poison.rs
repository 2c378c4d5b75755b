use oqron::{FailureKind, JobState, TimelineKind};
use oqron_processes::history::Event;
use oqron_processes::script::{Script, Step};
use rustix::process::Signal;

use oqron_processes::process::killed_by;
use oqron_processes::world::{World, completed, eventually, record, timeline};

on_each_backend!(a_payload_that_kills_its_worker_becomes_a_dead_letter_while_others_are_done);

async fn a_payload_that_kills_its_worker_becomes_a_dead_letter_while_others_are_done(world: World) {
    let poison = world.add([Step::Abort]).await;
    let harmless: Vec<Script> = (0..20).map(|_| Script::new([])).collect();
    let harmless = world.queue().add_many(&harmless).await.unwrap();
    let worker = || world.worker("worker").env("OQRON_WORKER_MAX_STALLS", "2").start();

    // What systemd or Kubernetes do.
    let mut running = worker();
    let mut deaths = 0;
    eventually("the dead letter", async || {
        if let Some(status) = running.end() {
            assert_eq!(
                killed_by(status),
                Some(Signal::ABORT),
                "{status}\n{}",
                running.log()
            );
            deaths += 1;
            running = worker();
        }
        (record(&poison).await.state == JobState::Failed).then_some(())
    })
    .await;

    for job in &harmless {
        let (_, record) = completed(job).await;
        assert_eq!((record.attempts, record.stalls), (1, 0));
        assert_eq!(
            world.entries_of(Event::Started, job).len(),
            1,
            "{job:?} ran twice"
        );
    }
    let record = record(&poison).await;
    let failure = record.error.as_ref().unwrap();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Stalled, "stalled 3 times")
    );
    assert_eq!(record.stalls, 3);
    use TimelineKind::{Failed, Stalled};
    assert_eq!(timeline(&record), [Stalled, Stalled, Stalled, Failed]);
    let tokens: Vec<u64> = world
        .entries_of(Event::Started, &poison)
        .iter()
        .map(|entry| entry.token)
        .collect();
    assert_eq!((tokens.len(), deaths), (3, 3), "it ran after it was given up");
    assert!(tokens.is_sorted_by(|a, b| a < b), "{tokens:?}");
    running.stop().await;
    let summary = world.proven().await;
    assert_eq!(
        (summary.completed, summary.failed, summary.stalls),
        (20, 1, 3),
        "{summary}"
    );
}
