//! Adds of many tasks share round trips, and each has its own answer.

use std::collections::HashSet;
use std::time::Duration;

use futures::future::join_all;
use oqron_core::{Codec, EnqueueOutcome, Error as CoreError};
use oqron_publisher::Error;
use tokio::time::{Instant, sleep};

use crate::world::{Failure, JOBS, World, unavailable};

const ROUND_TRIP: Duration = Duration::from_millis(10);

#[tokio::test(start_paused = true)]
async fn adds_of_many_tasks_share_round_trips_and_each_gets_its_own_answer() {
    let world = World::new().await;
    world.wire.take_for_each_round_trip(ROUND_TRIP);
    let begun = Instant::now();
    let adds = (0..2_000).map(|number: u32| {
        // Queues of the same topic share as well, however many are made of it.
        let queue = world.publisher.queue(JOBS);
        tokio::spawn(async move { (number.to_string(), queue.add(&number.to_string()).await.unwrap()) })
    });
    let mut ids = HashSet::new();
    for added in join_all(adds).await {
        let (payload, job) = added.unwrap();
        let record = job.status().await.unwrap().unwrap();
        assert_eq!(Codec::Json.decode::<String>(&record.payload).unwrap(), payload);
        assert_eq!(job.outcome(), EnqueueOutcome::Created);
        assert!(ids.insert(job.id().clone()));
    }
    let enqueues = world.wire.enqueues();
    assert!(enqueues.len() <= 8, "{} calls for 2,000 adds", enqueues.len());
    assert!(begun.elapsed() < ROUND_TRIP * 8, "{:?}", begun.elapsed());
    assert_eq!(world.counts().await.waiting, 2_000);
}

#[tokio::test(start_paused = true)]
async fn a_lone_add_waits_for_nobody() {
    let world = World::new().await;
    world.wire.take_for_each_round_trip(ROUND_TRIP);
    for calls in 1..=3 {
        let begun = Instant::now();
        world.queue.add(&"a".to_owned()).await.unwrap();
        assert_eq!(
            (begun.elapsed(), world.wire.enqueues().len()),
            (ROUND_TRIP, calls)
        );
        sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_over_a_limit_does_not_spoil_the_batch_of_the_others() {
    let world = World::with_toml("[limits]\npayload_bytes_max = 10").await;
    world.wire.take_for_each_round_trip(ROUND_TRIP);
    let adds = (0..300).map(|number: u32| {
        let queue = world.queue.clone();
        let text = if number % 10 == 7 {
            "far too long".to_owned()
        } else {
            number.to_string()
        };
        tokio::spawn(async move { (number, queue.add(&text).await) })
    });
    for added in join_all(adds).await {
        let (number, answer) = added.unwrap();
        match answer {
            Ok(_) => assert_ne!(number % 10, 7),
            Err(error) => {
                assert_eq!(number % 10, 7, "{error}");
                assert!(
                    matches!(error, Error::Core(CoreError::LimitExceeded { limit: 10, .. })),
                    "{error}"
                );
            }
        }
    }
    assert_eq!(world.counts().await.waiting, 270);
}

#[tokio::test(start_paused = true)]
async fn the_same_id_from_many_tasks_is_made_by_one_of_them() {
    let world = World::new().await;
    world.wire.take_for_each_round_trip(ROUND_TRIP);
    let adds = (0..200).map(|number: u32| {
        let queue = world.queue.clone();
        tokio::spawn(async move {
            let id = format!("id-{}", number % 20);
            (id.clone(), queue.add(&id).job_id(&id).await.unwrap())
        })
    });
    let mut made = HashSet::new();
    for added in join_all(adds).await {
        let (id, job) = added.unwrap();
        assert_eq!(job.id().as_str(), id);
        if job.outcome() == EnqueueOutcome::Created {
            assert!(made.insert(id), "made twice");
        }
    }
    assert_eq!((made.len(), world.counts().await.waiting), (20, 20));
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_backend_is_told_to_all_who_shared_the_call() {
    let world = World::new().await;
    world.wire.take_for_each_round_trip(ROUND_TRIP);
    world
        .wire
        .fail((0..1_000).map(|_| Failure::Before(unavailable())));
    let adds = (0..100).map(|_| {
        let queue = world.queue.clone();
        tokio::spawn(async move { queue.add(&"a".to_owned()).await })
    });
    for added in join_all(adds).await {
        let error = added.unwrap().unwrap_err();
        assert!(
            matches!(error, Error::Core(CoreError::Unavailable { .. })),
            "{error}"
        );
    }
    assert!(
        world.wire.enqueues().len() <= 12,
        "{} calls",
        world.wire.enqueues().len()
    );
}

/// Whoever gives up, in whatever position and moment, neither holds the others up nor takes their jobs away.
#[tokio::test(start_paused = true)]
async fn callers_that_give_up_harm_nobody_else() {
    for seed in 0..20_u64 {
        let world = World::new().await;
        world.wire.take_for_each_round_trip(ROUND_TRIP);
        let adds: Vec<_> = (0..200_u64)
            .map(|number| {
                let queue = world.queue.clone();
                let gives_up_after = (number * 7 + seed * 13) % 10;
                let give_up = Duration::from_millis(5 * gives_up_after + seed % 3);
                tokio::spawn(async move {
                    let text = number.to_string();
                    let add = queue.add(&text).into_future();
                    match number % 3 {
                        0 => tokio::time::timeout(give_up, add).await.ok(),
                        _ => Some(add.await),
                    }
                })
            })
            .collect();
        let mut stayed = 0;
        let all = tokio::time::timeout(Duration::from_secs(10), join_all(adds))
            .await
            .expect("an add hangs");
        for (number, added) in all.into_iter().enumerate() {
            match added.unwrap() {
                Some(answer) => {
                    let record = answer.unwrap().status().await.unwrap().unwrap();
                    assert_eq!(
                        Codec::Json.decode::<String>(&record.payload).unwrap(),
                        number.to_string()
                    );
                    stayed += 1;
                }
                None => assert_eq!(number % 3, 0),
            }
        }
        let waiting = world.counts().await.waiting;
        assert!(
            stayed >= 133 && (stayed..=200).contains(&waiting),
            "{stayed} answers, {waiting} jobs"
        );
        // Whatever was left behind, the next add is as quick as ever.
        let begun = Instant::now();
        world.queue.add(&"next".to_owned()).await.unwrap();
        assert!(begun.elapsed() <= ROUND_TRIP * 3, "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn topics_do_not_wait_for_each_other() {
    let world = World::new().await;
    world.wire.take_for_each_round_trip(ROUND_TRIP);
    let begun = Instant::now();
    let adds = (0..20).map(|number: u32| {
        let name = oqron_core::TopicName::new(format!("topic-{number}")).unwrap();
        let queue = world.publisher.queue(oqron_core::Topic::<u32, u32>::named(&name));
        tokio::spawn(async move { queue.add(&number).await.unwrap() })
    });
    join_all(adds)
        .await
        .into_iter()
        .for_each(|added| drop(added.unwrap()));
    assert_eq!((begun.elapsed(), world.wire.enqueues().len()), (ROUND_TRIP, 20));
}
