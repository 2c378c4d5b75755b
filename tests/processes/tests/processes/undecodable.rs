use oqron::{Codec, FailureKind, JobState, PublishError, TimelineKind, Topic};
use oqron_processes::history::Event;
use oqron_processes::script::{Ran, Script};

use oqron_processes::world::{PATIENCE, World, completed, timeline};

on_each_backend!(a_payload_that_does_not_decode_goes_to_the_dead_letters_and_the_worker_goes_on);

async fn a_payload_that_does_not_decode_goes_to_the_dead_letters_and_the_worker_goes_on(world: World) {
    /// The publisher of another version, which never heard of scripts.
    const OLD: Topic<u32, Ran> = Topic::new("play");
    const OTHER_CODEC: Topic<Script, Ran> = Topic::new("play").codec(Codec::Bincode);
    let old = world.publisher.queue(OLD).add(&7).await.unwrap();
    let other = world
        .publisher
        .queue(OTHER_CODEC)
        .add(&Script::new([]))
        .await
        .unwrap();
    let good = world.add([]).await;
    let mut worker = world
        .worker("worker")
        .env(
            "OQRON_WORKER_RETRIES",
            "{ policy = \"fixed\", max = 3, base_delay = \"10ms\" }",
        )
        .start();

    let (ran, _) = completed(&good).await;
    assert_eq!(ran.label, "worker");
    for (job, hint) in [(&old, "Script"), (&other, "bincode/1")] {
        let error = job.result(PATIENCE).await.unwrap_err();
        let PublishError::JobFailed { failure, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(failure.kind, FailureKind::Codec);
        assert!(
            failure.message.contains("does not decode") && failure.message.contains(hint),
            "{failure}"
        );
        let record = job.status().await.unwrap().unwrap();
        assert_eq!(
            (record.state, record.attempts, record.stalls),
            (JobState::Failed, 1, 0)
        );
        assert_eq!(timeline(&record), [TimelineKind::Failed]);
        assert!(
            world.entries_of(Event::Started, job).is_empty(),
            "its handler was called"
        );
    }
    worker.stop().await;
}
