use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use oqron_core::{Delivery, FailureKind, JobState, TimelineKind};
use oqron_worker::{CancelReason, Context, JobError, Worker};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::world::{JOBS, World, seconds};

/// Counts its runs, and takes as long as its payload says, in seconds.
fn slow(runs: &Arc<AtomicU32>) -> Worker<u32, u32> {
    let runs = Arc::clone(runs);
    Worker::new(JOBS, move |ctx: Context<u32>| {
        runs.fetch_add(1, Ordering::SeqCst);
        async move {
            sleep(seconds((*ctx.data()).into())).await;
            Ok(1)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_job_that_takes_ten_leases_is_renewed_and_runs_once() {
    let world = World::new().await;
    let runs = Arc::default();
    let (first, second) = (world.start(slow(&runs)).await, world.start(slow(&runs)).await);
    let record = world.ended(&world.add(300).await).await;
    assert_eq!(
        (record.state, record.attempts, record.stalls),
        (JobState::Completed, 1, 0)
    );
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    first.stop().await;
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_presence_the_job_of_a_killed_worker_is_taken_milliseconds_after_the_lease() {
    let world = World::with_toml("[worker]\npresence = false").await;
    let runs = Arc::default();
    let killed = world.start(slow(&runs)).await;
    let job = world.add(5).await;
    sleep(seconds(1)).await;
    let heir = world.start(slow(&runs)).await;
    killed.kill().await;
    let killed_at = Instant::now();
    let record = world.ended(&job).await;
    assert_eq!(
        (record.state, record.attempts, record.stalls),
        (JobState::Completed, 1, 1)
    );
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    let recovery = killed_at.elapsed() - seconds(5);
    assert!((seconds(28)..=seconds(30)).contains(&recovery), "{recovery:?}");
    assert_eq!(world.watch.calls("look"), 0);
    heir.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_cannot_renew_stops_its_handler_before_anybody_else_can_own_the_job() {
    let world = World::new().await;
    let (told, mut seen) = mpsc::channel(1);
    let obedient = Worker::new(JOBS, move |ctx: Context<u32>| {
        let told = told.clone();
        async move {
            ctx.signal().cancelled().await;
            let _ = told.send((ctx.cancelled_because(), ctx.elapsed())).await;
            Err::<u32, _>(JobError::cancelled("stopped"))
        }
    });
    world.watch.loses_heartbeats.store(true, Ordering::SeqCst);
    let worker = world.start(obedient).await;
    let job = world.add(1).await;
    let (reason, after) = seen.recv().await.unwrap();
    assert_eq!(reason, Some(CancelReason::LeaseLost));
    assert!(after >= seconds(20) && after < seconds(30), "{after:?}");
    // The lease was not over yet for the backend: the job is given back, and not stalled.
    seen.recv().await.unwrap();
    let record = world.record(&job).await;
    assert_eq!((record.attempts, record.stalls), (1, 0));
    assert_eq!(record.timeline[0].kind, TimelineKind::Released);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_result_that_comes_after_the_lease_was_taken_is_refused_and_the_heirs_counts() {
    let world = World::new().await;
    let runs = Arc::default();
    world.watch.loses_heartbeats.store(true, Ordering::SeqCst);
    // It ignores its signal, and ends long after its lease.
    let late = world.start(slow(&runs)).await;
    let job = world.add(100).await;
    sleep(seconds(1)).await;
    world.watch.loses_heartbeats.store(false, Ordering::SeqCst);
    let record = world.ended(&job).await;
    assert_eq!(
        (record.state, record.stalls),
        (JobState::Completed, 0),
        "a heartbeat in time saves it"
    );

    world.watch.loses_heartbeats.store(true, Ordering::SeqCst);
    let job = world.add(50).await;
    sleep(seconds(1)).await;
    let heir = world.start(slow(&runs)).await;
    sleep(seconds(31)).await;
    world.watch.loses_heartbeats.store(false, Ordering::SeqCst);
    let record = world.ended(&job).await;
    assert_eq!(
        (record.state, record.attempts, record.stalls),
        (JobState::Completed, 1, 1)
    );
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    late.stop().await;
    heir.stop().await;
    assert_eq!(world.record(&job).await, record);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_may_run_once_only_fails_when_its_worker_dies() {
    let world = World::new().await;
    let runs = Arc::default();
    let once = |runs| slow(runs).delivery(Delivery::AtMostOnce);
    let killed = world.start(once(&runs)).await;
    let job = world.add(60).await;
    sleep(seconds(1)).await;
    killed.kill().await;
    let other = world.start(once(&runs)).await;
    let record = world.ended(&job).await;
    assert_eq!(
        (record.state, record.error.unwrap().kind),
        (JobState::Failed, FailureKind::WorkerLost)
    );
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_lease_holds_while_the_outcome_waits_to_be_settled() {
    let world = World::new().await;
    let runs = Arc::default();
    let worker = world.start(slow(&runs)).await;
    let job = world.add(5).await;
    sleep(seconds(1)).await;
    // Turns take effect nowhere for a while; heartbeats do.
    world.watch.loses_turns.store(true, Ordering::SeqCst);
    sleep(seconds(120)).await;
    let record = world.record(&job).await;
    assert_eq!((record.state, record.stalls), (JobState::Active, 0));
    world.watch.loses_turns.store(false, Ordering::SeqCst);
    let rival = world.start(slow(&runs)).await;
    let record = world.ended(&job).await;
    assert_eq!(
        (record.state, record.attempts, record.stalls),
        (JobState::Completed, 1, 0)
    );
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    worker.stop().await;
    rival.stop().await;
}

/// The shortest lease that is allowed works, too.
#[tokio::test(start_paused = true)]
async fn a_lease_of_a_tenth_of_a_second_is_kept() {
    let world = World::new().await;
    let runs = Arc::default();
    let hasty = |runs| {
        slow(runs)
            .lock_ttl(Duration::from_millis(100))
            .heartbeat(Duration::from_millis(30))
    };
    let (first, second) = (world.start(hasty(&runs)).await, world.start(hasty(&runs)).await);
    let record = world.ended(&world.add(5).await).await;
    assert_eq!((record.state, record.stalls), (JobState::Completed, 0));
    first.stop().await;
    second.stop().await;
}
