use std::collections::BTreeMap;

use oqron::{EnqueueOutcome, JobState};
use oqron_processes::PLAY;
use oqron_processes::history::Event;
use oqron_processes::script::Script;

use oqron_processes::world::{World, eventually, record};

on_each_backend!(publishers_that_race_on_an_id_make_one_job_that_runs_once);

const JOBS: u64 = 100;

async fn publishers_that_race_on_an_id_make_one_job_that_runs_once(world: World) {
    let gate = world.gate("gate");
    let mut publishers =
        ["ada", "bob", "cyd"].map(|label| world.publisher_process(label, &gate, JOBS).start());
    let workers =
        ["first", "second"].map(|label| world.worker(label).env("OQRON_WORKER_CONCURRENCY", "4").start());
    eventually("all processes", async || {
        (world.count(Event::Up) == 5).then_some(())
    })
    .await;

    gate.open().unwrap();
    for publisher in &mut publishers {
        let status = publisher.ended().await;
        assert!(status.success(), "{status}\n{}", publisher.log());
    }
    world.completed(JOBS).await;
    for mut worker in workers {
        worker.stop().await;
    }

    let mut makers = BTreeMap::<String, Vec<String>>::new();
    for added in world.entries(Event::Added) {
        let made = makers.entry(added.job).or_default();
        if added.note == format!("{:?}", EnqueueOutcome::Created) {
            made.push(added.label);
        }
    }
    assert_eq!(makers.len() as u64, JOBS);
    assert_eq!(world.counts().await.completed, JOBS);
    for (id, made_by) in makers {
        let job = world.queue().job(&id).unwrap();
        let record = record(&job).await;
        assert_eq!((record.state, record.stalls), (JobState::Completed, 0), "{id}");
        let payload: Script = PLAY.codec_in_use().decode(&record.payload).unwrap();
        assert_eq!(
            made_by,
            [payload.author],
            "{id} is not the job of the one who was told so"
        );
        let started = world.entries_of(Event::Started, &job).len();
        assert_eq!(started, record.attempts as usize, "{id} ran more than once");
        let stored = world.entries_of(Event::Stored, &job).len();
        assert_eq!(stored, 1, "{id} ended more than once");
    }
    let summary = world.proven().await;
    assert_eq!((summary.stalls, summary.overlaps), (0, 0), "{summary}");
}
