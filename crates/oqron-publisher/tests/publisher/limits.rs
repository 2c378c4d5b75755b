//! What is over a limit is refused with the limit in the error, and nothing is written.

use std::time::Duration;

use oqron_core::limits::{
    CORRELATION_ID_BYTES_MAX, DURATION_MAX, ENQUEUE_BYTES_MAX, ENQUEUE_JOBS_MAX, JOB_ID_BYTES_MAX,
    PRIORITY_MAX, TAG_BYTES_MAX, TAGS_MAX,
};
use oqron_core::{Error as CoreError, Retention, Retries, Topic};
use oqron_publisher::{Add, Error};

use crate::world::{World, topic};

type Change = Box<dyn Fn(Add<String, u32>) -> Add<String, u32>>;

/// What is refused, and what its error must show.
fn refused() -> Vec<(&'static str, Change, Vec<String>)> {
    fn case(
        what: &'static str,
        change: impl Fn(Add<String, u32>) -> Add<String, u32> + 'static,
        shown: &[&dyn ToString],
    ) -> (&'static str, Change, Vec<String>) {
        (
            what,
            Box::new(change),
            shown.iter().map(|text| text.to_string()).collect(),
        )
    }
    let too_long = DURATION_MAX + Duration::from_secs(1);
    let seconds = DURATION_MAX.as_secs();
    vec![
        case("an empty id", |add| add.job_id(""), &[&"id"]),
        case(
            "a long id",
            |add| add.job_id("x".repeat(JOB_ID_BYTES_MAX + 1)),
            &[&"id", &JOB_ID_BYTES_MAX],
        ),
        case("a control character", |add| add.job_id("a\nb"), &[&"id", &"\\n"]),
        case(
            "a priority",
            |add| add.priority(PRIORITY_MAX + 1),
            &[&"priority", &(PRIORITY_MAX + 1), &PRIORITY_MAX],
        ),
        case(
            "many tags",
            |add| add.tags((0..=TAGS_MAX).map(|number| number.to_string())),
            &[&"tags", &(TAGS_MAX + 1), &TAGS_MAX],
        ),
        case(
            "a long tag",
            |add| add.tag("x".repeat(TAG_BYTES_MAX + 1)),
            &[&"tag", &(TAG_BYTES_MAX + 1), &TAG_BYTES_MAX],
        ),
        case(
            "a long correlation id",
            |add| add.correlation_id("x".repeat(CORRELATION_ID_BYTES_MAX + 1)),
            &[&"correlation id", &CORRELATION_ID_BYTES_MAX],
        ),
        case("a delay", move |add| add.delay(too_long), &[&"delay", &seconds]),
        case(
            "a timeout",
            move |add| add.timeout(too_long),
            &[&"timeout", &seconds],
        ),
        case(
            "a timeout of nothing",
            |add| add.timeout(Duration::ZERO),
            &[&"timeout", &"0s"],
        ),
        case(
            "a retention",
            move |add| add.retention(Retention::keep_for(too_long)),
            &[&"retention", &seconds],
        ),
        case(
            "an id window",
            move |add| add.id_window(too_long),
            &[&"id window", &seconds],
        ),
        case(
            "a policy in code",
            |add| add.retries(Retries::custom(3, |_, _| Duration::ZERO)),
            &[&"custom"],
        ),
        // The first problem is the one that is told.
        case(
            "two problems",
            |add| add.job_id("").timeout(Duration::ZERO).job_id("good"),
            &[&"id"],
        ),
    ]
}

fn assert_shows(what: &str, error: &Error, shown: &[String]) {
    let text = error.to_string();
    for part in shown {
        assert!(text.contains(part.as_str()), "{what}: {part} is not in {text:?}");
    }
    assert!(!error.is_transient(), "{what}: {text}");
}

#[tokio::test]
async fn what_is_over_a_limit_is_refused_with_the_limit_and_nothing_is_written() {
    let world = World::new().await;
    for (what, change, shown) in refused() {
        let error = change(world.queue.add(&"a".to_owned())).await.unwrap_err();
        assert_shows(what, &error, &shown);
    }
    assert_eq!(world.wire.calls(), 0);
}

