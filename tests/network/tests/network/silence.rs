//! A server that says nothing: no call hangs, and each error says who is silent.

use std::time::{Duration, Instant};

use oqron::core::{Error, JobRef, ListQuery};
use oqron::{JobState, PublishError, WorkerError};
use oqron_testing::proxy::Weather;

use crate::world::{JOBS, Line, PASSWORD, World, marker, topic, within};

on_each_backend!(
    every_call_of_a_publisher_ends_in_its_time_and_says_who_is_silent,
    every_call_of_an_operator_ends_in_its_time_and_says_who_is_silent,
    connecting_to_a_server_that_says_nothing_ends_in_its_time,
);

const CALL_TIMEOUT: Duration = Duration::from_millis(500);
/// For a busy machine.
const MARGIN: Duration = Duration::from_secs(2);

async fn silent_line(world: &World) -> Line {
    let mut line = world.line().await;
    line.config.call_timeout = CALL_TIMEOUT;
    line
}

/// Who did not answer, where, in how much time, and no password.
fn assert_says_enough(line: &Line, what: &str, error: &Error) {
    let shown = format!("{error} {error:?}");
    assert!(
        shown.contains(&line.proxy.address().to_string()),
        "{what}: {shown}"
    );
    assert!(!shown.contains(PASSWORD), "{what}: {shown}");
    match error {
        Error::Timeout { after, .. } => assert_eq!(*after, CALL_TIMEOUT, "{what}: {shown}"),
        // Before there is a connection, it is one that cannot be opened.
        Error::Unavailable { .. } => assert!(shown.contains('?'), "{what} does not say what to do: {shown}"),
        _ => panic!("{what}: {shown}"),
    }
    assert!(error.is_transient(), "{what}: {shown}");
}

macro_rules! assert_ends {
    ($line:expr, $what:literal, $call:expr) => {
        let begun = Instant::now();
        let error = within(CALL_TIMEOUT * 2 + MARGIN, $what, $call)
            .await
            .map(drop)
            .unwrap_err();
        assert!(
            begun.elapsed() >= CALL_TIMEOUT / 2,
            "{} ends after {:?}",
            $what,
            begun.elapsed()
        );
        assert_says_enough(&$line, $what, &error.into_core());
    };
}

trait IntoCore {
    fn into_core(self) -> Error;
}

impl IntoCore for Error {
    fn into_core(self) -> Error {
        self
    }
}

impl IntoCore for PublishError {
    fn into_core(self) -> Error {
        match self {
            PublishError::Core(error) => error,
            other => panic!("{other}"),
        }
    }
}

impl IntoCore for WorkerError {
    fn into_core(self) -> Error {
        match self {
            WorkerError::Core(error) => error,
            other => panic!("{other}"),
        }
    }
}

async fn every_call_of_a_publisher_ends_in_its_time_and_says_who_is_silent(world: World) {
    let line = silent_line(&world).await;
    let queue = line.warm_queue().await;
    let job = queue.add(&marker("payload")).await.unwrap();
    // Whatever connection is open, and whatever is opened anew.
    line.proxy.set(Weather::BLACKHOLE);
    let text = marker("payload");
    for _ in 0..2 {
        assert_ends!(line, "add", queue.add(&text).into_future());
        assert_ends!(line, "add_many", queue.add_many(std::slice::from_ref(&text)));
        assert_ends!(line, "status", job.status());
        assert_ends!(line, "cancel", job.cancel());
    }
    line.proxy.clear();
    // All that is dead is replaced, at most one call for each of the connections.
    let mut left = 10;
    while let Err(error) = queue.add(&text).await {
        assert_says_enough(&line, "add", &error.into_core());
        left -= 1;
        assert!(left > 0, "the dead connections are not replaced");
    }
}

async fn every_call_of_an_operator_ends_in_its_time_and_says_who_is_silent(world: World) {
    let job = world.add(&marker("payload")).await;
    let job = JobRef::new(topic(), job.id().clone());
    let line = silent_line(&world).await;
    let operator = oqron::operator(&line.config).await.unwrap();
    line.proxy.set(Weather::BLACKHOLE);
    let query = ListQuery {
        topic: topic(),
        state: JobState::Waiting,
        after: None,
        limit: 10,
    };
    assert_ends!(line, "topics", operator.topics());
    assert_ends!(line, "counts", operator.counts(&topic()));
    assert_ends!(line, "list", operator.list(&query));
    assert_ends!(line, "find", operator.find(&job));
    assert_ends!(line, "cancel", operator.cancel(&job));
    assert_ends!(line, "retry", operator.retry(std::slice::from_ref(&job)));
    assert_ends!(line, "discard", operator.discard(std::slice::from_ref(&job)));
    assert_ends!(line, "pause", operator.pause(&topic()));
    assert_ends!(line, "resume", operator.resume(&topic()));
    assert_ends!(line, "purge", operator.purge(&topic(), JobState::Completed));
    assert_ends!(line, "workers", operator.workers());
}

async fn connecting_to_a_server_that_says_nothing_ends_in_its_time(world: World) {
    let line = silent_line(&world).await;
    line.proxy.set(Weather::BLACKHOLE);
    assert_ends!(
        line,
        "a publisher's connect",
        oqron::publisher(line.config.clone())
    );
    assert_ends!(line, "an operator's connect", async {
        oqron::operator(&line.config).await.map(drop)
    });
    assert_ends!(line, "a worker's connect", async {
        oqron::runtime(line.config.clone()).await.map(drop)
    });
    line.proxy.clear();
    let queue = oqron::publisher(line.config.clone()).await.unwrap().queue(JOBS);
    queue.add(&marker("payload")).await.unwrap();
}
