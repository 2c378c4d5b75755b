//! What is said when a job is added is what is found.

use std::time::{Duration, SystemTime};

use oqron_core::{
    Codec, EnqueueOutcome, ID_WINDOW, JobState, REPEAT_WINDOW, Retention, Retries, Start, Timestamp, Topic,
};

use crate::world::World;

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

#[tokio::test]
async fn a_job_is_found_with_everything_that_was_said() {
    let world = World::new().await;
    let retries = Retries::exponential(4)
        .base_delay(Duration::from_secs(3))
        .max_delay(hours(1));
    let job = world
        .queue
        .add(&"payload".to_owned())
        .job_id("order-7")
        .id_window(hours(48))
        .priority(9)
        .delay(hours(2))
        .retries(retries.clone())
        .retention(Retention::keep_last(5))
        .timeout(Duration::from_millis(1_500))
        .tag("first")
        .tags(["second", "third"])
        .correlation_id("request-1")
        .await
        .unwrap();
    assert_eq!(
        (job.id().as_str(), job.outcome()),
        ("order-7", EnqueueOutcome::Created)
    );
    let record = job.status().await.unwrap().unwrap();
    assert_eq!((&record.id, &record.topic), (job.id(), &job.job().topic));
    assert_eq!(Codec::Json.decode::<String>(&record.payload).unwrap(), "payload");
    assert_eq!(
        (record.state, record.attempts, record.stalls),
        (JobState::Scheduled, 0, 0)
    );
    assert_eq!(record.run_at, record.created_at.after(hours(2)));
    let options = &record.options;
    assert_eq!((options.priority, options.id_window), (9, hours(48)));
    assert_eq!(options.retries, Some(retries.to_settings().unwrap()));
    assert_eq!(options.retention, Retention::keep_last(5));
    assert_eq!(options.timeout, Some(Duration::from_millis(1_500)));
    assert_eq!(options.tags, ["first", "second", "third"]);
    assert_eq!(options.correlation_id.as_deref(), Some("request-1"));
}

#[tokio::test]
async fn what_is_not_said_has_its_default() {
    let world = World::new().await;
    let plain = world
        .queue
        .add(&"a".to_owned())
        .await
        .unwrap()
        .status()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(plain.state, JobState::Waiting);
    let options = &plain.options;
    assert_eq!((options.priority, options.id_window), (0, REPEAT_WINDOW));
    assert_eq!((&options.retries, options.timeout), (&None, None));
    assert_eq!((options.tags.len(), &options.correlation_id), (0, &None));
    assert_eq!(options.retention, Retention::default());
    let given = world
        .queue
        .add(&"a".to_owned())
        .job_id("a")
        .await
        .unwrap()
        .status()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(given.options.id_window, ID_WINDOW);
}

#[tokio::test]
async fn defaults_come_from_the_configuration() {
    let toml = "id_window = \"5h\"\n[retention]\nmax_age = \"3h\"\n[limits]\npayload_bytes_max = 10";
    let world = World::with_toml(toml).await;
    let job = world.queue.add(&"a".to_owned()).job_id("a").await.unwrap();
    let options = job.status().await.unwrap().unwrap().options;
    assert_eq!(
        (options.id_window, options.retention),
        (hours(5), Retention::keep_for(hours(3)))
    );
    // What is said in the code goes first, in whatever order.
    for (number, add) in [
        world.queue.add(&"a".to_owned()).id_window(hours(1)).job_id("b"),
        world.queue.add(&"a".to_owned()).job_id("c").id_window(hours(1)),
    ]
    .into_iter()
    .enumerate()
    {
        let job = add.retention(Retention::forever()).await.unwrap();
        let options = job.status().await.unwrap().unwrap().options;
        assert_eq!(
            (options.id_window, options.retention),
            (hours(1), Retention::forever()),
            "{number}"
        );
    }
}

