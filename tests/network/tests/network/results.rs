//! Waiting for a result while the network breaks.

use std::time::Duration;

use oqron::{JobHandle, JobState};
use oqron_testing::proxy::Cut;
use tokio::task::JoinHandle;

use crate::worker::{Started, Tally, result_of, takes};
use crate::world::{Line, World, eventually, marker, within};

on_each_backend!(
    a_wait_for_a_result_that_is_over_its_time_says_so_even_if_nothing_is_heard,
    a_wait_for_a_result_outlasts_a_cut,
    a_wait_for_a_result_outlasts_an_outage_in_which_the_job_ends,
    a_wait_for_a_result_notices_that_its_connections_died_without_a_word,
);

const LIMIT: Duration = Duration::from_secs(25);

type Waiting = JoinHandle<Result<String, oqron::PublishError>>;

/// Somebody who waits over a line, and listens.
async fn waits(world: &World, line: &Line, payload: &str) -> (JobHandle<String>, Waiting) {
    let queue = line.warm_queue().await;
    let job = world.add(payload).await;
    let waiting = queue.job(job.id()).unwrap();
    let connections = line.proxy.accepted();
    let wait = tokio::spawn(async move { waiting.result(LIMIT).await });
    eventually("somebody listens", || line.proxy.accepted() > connections).await;
    (job, wait)
}

async fn work(world: &World, job: &JobHandle<String>) {
    let worker = Started::new(&world.config, takes(Duration::ZERO, &Tally::default())).await;
    world.reaches(job.id(), &[JobState::Completed]).await;
    worker.stop().await;
}

async fn a_wait_for_a_result_outlasts_a_cut(world: World) {
    for cut in [Cut::Reset, Cut::Fin] {
        let line = world.line().await;
        let payload = marker("payload");
        let (job, wait) = waits(&world, &line, &payload).await;
        line.proxy.cut(cut);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!wait.is_finished(), "{cut:?}: {:?}", wait.await);
        work(&world, &job).await;
        let result = within(LIMIT, "the result", wait).await.unwrap();
        assert_eq!(result.unwrap(), result_of(&payload));
    }
}

async fn a_wait_for_a_result_outlasts_an_outage_in_which_the_job_ends(world: World) {
    let line = world.line().await;
    let payload = marker("payload");
    let (job, wait) = waits(&world, &line, &payload).await;
    line.proxy.refuse().await.unwrap();
    line.proxy.cut(Cut::Reset);
    work(&world, &job).await;
    line.proxy.accept().await.unwrap();
    let result = within(LIMIT, "the result", wait).await.unwrap();
    assert_eq!(result.unwrap(), result_of(&payload));
}

async fn a_wait_for_a_result_notices_that_its_connections_died_without_a_word(world: World) {
    let mut line = world.line().await;
    line.config.call_timeout = Duration::from_millis(500);
    let payload = marker("payload");
    let (job, wait) = waits(&world, &line, &payload).await;
    line.proxy.strand();
    work(&world, &job).await;
    let result = within(LIMIT, "the result", wait).await.unwrap();
    assert_eq!(result.unwrap(), result_of(&payload));
}

async fn a_wait_for_a_result_that_is_over_its_time_says_so_even_if_nothing_is_heard(world: World) {
    let line = world.line().await;
    let queue = line.warm_queue().await;
    let job = queue.add(&marker("payload")).await.unwrap();
    line.proxy.set(oqron_testing::proxy::Weather::BLACKHOLE);
    let limit = Duration::from_millis(500);
    let error = within(limit * 4, "the wait", job.result(limit))
        .await
        .unwrap_err();
    assert!(
        matches!(error, oqron::PublishError::NotFinished { .. }),
        "{error}"
    );
    assert!(error.to_string().contains(job.id().as_str()), "{error}");
}
