//! A process that is frozen: it keeps what it has and does nothing.

use std::time::Duration;

use oqron_core::{Consume, Error, WorkerInfo};

use super::child::Child;
use super::world::{DEADLINE, World, done, eventually};

#[tokio::test]
async fn a_frozen_process_that_holds_nothing_holds_up_nobody() {
    let world = World::with("", |config| config.call_timeout = Duration::from_secs(5)).await;
    let frozen = Child::start("join", &world.path());
    assert_eq!(frozen.told().unwrap(), "joined");
    frozen.freeze();
    let mut worker = world.worker("one");
    let info = WorkerInfo::new(worker.id.clone(), vec![world.topic.clone()], 1, "host");
    let mut presence = world.consume.join(&info).await.unwrap();
    // Also where the first wake-ups go to it, and its mailbox is full.
    for n in 0..200 {
        world.add(&format!("job-{n}")).await.unwrap();
        let leases = worker.claim(1).await;
        assert_eq!(leases.len(), 1);
        worker.settle(&leases[0], done()).await;
        assert!(worker.claim(1).await.is_empty());
    }
    world.add("last").await.unwrap();
    tokio::time::timeout(DEADLINE, presence.next())
        .await
        .unwrap()
        .unwrap();
    frozen.thaw();
    assert!(frozen.told().unwrap().starts_with("Wake"));
}

#[tokio::test]
async fn a_process_that_is_frozen_in_a_write_is_told_of_and_then_all_goes_on() {
    let call_timeout = Duration::from_secs(2);
    let world = World::with("", |config| config.call_timeout = call_timeout).await;
    world.add("before").await.unwrap();
    let holder = Child::start("hold the write lock", &world.path());
    assert_eq!(holder.told().unwrap(), "holds it");
    holder.freeze();

    let began = tokio::time::Instant::now();
    // Some wait for the lock, the others behind them, and all must be told why.
    let adds = (0..8).map(async |n| {
        tokio::time::sleep(Duration::from_millis(n * 200)).await;
        let began = tokio::time::Instant::now();
        (world.add(&format!("during-{n}")).await, began.elapsed())
    });
    for (n, (answer, took)) in futures::future::join_all(adds).await.into_iter().enumerate() {
        match answer {
            Err(error @ Error::Unavailable { .. }) => {
                let text = error.to_string();
                assert!(text.contains("locked") && text.contains("frozen"), "{n}: {text}");
                let holder = format!("process {} ", holder.pid());
                assert!(text.contains(&holder), "{n}: {text}");
            }
            answer => panic!("{n}: {answer:?} after {took:?}"),
        }
        assert!(took < call_timeout * 2, "{n}: {took:?}");
    }
    assert!(began.elapsed() < DEADLINE);
    // Who only reads is not held up.
    assert!(world.find("before").await.is_some());

    holder.thaw();
    assert_eq!(holder.told().unwrap(), "holds it no longer");
    eventually("adds go on", async || world.add("after").await.ok()).await;
    assert!(
        world.find("during-0").await.is_none(),
        "what was refused was not done"
    );
}

#[tokio::test]
async fn who_starts_while_a_process_is_frozen_in_a_write_opens_the_file_and_joins_when_it_goes_on() {
    let world = World::new().await;
    let holder = Child::start("hold the write lock", &world.path());
    assert_eq!(holder.told().unwrap(), "holds it");
    holder.freeze();
    let starting = Child::start("start", &world.path());
    assert_eq!(starting.told().unwrap(), "opened");
    holder.thaw();
    assert_eq!(starting.told().unwrap(), "joined");
}

#[tokio::test]
async fn who_starts_while_a_process_stays_frozen_in_a_write_is_told_which_one() {
    let world = World::new().await;
    let holder = Child::start("hold the write lock", &world.path());
    assert_eq!(holder.told().unwrap(), "holds it");
    holder.freeze();
    let starting = Child::start("start", &world.path());
    assert_eq!(starting.told().unwrap(), "opened");
    let told = starting.told().unwrap();
    let says_whom = format!("kill -CONT {}", holder.pid());
    assert!(
        told.starts_with("Unavailable") && told.contains("frozen") && told.contains(&says_whom),
        "{told}"
    );
}

#[tokio::test]
async fn a_new_file_whose_maker_is_frozen_in_the_middle_is_refused_in_time_and_says_who_that_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let holder = Child::start("hold the write lock", &path);
    assert_eq!(holder.told().unwrap(), "holds it");
    holder.freeze();
    let error = World::try_on(path).await.err().unwrap();
    let text = error.to_string();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert!(text.contains(&format!("process {} ", holder.pid())), "{text}");
}
