//! A worker that lives keeps its jobs, however often its connections break.

use std::time::Duration;

use oqron::JobState;
use oqron_testing::proxy::{Cut, Weather};
use tokio::time::sleep;

use crate::warnings;
use crate::worker::{Started, Tally, takes};
use crate::world::{World, eventually, marker};

on_each_backend!(
    a_worker_whose_connections_are_cut_again_and_again_keeps_its_jobs,
    a_partition_that_heals_within_the_lease_costs_no_attempt,
);

async fn a_worker_whose_connections_are_cut_again_and_again_keeps_its_jobs(world: World) {
    let line = world.line().await;
    let tally = Tally::default();
    let worker = Started::new(&line.config, takes(Duration::from_secs(4), &tally).concurrency(5)).await;
    let payloads: Vec<String> = (0..5).map(|_| marker("payload")).collect();
    let jobs = world.queue.add_many(&payloads).await.unwrap();
    for job in &jobs {
        world.reaches(job.id(), &[JobState::Active]).await;
    }
    // Whoever has nothing to do watches over the others, and takes the jobs of one that is gone.
    let other = Started::new(&world.config, takes(Duration::ZERO, &tally).concurrency(5)).await;
    for cut in [Cut::Reset, Cut::Fin, Cut::Reset, Cut::Reset, Cut::Fin] {
        line.proxy.cut(cut);
        sleep(Duration::from_millis(600)).await;
    }
    for (payload, job) in payloads.iter().zip(&jobs) {
        world.assert_undisturbed(job.id()).await;
        eventually("the hook has run", || tally.successes(job.id()) == 1).await;
        assert_eq!(tally.runs(payload), 1);
        assert_eq!(
            warnings::with(&["refused", job.id().as_str()]),
            Vec::<String>::new()
        );
    }
    worker.stop().await;
    other.stop().await;
}

async fn a_partition_that_heals_within_the_lease_costs_no_attempt(world: World) {
    let line = world.line().await;
    let tally = Tally::default();
    let worker = Started::new(&line.config, takes(Duration::from_secs(3), &tally).concurrency(5)).await;
    let payloads: Vec<String> = (0..5).map(|_| marker("payload")).collect();
    let jobs = world.queue.add_many(&payloads).await.unwrap();
    for job in &jobs {
        world.reaches(job.id(), &[JobState::Active]).await;
    }
    // The handlers end meanwhile, and their outcomes have to wait.
    line.proxy.set(Weather::FROZEN);
    let other = Started::new(&world.config, takes(Duration::ZERO, &tally).concurrency(5)).await;
    sleep(Duration::from_secs(5)).await;
    for job in &jobs {
        assert_eq!(world.record(job.id()).await.state, JobState::Active);
    }
    line.proxy.clear();
    for (payload, job) in payloads.iter().zip(&jobs) {
        world.assert_undisturbed(job.id()).await;
        eventually("the hook has run", || tally.successes(job.id()) == 1).await;
        assert_eq!(tally.runs(payload), 1);
        assert_eq!(
            warnings::with(&["refused", job.id().as_str()]),
            Vec::<String>::new()
        );
    }
    worker.stop().await;
    other.stop().await;
}
