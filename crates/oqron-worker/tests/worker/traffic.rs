use std::sync::atomic::Ordering;
use std::time::Duration;

use oqron_worker::{Context, Worker};
use tokio::time::{Instant, sleep};

use crate::world::{JOBS, World, seconds};

fn quick() -> Worker<u32, u32> {
    Worker::new(JOBS, async |ctx: Context<u32>| Ok(*ctx.data()))
}

#[tokio::test(start_paused = true)]
async fn an_idle_process_calls_its_backend_at_most_six_times_a_minute() {
    let world = World::new().await;
    let worker = world.start(quick()).await;
    world.ended(&world.add(1).await).await;
    sleep(seconds(60)).await;
    let before = world.watch.all_calls();
    sleep(seconds(600)).await;
    let calls = world.watch.all_calls() - before;
    assert!(calls <= 60, "{calls} calls in ten minutes");
    assert!(
        world.watch.calls("sweep") >= 9,
        "finished records are swept every minute"
    );
    assert!(
        world.watch.calls("heartbeat") >= 3,
        "an idle worker says that it lives"
    );
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn of_many_workers_one_sweeps_and_another_takes_over() {
    let world = World::new().await;
    let (first, second) = (world.start(quick()).await, world.start(quick()).await);
    sleep(seconds(630)).await;
    let sweeps = world.watch.calls("sweep");
    assert!((9..=11).contains(&sweeps), "{sweeps}");
    first.kill().await;
    sleep(seconds(600)).await;
    let more = world.watch.calls("sweep") - sweeps;
    assert!((7..=11).contains(&more), "{more}");
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn finished_records_are_swept_after_every_few_thousand_completions() {
    let world = World::new().await;
    let worker = world.start(quick().concurrency(1000)).await;
    let began = Instant::now();
    for _ in 0..2 {
        let sweeps = world.watch.calls("sweep");
        for number in 0..5_100 {
            world.add(number).await;
        }
        let last = world.add(0).await;
        world.ended(&last).await;
        sleep(Duration::from_millis(10)).await;
        assert!(world.watch.calls("sweep") > sweeps);
    }
    assert!(began.elapsed() < seconds(60), "the first round is not waited for");
    worker.stop().await;
}

/// Over which lines the turns came that ran so many jobs, while each turn took ten milliseconds.
async fn lines_of(worker: Worker<u32, u32>, jobs: u32) -> Vec<u8> {
    let world = World::new().await;
    world.watch.turn_takes_ms.store(10, Ordering::SeqCst);
    let mut added = Vec::new();
    for number in 0..jobs {
        added.push(world.add(number).await);
    }
    let worker = world.start(worker).await;
    for job in &added {
        world.ended(job).await;
    }
    worker.stop().await;
    world.watch.lines()
}

#[tokio::test(start_paused = true)]
async fn a_second_line_is_taken_when_half_of_the_slots_have_ended_during_a_turn() {
    assert_eq!(lines_of(quick().concurrency(100), 1_000).await, [0, 1]);
    assert_eq!(lines_of(quick().concurrency(31), 300).await, [0]);
    let one_by_one = Worker::new(JOBS, async |ctx: Context<u32>| {
        sleep(Duration::from_millis(100 + u64::from(*ctx.data() % 100) * 7)).await;
        Ok(1)
    });
    assert_eq!(lines_of(one_by_one.concurrency(100), 1_000).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn under_load_turns_are_full_batches() {
    let slow = Worker::new(JOBS, async |_: Context<u32>| {
        sleep(Duration::from_millis(1)).await;
        Ok(1)
    });
    for worker in [slow, quick()] {
        let world = World::new().await;
        let mut last = None;
        for number in 0..2_000 {
            last = Some(world.add(number).await);
        }
        let worker = world.start(worker.concurrency(100)).await;
        world.ended(&last.unwrap()).await;
        // Half batches on two lines.
        let turns = world.watch.calls("turn");
        assert!(turns <= 50, "{turns} turns for 2,000 jobs, 100 at a time");
        worker.stop().await;
    }
}
