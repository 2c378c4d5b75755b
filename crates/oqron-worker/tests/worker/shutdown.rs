use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use oqron_core::{FailureKind, JobState, TimelineKind};
use oqron_worker::{CancelReason, Context, JobError, Worker};
use tokio::time::{Instant, sleep};

use crate::world::{JOBS, Started, World, seconds};

fn endless() -> Worker<u32, u32> {
    Worker::new(JOBS, async |_: Context<u32>| {
        std::future::pending::<Result<u32, JobError>>().await
    })
}

#[tokio::test(start_paused = true)]
async fn handlers_finish_within_the_grace_and_nothing_more_is_claimed() {
    let world = World::new().await;
    let slow = Worker::new(JOBS, async |ctx: Context<u32>| {
        sleep(seconds(20)).await;
        assert_eq!(ctx.cancelled_because(), None);
        Ok(1)
    });
    let worker = world.start(slow).await;
    let running = world.add(1).await;
    let waiting = world.add(2).await;
    sleep(seconds(1)).await;
    let start = Instant::now();
    worker.stop().await;
    let took = start.elapsed();
    assert!(took >= seconds(19) && took < seconds(20), "{took:?}");
    assert_eq!(world.record(&running).await.state, JobState::Completed);
    let left = world.record(&waiting).await;
    assert_eq!((left.state, left.attempts), (JobState::Waiting, 0));
    assert_eq!(world.watch.calls("leave"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_finish_is_released_without_a_lost_attempt_and_runs_elsewhere_at_once() {
    let world = World::new().await;
    let runtime = world
        .runtime()
        .await
        .shutdown_grace(seconds(5))
        .worker(endless())
        .unwrap();
    let worker = Started::new(runtime);
    let job = world.add(1).await;
    sleep(seconds(1)).await;
    assert_eq!(world.record(&job).await.state, JobState::Active);
    let start = Instant::now();
    worker.stop().await;
    let took = start.elapsed();
    assert!(
        took >= seconds(7) && took < seconds(8),
        "the grace, and the time to stop: {took:?}"
    );
    let record = world.record(&job).await;
    assert_eq!(
        (record.state, record.attempts, record.stalls),
        (JobState::Waiting, 0, 0)
    );
    assert_eq!(record.timeline[0].kind, TimelineKind::Released);
    let next = world
        .start(Worker::new(JOBS, async |ctx: Context<u32>| Ok(ctx.attempt())))
        .await;
    assert_eq!(world.ended(&job).await.attempts, 1);
    next.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_stops_for_the_shutdown_is_released_too() {
    let world = World::with_toml("[worker]\nshutdown_grace = \"3s\"").await;
    let obedient = Worker::new(JOBS, async |ctx: Context<u32>| {
        ctx.signal().cancelled().await;
        assert_eq!(ctx.cancelled_because(), Some(CancelReason::ShuttingDown));
        Err::<u32, _>(JobError::cancelled("stopped"))
    });
    let worker = world.start(obedient).await;
    let job = world.add(1).await;
    sleep(seconds(1)).await;
    let start = Instant::now();
    worker.stop().await;
    assert!(
        start.elapsed() >= seconds(3) && start.elapsed() < seconds(4),
        "{:?}",
        start.elapsed()
    );
    let record = world.record(&job).await;
    assert_eq!((record.state, record.attempts), (JobState::Waiting, 0));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_may_run_once_only_is_failed_and_not_released() {
    let world = World::with_toml("[worker]\nshutdown_grace = \"3s\"\nguaranteed_worker = false").await;
    let worker = world.start(endless()).await;
    let job = world.add(1).await;
    sleep(seconds(1)).await;
    worker.stop().await;
    let record = world.record(&job).await;
    assert_eq!(
        (record.state, record.error.unwrap().kind),
        (JobState::Failed, FailureKind::WorkerLost)
    );
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_away_does_not_keep_the_process_from_ending() {
    let world = World::new().await;
    let ran = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&ran);
    let worker = Worker::new(JOBS, move |_: Context<u32>| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Ok(1) }
    });
    let runtime = world
        .runtime()
        .await
        .shutdown_grace(seconds(5))
        .worker(worker)
        .unwrap();
    let worker = Started::new(runtime);
    sleep(seconds(1)).await;
    world.watch.is_down.store(true, Ordering::SeqCst);
    world.add(1).await;
    sleep(seconds(1)).await;
    let start = Instant::now();
    worker.stop().await;
    assert!(start.elapsed() <= seconds(12), "{:?}", start.elapsed());
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}