#[tokio::test]
async fn a_start_can_be_a_time_of_several_kinds() {
    let world = World::new().await;
    let time = Timestamp::from_millis(4_000_000_000_000);
    let system = SystemTime::UNIX_EPOCH + Duration::from_millis(4_000_000_000_000);
    for add in [
        world.queue.add(&"a".to_owned()).run_at(time),
        world.queue.add(&"a".to_owned()).run_at(system),
    ] {
        let record = add.await.unwrap().status().await.unwrap().unwrap();
        assert_eq!((record.state, record.run_at), (JobState::Scheduled, time));
        assert_eq!(record.options.start, Start::At(time));
    }
    let past = world
        .queue
        .add(&"a".to_owned())
        .run_at(Timestamp::from_millis(1))
        .await
        .unwrap();
    assert_eq!(past.status().await.unwrap().unwrap().state, JobState::Waiting);
}

#[tokio::test]
async fn the_same_id_again_is_the_same_job_and_changes_nothing() {
    let world = World::new().await;
    let first = world
        .queue
        .add(&"first".to_owned())
        .job_id("a")
        .priority(3)
        .await
        .unwrap();
    let before = first.status().await.unwrap();
    let second = world
        .queue
        .add(&"second".to_owned())
        .job_id("a")
        .priority(5)
        .await
        .unwrap();
    assert_eq!(
        (second.id(), second.outcome()),
        (first.id(), EnqueueOutcome::Existing)
    );
    assert_eq!(second.status().await.unwrap(), before);
    // Another topic is another job.
    let other = world.publisher.queue(Topic::<String, u32>::new("other"));
    let third = other.add(&"third".to_owned()).job_id("a").await.unwrap();
    assert_eq!(third.outcome(), EnqueueOutcome::Created);
    assert_eq!(world.counts().await.waiting, 1);
}

#[tokio::test]
async fn many_jobs_are_added_in_one_call_and_answered_in_their_order() {
    let world = World::new().await;
    let payloads: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let jobs = world.queue.add_many(&payloads).await.unwrap();
    assert_eq!(world.wire.calls(), 1);
    for (payload, job) in payloads.iter().zip(&jobs) {
        let record = job.status().await.unwrap().unwrap();
        assert_eq!(Codec::Json.decode::<String>(&record.payload).unwrap(), *payload);
    }
    let add = |id: &str| world.queue.add(&id.to_owned()).job_id(id);
    let jobs = world
        .queue
        .add_many([add("a").priority(7), add("b"), add("a")])
        .await
        .unwrap();
    let ids: Vec<_> = jobs
        .iter()
        .map(|job| (job.id().as_str(), job.outcome()))
        .collect();
    use EnqueueOutcome::{Created, Existing};
    assert_eq!(ids, [("a", Created), ("b", Created), ("a", Existing)]);
    assert_eq!(jobs[0].status().await.unwrap().unwrap().options.priority, 7);
    assert_eq!(world.counts().await.waiting, 102);
}

#[tokio::test]
async fn adding_none_is_no_call() {
    let world = World::new().await;
    assert!(world.queue.add_many(&[]).await.unwrap().is_empty());
    assert_eq!(world.wire.calls(), 0);
}

#[tokio::test]
async fn a_payload_travels_in_the_codec_of_its_topic() {
    let world = World::new().await;
    let numbers: Topic<u64, u64> = Topic::new("numbers").codec(Codec::Bincode);
    let job = world.publisher.queue(numbers).add(&7).await.unwrap();
    let record = job.status().await.unwrap().unwrap();
    assert_eq!(Codec::Bincode.decode::<u64>(&record.payload).unwrap(), 7);
    assert!(Codec::Json.decode::<u64>(&record.payload).is_err());
}

#[tokio::test]
async fn a_prepared_job_is_what_would_have_been_added() {
    let world = World::new().await;
    let job = world
        .queue
        .add(&"a".to_owned())
        .job_id("a")
        .priority(2)
        .prepare()
        .unwrap();
    assert_eq!((job.id.as_str(), job.options.priority), ("a", 2));
    assert_eq!(Codec::Json.decode::<String>(&job.payload).unwrap(), "a");
    assert_eq!(world.wire.calls(), 0);
}
