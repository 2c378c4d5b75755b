//! Adds that the backend did not answer.

use std::time::Duration;

use oqron_core::{EnqueueOutcome, Error as CoreError, REPEAT_WINDOW};
use oqron_publisher::Error;
use tokio::time::Instant;

use crate::world::{Failure, World, timeout, unavailable};

const ROUND_TRIP: Duration = Duration::from_millis(10);

/// Every call carried the same jobs.
fn assert_same_ids(world: &World, calls: usize) {
    let enqueues = world.wire.enqueues();
    assert_eq!(enqueues.len(), calls);
    assert!(enqueues.iter().all(|ids| *ids == enqueues[0]), "{enqueues:?}");
}

#[tokio::test(start_paused = true)]
async fn an_add_whose_answer_was_lost_is_repeated_once_with_the_same_id() {
    for has_effect in [false, true] {
        let world = World::new().await;
        let failure = if has_effect {
            Failure::After
        } else {
            Failure::Before
        };
        world.wire.fail([failure(unavailable())]);
        world.wire.take_for_each_round_trip(ROUND_TRIP);
        let begun = Instant::now();
        let job = world.queue.add(&"a".to_owned()).await.unwrap();
        assert_eq!(begun.elapsed(), ROUND_TRIP * 2);
        assert_same_ids(&world, 2);
        assert_eq!(world.counts().await.waiting, 1);
        let outcome = if has_effect {
            EnqueueOutcome::Existing
        } else {
            EnqueueOutcome::Created
        };
        assert_eq!(job.outcome(), outcome);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_answer_was_lost_is_repeated_once_with_the_same_ids() {
    let world = World::new().await;
    world.wire.fail([Failure::After(unavailable())]);
    let jobs = world
        .queue
        .add_many(&["a".to_owned(), "b".to_owned()])
        .await
        .unwrap();
    assert_same_ids(&world, 2);
    assert_eq!((jobs.len(), world.counts().await.waiting), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_stays_away_is_an_error_after_the_second_try() {
    let world = World::new().await;
    world
        .wire
        .fail([Failure::Before(unavailable()), Failure::Before(unavailable())]);
    let error = world.queue.add(&"a".to_owned()).await.unwrap_err();
    assert!(
        matches!(error, Error::Core(CoreError::Unavailable { .. })),
        "{error}"
    );
    assert!(error.is_transient());
    assert_same_ids(&world, 2);
    assert_eq!(world.counts().await.waiting, 0);
    world.queue.add(&"a".to_owned()).await.unwrap();
}

/// It has waited for long enough already.
#[tokio::test(start_paused = true)]
async fn a_backend_that_does_not_answer_in_time_is_an_error_at_once() {
    let world = World::new().await;
    world.wire.fail([Failure::After(timeout())]);
    let error = world.queue.add(&"a".to_owned()).job_id("a").await.unwrap_err();
    assert!(matches!(error, Error::Core(CoreError::Timeout { .. })), "{error}");
    assert_same_ids(&world, 1);
    // With an id of one's own, adding it again is safe.
    let job = world.queue.add(&"a".to_owned()).job_id("a").await.unwrap();
    assert_eq!(job.outcome(), EnqueueOutcome::Existing);
    assert_eq!(world.counts().await.waiting, 1);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_may_wait_goes_on_trying_with_growing_pauses() {
    let world = World::new().await;
    let patience = REPEAT_WINDOW * 5;
    let queue = world.queue.clone().retry_for(patience);
    let errors = (0..8).map(|number| match number % 3 {
        0 => Failure::Before(timeout()),
        1 => Failure::After(unavailable()),
        _ => Failure::Before(unavailable()),
    });
    world.wire.fail(errors);
    let begun = Instant::now();
    let job = queue.add(&"a".to_owned()).await.unwrap();
    assert_same_ids(&world, 9);
    let took = begun.elapsed();
    assert!(
        took > Duration::from_secs(1) && took < Duration::from_secs(60),
        "{took:?}"
    );
    assert_eq!(world.counts().await.waiting, 1);
    // Generated or not, the id is remembered for as long as the add may be repeated.
    let window = job.status().await.unwrap().unwrap().options.id_window;
    assert!(window >= patience, "{window:?}");
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_may_wait_gives_up_in_time() {
    let world = World::new().await;
    let queue = world.queue.clone().retry_for(Duration::from_secs(10));
    world
        .wire
        .fail((0..1_000).map(|_| Failure::Before(unavailable())));
    let begun = Instant::now();
    let error = queue.add(&"a".to_owned()).await.unwrap_err();
    assert!(
        matches!(error, Error::Core(CoreError::Unavailable { .. })),
        "{error}"
    );
    let (took, calls) = (begun.elapsed(), world.wire.enqueues().len());
    assert!(
        took > Duration::from_secs(7) && took <= Duration::from_secs(10),
        "{took:?}"
    );
    assert!((5..50).contains(&calls), "{calls}");
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_by_itself_is_not_repeated() {
    let world = World::new().await;
    let queue = world.queue.clone().retry_for(Duration::from_secs(60));
    let denied = CoreError::AccessDenied {
        backend: "the test's wire".into(),
        problem: "wrong password".into(),
    };
    world.wire.fail([Failure::Before(denied)]);
    let error = queue.add(&"a".to_owned()).await.unwrap_err();
    assert!(
        matches!(error, Error::Core(CoreError::AccessDenied { .. })),
        "{error}"
    );
    assert_same_ids(&world, 1);
}
