//! A worker that hears nothing any more: its handlers are told to stop before anybody else begins, and it ends when it should.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use oqron::{CancelOutcome, CancelReason, Context, JobError, JobState, Worker};
use oqron_testing::proxy::{Cut, Weather};
use tokio::time::Instant;

use crate::worker::{Started, Tally, result_of, takes};
use crate::world::{JOBS, World, marker, within};

on_each_backend!(
    a_worker_that_is_cut_off_is_told_before_another_begins_and_comes_back_to_work,
    a_worker_that_nobody_answers_ends_when_it_is_told_to,
    a_cancel_reaches_a_worker_that_had_to_connect_again,
);

/// Short enough to wait for its end.
const SHORT_TTL: Duration = Duration::from_secs(3);
const SHORT_BEAT: Duration = Duration::from_millis(500);

/// When each thing happened, by this machine's clock.
#[derive(Clone, Default)]
struct Times(Arc<Mutex<Vec<(&'static str, Instant)>>>);

impl Times {
    fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push((what, Instant::now()));
    }

    fn order(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().iter().map(|(what, _)| *what).collect()
    }
}

/// Runs until it is told to stop, and then tries to succeed all the same.
fn stubborn(times: &Times) -> Worker<String, String> {
    let times = times.clone();
    Worker::new(JOBS, move |ctx: Context<String>| {
        let times = times.clone();
        async move {
            times.note("the first begins");
            ctx.signal().cancelled().await;
            assert_eq!(ctx.cancelled_because(), Some(CancelReason::LeaseLost));
            times.note("the first is told");
            Ok::<_, JobError>("of somebody without a lease".to_owned())
        }
    })
    .lock_ttl(SHORT_TTL)
    .heartbeat(SHORT_BEAT)
}

async fn a_worker_that_is_cut_off_is_told_before_another_begins_and_comes_back_to_work(world: World) {
    let line = world.line().await;
    let times = Times::default();
    let first = Started::new(&line.config, stubborn(&times)).await;
    let payload = marker("payload");
    let job = world.add(&payload).await;
    world.reaches(job.id(), &[JobState::Active]).await;
    let second = Worker::new(JOBS, {
        let times = times.clone();
        move |ctx: Context<String>| {
            times.note("the second begins");
            async move { Ok(result_of(ctx.data())) }
        }
    });
    let second = Started::new(&world.config, second.lock_ttl(SHORT_TTL).heartbeat(SHORT_BEAT)).await;

    // The server sees its connections as they were, so only the end of the lease tells the others.
    line.proxy.set(Weather::BLACKHOLE);
    let record = world
        .reaches(job.id(), &[JobState::Completed, JobState::Failed])
        .await;
    assert_eq!(
        (record.state, record.stalls),
        (JobState::Completed, 1),
        "{:?}",
        record.timeline
    );
    assert_eq!(
        times.order(),
        ["the first begins", "the first is told", "the second begins"]
    );
    second.stop().await;

    line.proxy.clear();
    let next = world.add(&marker("payload")).await;
    world.reaches(next.id(), &[JobState::Active]).await;
    assert_eq!(
        job.result(SHORT_TTL).await.unwrap(),
        result_of(&payload),
        "it was written over"
    );
    next.cancel().await.unwrap();
    first.stop().await;
}

async fn a_worker_that_nobody_answers_ends_when_it_is_told_to(world: World) {
    let line = world.line().await;
    let tally = Tally::default();
    let worker = takes(Duration::from_secs(3600), &tally);
    let worker = Started::with_grace(&line.config, worker, Duration::from_secs(1)).await;
    let job = world.add(&marker("payload")).await;
    world.reaches(job.id(), &[JobState::Active]).await;
    line.proxy.set(Weather::BLACKHOLE);
    // The grace, four seconds for what is left and for the goodbye, and a busy machine.
    within(
        Duration::from_millis(6_500),
        "the end of the worker",
        worker.stop(),
    )
    .await;
    // Its lease says when others may have the job; nobody has pretended that it ended.
    assert_eq!(world.record(job.id()).await.state, JobState::Active);
}

async fn a_cancel_reaches_a_worker_that_had_to_connect_again(world: World) {
    let line = world.line().await;
    let tally = Tally::default();
    // Between two heartbeats of a minute, only a message can bring the news.
    let worker = takes(Duration::from_secs(3600), &tally);
    let worker = worker
        .lock_ttl(Duration::from_secs(600))
        .heartbeat(Duration::from_secs(60));
    let worker = Started::new(&line.config, worker).await;
    for cut in [Cut::Reset, Cut::Fin] {
        let job = world.add(&marker("payload")).await;
        world.reaches(job.id(), &[JobState::Active]).await;
        let connections = line.proxy.accepted();
        line.proxy.cut(cut);
        // As soon as it is present again.
        crate::world::eventually("it connects again", || line.proxy.accepted() > connections + 1).await;
        assert_eq!(job.cancel().await.unwrap(), CancelOutcome::Requested);
        let record = world.reaches(
            job.id(),
            &[JobState::Cancelled, JobState::Failed, JobState::Completed],
        );
        let record = within(Duration::from_secs(8), "the cancel", record).await;
        assert_eq!(record.state, JobState::Cancelled, "{:?}", record.timeline);
    }
    worker.stop().await;
}
