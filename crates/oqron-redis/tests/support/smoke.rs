//! A little of everything, for places where the whole suite would take too long.

use std::time::Duration;

use oqron_core::{
    CancelOutcome, Consume, EnqueueOutcome, Finished, JobState, LockName, Locks, Message, Operate, Outcome,
    Presence, Publish, Records, Settled, Settlement, WorkerInfo,
};

use super::{Bench, complete, eventually, worker_id};

async fn message(presence: &mut Box<dyn Presence>) -> Message {
    let message = tokio::time::timeout(Duration::from_secs(10), presence.next()).await;
    message.expect("a message comes").unwrap()
}

/// Adding, working, cancelling, waking, waiting for an end, looking, reclaiming, and locks.
pub(crate) async fn everything_works(bench: &Bench) {
    let info = |name| WorkerInfo::new(worker_id(name), vec![bench.topic.clone()], 1, "host");
    let mut presence = bench.consume.join(&info("w")).await.unwrap();
    assert!(presence.is_seen());
    assert!(bench.claim("w", 1, 1).await.is_empty());
    assert_eq!(bench.add("a").await, EnqueueOutcome::Created);
    assert_eq!(bench.add("a").await, EnqueueOutcome::Existing);
    assert_eq!(message(&mut presence).await, Message::Wake(bench.topic.clone()));

    let leases = bench.claim("w", 2, 1).await;
    assert_eq!(leases.len(), 1);
    let waiting = tokio::spawn({
        let (publish, job) = (bench.publish.clone(), bench.job("a"));
        async move { publish.finished(&job).await }
    });
    let cancelled = bench.operate.cancel(&bench.job("a")).await.unwrap();
    assert_eq!(cancelled, CancelOutcome::Requested);
    assert_eq!(message(&mut presence).await, Message::Cancel(bench.job("a")));
    let turned = bench.turn("w", 3, &[complete(&leases[0])], None).await;
    assert_eq!(turned.settled, [Settled::Accepted]);
    let finished = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    let finished = finished.expect("its end is told").unwrap().unwrap();
    assert!(matches!(finished, Finished::Completed(_)), "{finished:?}");

    let topics = [bench.topic.clone()];
    let look = async || {
        bench
            .consume
            .look(&worker_id("w"), &topics)
            .await
            .unwrap()
            .unwrap()
    };
    let dead = bench.consume.join(&info("dead")).await.unwrap();
    bench.add("b").await;
    assert_eq!(bench.claim("dead", 1, 1).await.len(), 1);
    let sight = look().await;
    assert!(
        sight.others && sight.absent.is_empty() && sight.server_up.is_some(),
        "{sight:?}"
    );
    let workers = bench.operate.workers().await.unwrap();
    assert_eq!(workers.len(), 2);
    drop(dead);
    let absent = eventually("the dead worker is missed", async || {
        let absent = look().await.absent;
        (!absent.is_empty()).then_some(absent)
    })
    .await;
    assert_eq!(bench.consume.reclaim(&absent).await.unwrap(), 1);
    let leases = bench.claim("w", 4, 1).await;
    assert_eq!((leases.len(), leases[0].stalls), (1, 1));
    let released = Outcome::Release {
        reason: "going".into(),
    };
    let settlement = Settlement::new(leases[0].id.clone(), leases[0].token, released);
    assert_eq!(
        bench.turn("w", 5, &[settlement], None).await.settled,
        [Settled::Accepted]
    );
    assert_eq!(bench.find("b").await.unwrap().state, JobState::Waiting);

    let lock = LockName::new("sweeper").unwrap();
    let token = bench
        .consume
        .acquire(&lock, Duration::from_secs(30))
        .await
        .unwrap()
        .unwrap();
    assert!(
        bench
            .consume
            .acquire(&lock, Duration::from_secs(30))
            .await
            .unwrap()
            .is_none()
    );
    assert!(bench.consume.release(&lock, token).await.unwrap());
    assert_eq!(bench.operate.topics().await.unwrap(), topics);
    bench.consume.sweep(&bench.topic).await.unwrap();
    presence.leave().await.unwrap();
}
