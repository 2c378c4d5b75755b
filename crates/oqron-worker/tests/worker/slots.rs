use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oqron_core::{Codec, JobState, NewJob};
use oqron_worker::{Context, Error, Topic, Worker};
use tokio::time::{Instant, sleep};

use crate::world::{JOBS, Started, World, seconds};

#[tokio::test(start_paused = true)]
async fn as_many_jobs_run_at_the_same_time_as_allowed_and_no_more() {
    let world = World::new().await;
    let (running, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (running_now, most_seen) = (Arc::clone(&running), Arc::clone(&most));
    let worker = Worker::new(JOBS, move |_: Context<u32>| {
        let running = Arc::clone(&running_now);
        most_seen.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        async move {
            sleep(seconds(10)).await;
            running.fetch_sub(1, Ordering::SeqCst);
            Ok(1)
        }
    });
    let worker = world.start(worker.concurrency(3)).await;
    let start = Instant::now();
    let mut jobs = Vec::new();
    for number in 0..9 {
        jobs.push(world.add(number).await);
    }
    for job in &jobs {
        world.ended(job).await;
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
    assert!(start.elapsed() < seconds(31), "{:?}", start.elapsed());
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn starts_are_throttled_and_none_is_late() {
    let world = World::new().await;
    let starts = Arc::new(Mutex::new(Vec::new()));
    let begin = Instant::now();
    let seen = Arc::clone(&starts);
    let worker = Worker::new(JOBS, move |_: Context<u32>| {
        seen.lock().unwrap().push(begin.elapsed().as_secs());
        async { Ok(1) }
    });
    let mut jobs = Vec::new();
    for number in 0..7 {
        jobs.push(world.add(number).await);
    }
    let worker = world.start(worker.concurrency(10).throttle(2, seconds(10))).await;
    for job in &jobs {
        world.ended(job).await;
    }
    assert_eq!(*starts.lock().unwrap(), [0, 0, 10, 10, 20, 20, 30]);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_arrives_while_starts_are_throttled_is_not_forgotten() {
    let world = World::new().await;
    let worker = Worker::new(JOBS, async |ctx: Context<u32>| Ok(*ctx.data()));
    let worker = world.start(worker.concurrency(5).throttle(1, seconds(10))).await;
    let start = Instant::now();
    world.ended(&world.add(1).await).await;
    sleep(seconds(1)).await;
    world.ended(&world.add(2).await).await;
    let took = start.elapsed();
    assert!(took >= seconds(10) && took < seconds(11), "{took:?}");
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_worker_takes_nothing_until_it_is_resumed() {
    let world = World::new().await;
    let worker = Worker::new(JOBS, async |_: Context<u32>| Ok(1)).paused();
    let worker = world.start(worker).await;
    let job = world.add(1).await;
    sleep(seconds(600)).await;
    assert_eq!(world.waiting().await, 1);
    worker.handle.resume("jobs").unwrap();
    world.ended(&job).await;
    worker.handle.pause("jobs").unwrap();
    sleep(seconds(1)).await;
    world.add(2).await;
    sleep(seconds(600)).await;
    assert_eq!(world.waiting().await, 1);
    let error = worker.handle.pause("others").unwrap_err();
    assert!(
        matches!(&error, Error::UnknownTopic { topic } if topic == "others"),
        "{error}"
    );
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_runtime_works_on_many_topics() {
    const TEXTS: Topic<String, usize> = Topic::new("texts");
    let world = World::new().await;
    let runtime = world.runtime().await;
    let runtime = runtime
        .worker(Worker::new(JOBS, async |ctx: Context<u32>| Ok(*ctx.data())))
        .unwrap();
    let length = Worker::new(TEXTS, async |ctx: Context<String>| Ok(ctx.data().len()));
    let worker = Started::new(runtime.worker(length).unwrap());
    let number = world.add(5).await;
    let text = NewJob::new(Codec::Json.encode(&"four").unwrap());
    let text = world.enqueue("texts", text).await;
    let result = world.ended(&text).await.result.unwrap();
    assert_eq!(Codec::Json.decode::<usize>(&result).unwrap(), 4);
    assert_eq!(world.ended(&number).await.state, JobState::Completed);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_delayed_job_starts_when_it_is_due() {
    let world = World::new().await;
    let worker = world
        .start(Worker::new(JOBS, async |_: Context<u32>| Ok(1)))
        .await;
    sleep(seconds(1)).await;
    let start = Instant::now();
    let job = world
        .add_with(1, |job| job.options.start = oqron_core::Start::After(seconds(7)))
        .await;
    world.ended(&job).await;
    let took = start.elapsed();
    assert!(
        took >= seconds(7) && took < seconds(7) + Duration::from_millis(50),
        "{took:?}"
    );
    worker.stop().await;
}
