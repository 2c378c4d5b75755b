use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use oqron_core::JobState;
use oqron_worker::{Context, Error, JobError, Runtime, Worker};
use tokio::time::{Instant, sleep};

use crate::world::{JOBS, World, seconds};

/// Remembers which jobs ran, and finds out when one runs twice.
fn once(ran: &Arc<Mutex<HashSet<u32>>>) -> Worker<u32, u32> {
    let ran = Arc::clone(ran);
    Worker::new(JOBS, move |ctx: Context<u32>| {
        let is_new = ran.lock().unwrap().insert(*ctx.data());
        async move {
            sleep(seconds(1)).await;
            if is_new {
                Ok(1)
            } else {
                Err(JobError::new("it ran twice"))
            }
        }
    })
}

#[tokio::test(start_paused = true)]
async fn replies_that_are_lost_after_their_effect_cost_no_job_and_no_second_run() {
    let world = World::new().await;
    let ran = Arc::default();
    let worker = world.start(once(&ran).concurrency(3)).await;
    let mut jobs = Vec::new();
    for number in 0..30 {
        world.watch.turn_replies_to_lose.store(2, Ordering::SeqCst);
        jobs.push(world.add(number).await);
        sleep(seconds(1)).await;
    }
    for job in &jobs {
        let record = world.ended(job).await;
        assert_eq!(
            (record.state, record.attempts, record.stalls),
            (JobState::Completed, 1, 0)
        );
    }
    assert_eq!(ran.lock().unwrap().len(), 30);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_goes_away_does_not_end_the_worker_and_costs_no_outcome() {
    let world = World::new().await;
    let ran = Arc::default();
    let worker = world.start(once(&ran)).await;
    let first = world.add(1).await;
    let second = world.add(2).await;
    sleep(seconds(1) / 2).await;
    world.watch.is_down.store(true, Ordering::SeqCst);
    // Longer than the lease, which nobody else takes meanwhile.
    sleep(seconds(90)).await;
    world.watch.is_down.store(false, Ordering::SeqCst);
    let back_at = Instant::now();
    for job in [first, second] {
        let record = world.ended(&job).await;
        assert_eq!(
            (record.state, record.attempts, record.stalls),
            (JobState::Completed, 1, 0)
        );
    }
    assert!(back_at.elapsed() < seconds(10), "{:?}", back_at.elapsed());
    assert_eq!(ran.lock().unwrap().len(), 2);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_met_with_ever_longer_pauses() {
    let world = World::new().await;
    let worker = world.start(once(&Arc::default())).await;
    world.add(1).await;
    sleep(seconds(1) / 2).await;
    world.watch.is_down.store(true, Ordering::SeqCst);
    let before = world.watch.calls("turn");
    sleep(seconds(600)).await;
    let calls = world.watch.calls("turn") - before;
    assert!((100..=300).contains(&calls), "{calls}");
    world.watch.is_down.store(false, Ordering::SeqCst);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_presence_is_joined_again_and_jobs_added_meanwhile_are_found() {
    let world = World::new().await;
    let worker = world.start(once(&Arc::default())).await;
    sleep(seconds(20)).await;
    assert_eq!(world.watch.calls("join"), 1);
    world.watch.break_presence.notify_one();
    let job = world.add(1).await;
    let start = Instant::now();
    world.ended(&job).await;
    assert!(start.elapsed() < seconds(3), "{:?}", start.elapsed());
    assert_eq!(world.watch.calls("join"), 2);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_at_the_start_is_an_error() {
    let world = World::new().await;
    let runtime = world.runtime().await.worker(once(&Arc::default())).unwrap();
    world.watch.is_down.store(true, Ordering::SeqCst);
    let error = runtime.run(std::future::pending()).await.unwrap_err();
    assert!(matches!(error, Error::Core(_)), "{error:?}");
    assert!(error.to_string().contains("the test pulled the plug"), "{error}");

    let refuse: oqron_worker::Connector = Arc::new(|| {
        Box::pin(async {
            Err(oqron_core::Error::AccessDenied {
                backend: "memory".into(),
                problem: "wrong password".into(),
            })
        })
    });
    let error = Runtime::connect(refuse, world.config.clone()).await.unwrap_err();
    assert!(error.to_string().contains("wrong password"), "{error}");
}
