use std::collections::BTreeMap;
use std::time::Duration;

use oqron::{JobState, TimelineKind};
use oqron_processes::history::Event;
use oqron_processes::script::{Script, Step};
use tokio::time::Instant;

use oqron_processes::world::{World, completed, eventually, record, timeline};

on_each_backend!(
    a_worker_that_is_told_to_stop_under_load_loses_no_attempt_and_no_result,
    a_second_signal_ends_at_once
);

const SHORT_JOBS: u64 = 120;

async fn a_worker_that_is_told_to_stop_under_load_loses_no_attempt_and_no_result(world: World) {
    let gate = world.gate("gate");
    let stubborn = [
        world.add([Step::Wait(gate.clone())]).await,
        world.add([Step::Wait(gate.clone())]).await,
    ];
    let short: Vec<Script> = (0..SHORT_JOBS)
        .map(|number| Script::new([Step::Sleep(Duration::from_millis(10 + number % 30))]))
        .collect();
    let short = world.queue().add_many(&short).await.unwrap();
    let worker = |label: &str| {
        world
            .worker(label)
            .env("OQRON_WORKER_CONCURRENCY", "6")
            .env("OQRON_WORKER_SHUTDOWN_GRACE", "1s")
            .start()
    };
    let mut first = worker("first");
    world.completed(20).await;

    first.stop().await;

    let counts = world.counts().await;
    assert_eq!(counts.active, 0, "something is left to its lease: {counts:?}");
    assert!(
        counts.waiting > 2,
        "it stopped when the load was over: {counts:?}"
    );
    for job in &stubborn {
        let signalled = world.entry(Event::Signalled, job, &first).await;
        assert_eq!(signalled.note, "Some(ShuttingDown)");
        let record = record(job).await;
        assert_eq!(
            (record.state, record.attempts, record.stalls),
            (JobState::Waiting, 0, 0)
        );
        assert_eq!(timeline(&record), [TimelineKind::Released]);
    }

    let second = worker("second");
    gate.open().unwrap();
    for job in &stubborn {
        let (ran, record) = completed(job).await;
        assert_eq!((ran.label.as_str(), ran.attempt), ("second", 1));
        assert_eq!((record.attempts, record.stalls), (1, 0));
    }
    let mut by_worker = BTreeMap::<String, usize>::new();
    for job in &short {
        let (ran, record) = completed(job).await;
        assert_eq!((record.attempts, record.stalls), (1, 0));
        // What a turn brought that was under way is given back before it begins.
        let was_given_back = timeline(&record) == [TimelineKind::Released] && ran.label == "second";
        assert!(record.timeline.is_empty() || was_given_back, "{record:?}");
        let [started, ended] = [Event::Started, Event::Ended].map(|event| world.entries_of(event, job));
        assert_eq!((started.len(), ended.len()), (1, 1), "{job:?} ran twice");
        assert_eq!(ended[0].token, ran.token, "{job:?}");
        *by_worker.entry(ran.label).or_default() += 1;
    }
    assert!(
        by_worker["first"] >= 20 && by_worker["second"] > 0,
        "{by_worker:?}"
    );
    drop(second);
    let summary = world.proven().await;
    assert_eq!(
        (summary.stalls, summary.overlaps, summary.refused),
        (0, 0, 0),
        "{summary}"
    );
}

async fn a_second_signal_ends_at_once(world: World) {
    let gate = world.gate("gate");
    let job = world.add([Step::Wait(gate.clone())]).await;
    let mut first = world.worker("first").start();
    world.started(&job, &first).await;
    first.terminate();
    first.says("shutting down").await;
    let begun = Instant::now();
    first.terminate();
    let status = first.ended().await;
    // What a shell answers for a program that SIGTERM ended.
    assert_eq!(status.code(), Some(128 + 15), "{status}");
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "it waited for the grace of 25 s"
    );

    gate.open().unwrap();
    let second = world.worker("second").start();
    let (ran, record) = completed(&job).await;
    assert_eq!(
        (ran.label.as_str(), record.attempts, record.stalls),
        ("second", 1, 1)
    );
    eventually("the end of the second", async || {
        (!world.entries_of(Event::Stored, &job).is_empty()).then_some(())
    })
    .await;
    drop(second);
}
