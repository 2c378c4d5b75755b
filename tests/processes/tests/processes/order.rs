use std::time::Duration;

use oqron_processes::script::{Script, Step};
use oqron_processes::world::World;

on_each_backend!(a_worker_that_takes_one_at_a_time_takes_the_oldest);

const JOBS: u64 = 200;

async fn a_worker_that_takes_one_at_a_time_takes_the_oldest(world: World) {
    let script = |number: u64| Script::new([Step::Sleep(Duration::from_millis(number % 3))]);
    let batch: Vec<Script> = (0..JOBS / 2).map(script).collect();
    world.queue().add_many(&batch).await.unwrap();
    let mut worker = world
        .worker("worker")
        .env("OQRON_WORKER_CONCURRENCY", "1")
        .start();
    for number in 0..JOBS / 2 {
        world.queue().add(&script(number)).await.unwrap();
    }
    world.completed(JOBS).await;
    worker.stop().await;

    let summary = world.proven().await;
    assert_eq!(
        summary.in_order as u64, JOBS,
        "the order was not looked at: {summary}"
    );
}
