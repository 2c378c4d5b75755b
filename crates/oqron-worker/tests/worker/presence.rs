//! Workers that watch over each other: default settings, so a lease lasts 30 s and a grace 1 s.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use oqron_core::{JobRecord, JobState, TimelineKind, WORKER_GONE};
use oqron_worker::{CancelReason, Context, JobError, Worker};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::world::{JOBS, Started, World, seconds};

/// Tells when each run begins, and takes as long as its payload says, in seconds.
fn told(starts: &mpsc::Sender<Instant>) -> Worker<u32, u32> {
    let starts = starts.clone();
    Worker::new(JOBS, move |ctx: Context<u32>| {
        let starts = starts.clone();
        async move {
            let _ = starts.send(Instant::now()).await;
            sleep(seconds((*ctx.data()).into())).await;
            Ok(1)
        }
    })
}

fn assert_completed(record: &JobRecord, stalls: u32) {
    assert_eq!(
        (record.state, record.attempts, record.stalls),
        (JobState::Completed, 1, stalls)
    );
}

#[tokio::test(start_paused = true)]
async fn the_job_of_a_killed_worker_starts_again_within_two_seconds() {
    let world = World::new().await;
    let (starts, mut started) = mpsc::channel(10);
    let killed = world.start(told(&starts)).await;
    let job = world.add(60).await;
    started.recv().await.unwrap();
    let heir = world.start(told(&starts)).await;
    sleep(seconds(10)).await;
    killed.kill().await;
    let killed_at = Instant::now();
    let recovery = started.recv().await.unwrap() - killed_at;
    assert!((seconds(1)..seconds(2)).contains(&recovery), "{recovery:?}");
    let record = world.ended(&job).await;
    assert_completed(&record, 1);
    let event = &record.timeline[0];
    assert_eq!((event.kind, &*event.reason), (TimelineKind::Stalled, WORKER_GONE));
    heir.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_notices_a_claim_long_after_its_last_look() {
    let world = World::new().await;
    let (starts, mut started) = mpsc::channel(10);
    let (one, two) = (world.start(told(&starts)).await, world.start(told(&starts)).await);
    sleep(seconds(3600)).await;
    world.add(60).await;
    started.recv().await.unwrap();
    sleep(Duration::from_millis(700)).await;
    let (killed, heir) = if busy(&world, &one).await {
        (one, two)
    } else {
        (two, one)
    };
    killed.kill().await;
    let killed_at = Instant::now();
    let recovery = started.recv().await.unwrap() - killed_at;
    assert!(recovery < seconds(2), "{recovery:?}");
    heir.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_death_of_a_watcher_is_noticed_as_fast() {
    let world = World::new().await;
    let (starts, mut started) = mpsc::channel(10);
    let mut fleet = Vec::new();
    for _ in 0..4 {
        // With a slot free, the holder of the job watches too.
        fleet.push(world.start(told(&starts).concurrency(2)).await);
    }
    world.add(600).await;
    started.recv().await.unwrap();
    while fleet.len() > 1 {
        sleep(seconds(40)).await;
        let holder = world.active().await[0].worker.clone();
        let place = fleet
            .iter()
            .position(|worker| Some(&worker.worker) == holder.as_ref());
        fleet.remove(place.unwrap()).kill().await;
        let killed_at = Instant::now();
        let recovery = started.recv().await.unwrap() - killed_at;
        assert!(recovery < seconds(2), "{recovery:?} with {} left", fleet.len());
    }
    for started in fleet {
        started.kill().await;
    }
}

#[tokio::test(start_paused = true)]
async fn workers_that_replace_dead_watchers_watch_soon() {
    let world = World::new().await;
    let (starts, mut started) = mpsc::channel(10);
    let mut holder = world.start(told(&starts).max_stalls(100)).await;
    world.add(600).await;
    started.recv().await.unwrap();
    for _ in 0..20 {
        let heir = world.start(told(&starts).max_stalls(100)).await;
        sleep(Duration::from_millis(700)).await;
        holder.kill().await;
        let killed_at = Instant::now();
        let recovery = started.recv().await.unwrap() - killed_at;
        // Both seats may be those of dead watchers until their locks end.
        assert!(recovery < seconds(5), "{recovery:?}");
        holder = heir;
    }
    holder.kill().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_looks_while_there_are_no_leases() {
    let world = World::new().await;
    let (starts, _started) = mpsc::channel(10);
    let (one, two) = (world.start(told(&starts)).await, world.start(told(&starts)).await);
    world.ended(&world.add(1).await).await;
    sleep(seconds(60)).await;
    let (looks, calls) = (world.watch.calls("look"), world.watch.all_calls());
    sleep(seconds(600)).await;
    assert_eq!(world.watch.calls("look"), looks);
    let calls_a_minute = (world.watch.all_calls() - calls) / 10 / 2;
    assert!(calls_a_minute <= 6, "{calls_a_minute}");
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_whose_presence_died_without_a_word_is_woken_again_after_one_poll() {
    let world = World::new().await;
    let (starts, mut started) = mpsc::channel(10);
    let worker = world.start(told(&starts)).await;
    sleep(seconds(3600)).await;
    world.watch.strand_presences();
    let added_at = Instant::now();
    let job = world.add(20).await;
    started.recv().await.unwrap();
    assert!(added_at.elapsed() <= seconds(30), "the safety poll finds it");
    // Its lease makes the worker ask whether its presence lives: long before the next poll, it has another one.
    world.ended(&job).await;
    assert_eq!(world.watch.calls("join"), 2);
    let added_at = Instant::now();
    world.add(0).await;
    started.recv().await.unwrap();
    assert!(added_at.elapsed() < seconds(1), "woken");
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_busy_worker_notices_a_presence_that_died_without_a_word() {
    let world = World::new().await;
    let (starts, mut started) = mpsc::channel(10);
    let worker = world.start(told(&starts)).await;
    let job = world.add(60).await;
    started.recv().await.unwrap();
    sleep(seconds(20)).await;
    world.watch.strand_presences();
    sleep(seconds(11)).await;
    assert_eq!(
        world.watch.calls("join"),
        2,
        "a ping every five seconds, and five for its answer"
    );
    assert_completed(&world.ended(&job).await, 0);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_of_ten_workers_look() {
    let world = World::new().await;
    let (starts, mut started) = mpsc::channel(10);
    let mut fleet = Vec::new();
    for _ in 0..10 {
        fleet.push(world.start(told(&starts)).await);
    }
    let job = world.add(120).await;
    started.recv().await.unwrap();
    sleep(seconds(10)).await;
    let looks = world.watch.calls("look");
    sleep(seconds(60)).await;
    let looks = world.watch.calls("look") - looks;
    assert!((115..=245).contains(&looks), "{looks} looks a minute");
    world.ended(&job).await;
    for started in fleet {
        started.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_connection_is_cut_and_that_is_alive_keeps_its_jobs() {
    let world = World::new().await;
    let (starts, mut started) = mpsc::channel(10);
    let cut = world.elsewhere().await;
    let worker = cut.start(told(&starts)).await;
    let job = world.add(60).await;
    started.recv().await.unwrap();
    let watcher = world.start(told(&starts)).await;
    for _ in 0..20 {
        sleep(seconds(2)).await;
        cut.watch.break_presence.notify_one();
    }
    assert_completed(&world.ended(&job).await, 0);
    assert!(started.try_recv().is_err(), "it ran once");
    worker.stop().await;
    watcher.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_restarts_makes_nobodys_jobs_run_twice() {
    let world = World::new().await;
    let (starts, mut started) = mpsc::channel(10);
    let mut fleet = Vec::new();
    let mut networks = Vec::new();
    for _ in 0..4 {
        let network = world.elsewhere().await;
        fleet.push(network.start(told(&starts)).await);
        networks.push(network);
    }
    let jobs = [world.add(100).await, world.add(100).await];
    for _ in 0..2 {
        started.recv().await.unwrap();
    }
    sleep(seconds(10)).await;
    for network in &networks {
        network.watch.is_down.store(true, Ordering::SeqCst);
        network.watch.break_presence.notify_one();
    }
    sleep(seconds(5)).await;
    for network in &networks {
        network.watch.is_down.store(false, Ordering::SeqCst);
    }
    for job in &jobs {
        assert_completed(&world.ended(job).await, 0);
    }
    assert!(started.try_recv().is_err(), "each ran once");
    for started in fleet {
        started.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_cannot_come_back_fires_its_signals_before_the_others_take_over() {
    let world = World::new().await;
    let (told_stop, mut stopped) = mpsc::channel(1);
    let obedient = Worker::new(JOBS, move |ctx: Context<u32>| {
        let told_stop = told_stop.clone();
        async move {
            ctx.signal().cancelled().await;
            let _ = told_stop.send((ctx.cancelled_because(), Instant::now())).await;
            Err::<u32, _>(JobError::cancelled("stopped"))
        }
    });
    let cut = world.elsewhere().await;
    let worker = cut.start(obedient).await;
    let job = world.add(5).await;
    sleep(seconds(1)).await;
    let (starts, mut started) = mpsc::channel(10);
    let heir = world.start(told(&starts)).await;
    sleep(seconds(5)).await;
    cut.watch.is_silent.store(true, Ordering::SeqCst);
    cut.watch.break_presence.notify_one();
    let cut_at = Instant::now();
    let (reason, stopped_at) = stopped.recv().await.unwrap();
    assert_eq!(reason, Some(CancelReason::LeaseLost));
    let started_at = started.recv().await.unwrap();
    assert!(stopped_at < started_at, "{stopped_at:?} {started_at:?}");
    assert!(started_at - cut_at < seconds(2));
    assert_completed(&world.ended(&job).await, 1);
    worker.kill().await;
    heir.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_backend_is_down_tells_its_handlers_and_keeps_what_they_do_all_the_same() {
    let world = World::new().await;
    let fired = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&fired);
    let worker = Worker::new(JOBS, move |ctx: Context<u32>| {
        let counted = Arc::clone(&counted);
        async move {
            let signal = ctx.signal();
            tokio::select! {
                () = signal.cancelled() => { counted.fetch_add(1, Ordering::SeqCst); }
                () = sleep(seconds(20)) => {}
            }
            Ok(1)
        }
    });
    let worker = world.start(worker).await;
    let job = world.add(0).await;
    sleep(seconds(1)).await;
    world.watch.is_down.store(true, Ordering::SeqCst);
    world.watch.break_presence.notify_one();
    sleep(seconds(10)).await;
    world.watch.is_down.store(false, Ordering::SeqCst);
    assert_completed(&world.ended(&job).await, 0);
    assert_eq!(fired.load(Ordering::SeqCst), 1);
    worker.stop().await;
}

async fn busy(world: &World, worker: &Started) -> bool {
    let active = world.active().await;
    active
        .iter()
        .any(|record| record.worker.as_ref() == Some(&worker.worker))
}