#[tokio::test]
async fn one_job_over_a_limit_keeps_all_of_a_batch_from_being_written() {
    let world = World::new().await;
    for (what, change, shown) in refused() {
        let good = || world.queue.add(&"a".to_owned());
        let error = world
            .queue
            .add_many([good(), change(good()), good()])
            .await
            .unwrap_err();
        assert_shows(what, &error, &shown);
    }
    assert_eq!(world.wire.calls(), 0);
    assert_eq!(world.counts().await.waiting, 0);
}

#[tokio::test]
async fn what_is_just_within_the_limits_is_taken() {
    let world = World::new().await;
    let id = "x".repeat(JOB_ID_BYTES_MAX);
    let job = world
        .queue
        .add(&"a".to_owned())
        .job_id(&id)
        .priority(PRIORITY_MAX)
        .tags((0..TAGS_MAX).map(|_| "x".repeat(TAG_BYTES_MAX)))
        .correlation_id("x".repeat(CORRELATION_ID_BYTES_MAX))
        .timeout(DURATION_MAX)
        .retention(Retention::keep_for(DURATION_MAX))
        .delay(DURATION_MAX)
        .await
        .unwrap();
    assert_eq!(job.status().await.unwrap().unwrap().id.as_str(), id);
}

#[tokio::test]
async fn the_limit_of_a_payload_is_in_the_configuration() {
    let world = World::with_toml("[limits]\npayload_bytes_max = 10").await;
    // With its quotes.
    world.queue.add(&"12345678".to_owned()).await.unwrap();
    let error = world.queue.add(&"123456789".to_owned()).await.unwrap_err();
    assert_shows("a payload", &error, &["payload".into(), "11".into(), "10".into()]);
    let over = ["a".to_owned(), "123456789".to_owned()];
    assert!(world.queue.add_many(&over).await.is_err());
    assert_eq!((world.wire.calls(), world.counts().await.waiting), (1, 1));
}

#[tokio::test]
async fn a_batch_has_limits_of_its_own() {
    let world = World::with_toml("[limits]\npayload_bytes_max = 100_000_000").await;
    let many = vec![String::new(); ENQUEUE_JOBS_MAX + 1];
    let error = world.queue.add_many(&many).await.unwrap_err();
    let limit = ENQUEUE_JOBS_MAX.to_string();
    assert_shows("many jobs", &error, &[limit, (ENQUEUE_JOBS_MAX + 1).to_string()]);
    let large = vec!["x".repeat(ENQUEUE_BYTES_MAX / 4); 4];
    let error = world.queue.add_many(&large).await.unwrap_err();
    assert_shows(
        "large jobs",
        &error,
        &[ENQUEUE_BYTES_MAX.to_string(), "payload bytes".into()],
    );
    assert_eq!(world.wire.calls(), 0);
    let jobs = world.queue.add_many(&many[..ENQUEUE_JOBS_MAX]).await.unwrap();
    assert_eq!((jobs.len(), world.wire.calls()), (ENQUEUE_JOBS_MAX, 1));
}

#[tokio::test]
async fn a_topic_that_is_not_valid_is_an_error_of_the_add() {
    let world = World::new().await;
    let queue = world.publisher.queue(Topic::<String, u32>::new("no spaces"));
    let text = "a".to_owned();
    let errors = [
        queue.add(&text).await.map(drop).unwrap_err(),
        queue.add_many(&[text]).await.map(drop).unwrap_err(),
        queue.job("a").map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(
            matches!(error, Error::Core(CoreError::InvalidName { .. })),
            "{error}"
        );
        assert_shows("a topic", &error, &["no spaces".into()]);
    }
    assert!(world.queue.job("").is_err());
    assert_eq!(world.wire.calls(), 0);
    assert_eq!(world.queue.job("a").unwrap().job().topic, topic());
}

#[tokio::test]
async fn a_payload_that_cannot_be_written_is_refused() {
    let world = World::new().await;
    let keyed: Topic<std::collections::HashMap<(u8, u8), u8>, u32> = Topic::new("keyed");
    let payload = [((1, 2), 3)].into();
    let error = world
        .publisher
        .queue(keyed)
        .add(&payload)
        .await
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, Error::Core(CoreError::Encode { .. })), "{error}");
    assert_shows("a map", &error, &["HashMap".into(), "key".into()]);
    assert_eq!(world.wire.calls(), 0);
}
