use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use oqron_core::{Codec, Encoded, FailureKind, Format, JobState, NewJob, Records, Retries, TimelineKind};
use oqron_worker::{CancelReason, Context, Handler, JobError, Worker};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::world::{JOBS, World, seconds};

#[tokio::test(start_paused = true)]
async fn a_job_runs_to_its_result_at_once() {
    let world = World::new().await;
    let worker = world
        .start(Worker::new(JOBS, async |ctx: Context<u32>| Ok(ctx.data() * 2)))
        .await;
    let added_at = Instant::now();
    let record = world.ended(&world.add(21).await).await;
    assert!(
        added_at.elapsed() < Duration::from_millis(50),
        "{:?}",
        added_at.elapsed()
    );
    assert_eq!(record.state, JobState::Completed);
    assert_eq!(record.attempts, 1);
    assert_eq!(Codec::Json.decode::<u32>(&record.result.unwrap()).unwrap(), 42);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_struct_with_state_is_a_handler() {
    struct Adder(u32);
    impl Handler<u32, u32> for Adder {
        async fn run(&self, ctx: Context<u32>) -> Result<u32, JobError> {
            Ok(ctx.data() + self.0)
        }
    }
    let world = World::new().await;
    let worker = world.start(Worker::new(JOBS, Adder(5))).await;
    let record = world.ended(&world.add(1).await).await;
    assert_eq!(Codec::Json.decode::<u32>(&record.result.unwrap()).unwrap(), 6);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_is_retried_after_its_delay_and_then_fails_for_good() {
    let world = World::new().await;
    let failing = Worker::new(JOBS, async |ctx: Context<u32>| {
        assert_eq!(ctx.max_attempts(), 2);
        Err::<u32, _>(JobError::new(format!("attempt {} failed", ctx.attempt())))
    });
    let worker = world.start(failing.retries(Retries::fixed(1, seconds(10)))).await;
    let start = Instant::now();
    let record = world.ended(&world.add(1).await).await;
    let took = start.elapsed();
    assert!(took >= seconds(10) && took < seconds(11), "{took:?}");
    assert_eq!((record.state, record.attempts), (JobState::Failed, 2));
    assert_eq!(record.error.unwrap().message, "attempt 2 failed");
    let kinds: Vec<TimelineKind> = record.timeline.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [TimelineKind::AttemptFailed, TimelineKind::Failed]);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_job_says_about_retries_and_time_goes_before_the_worker() {
    let world = World::new().await;
    let slow = Worker::new(JOBS, async |ctx: Context<u32>| {
        assert_eq!(ctx.max_attempts(), 3);
        std::future::pending::<Result<u32, JobError>>().await
    });
    let worker = world.start(slow.timeout(seconds(1000))).await;
    let job = world
        .add_with(1, |job| {
            job.options.retries = Some(Retries::fixed(2, seconds(1)).to_settings().unwrap());
            job.options.timeout = Some(seconds(5));
        })
        .await;
    let start = Instant::now();
    let record = world.ended(&job).await;
    assert_eq!((record.state, record.attempts), (JobState::Failed, 3));
    let took = start.elapsed();
    assert!(
        took >= seconds(20) && took < seconds(21),
        "3 times 5 s and the grace, 2 pauses: {took:?}"
    );
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failed_attempt_with_its_text_and_the_worker_goes_on() {
    let world = World::new().await;
    let fragile = Worker::new(JOBS, async |ctx: Context<u32>| {
        assert!(ctx.attempt() > 1, "the first attempt of {} breaks", ctx.data());
        Ok(7)
    });
    let worker = world.start(fragile.retries(Retries::fixed(1, seconds(1)))).await;
    let record = world.ended(&world.add(3).await).await;
    assert_eq!((record.state, record.attempts), (JobState::Completed, 2));
    assert!(
        record.timeline[0]
            .reason
            .contains("panicked: the first attempt of 3 breaks")
    );
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_ignores_its_timeout_is_dropped_a_second_later() {
    let world = World::new().await;
    let (told, mut reasons) = mpsc::channel(1);
    let deaf = Worker::new(JOBS, move |ctx: Context<u32>| {
        let told = told.clone();
        async move {
            ctx.signal().cancelled().await;
            told.send(ctx.cancelled_because()).await.unwrap();
            std::future::pending::<Result<u32, JobError>>().await
        }
    });
    let worker = world.start(deaf.timeout(seconds(5))).await;
    let start = Instant::now();
    let record = world.ended(&world.add(1).await).await;
    assert_eq!(reasons.recv().await.unwrap(), Some(CancelReason::TimedOut));
    let error = record.error.unwrap();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (FailureKind::Timeout, "timed out after 5s")
    );
    let took = start.elapsed();
    assert!(took >= seconds(6) && took < seconds(7), "{took:?}");
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_payload_or_result_that_cannot_be_coded_fails_at_once_whatever_the_policy() {
    let world = World::with_toml("[limits]\nresult_bytes_max = 8").await;
    let worker = Worker::new(
        oqron_worker::Topic::<u32, String>::new("jobs"),
        async |ctx: Context<u32>| Ok("x".repeat(*ctx.data() as usize)),
    );
    let worker = world.start(worker.retries(Retries::exponential(5))).await;

    let alien = NewJob::new(Encoded::new(Format::from_number(999), vec![1, 2]));
    let garbage = NewJob::new(Encoded::new(Format::JSON, b"{nonsense".to_vec()));
    for (job, expected) in [(alien, "unknown format 999"), (garbage, "u32")] {
        let record = world.ended(&world.enqueue("jobs", job).await).await;
        let error = record.error.unwrap();
        assert_eq!((record.state, record.attempts), (JobState::Failed, 1));
        assert_eq!(error.kind, FailureKind::Codec);
        assert!(error.message.contains("the payload does not decode"), "{error}");
        assert!(error.message.contains(expected), "{error}");
    }
    let error = world.ended(&world.add(100).await).await.error.unwrap();
    assert!(error.message.contains("over the limit of 8"), "{error}");
    assert_eq!(world.ended(&world.add(3).await).await.state, JobState::Completed);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_snoozed_job_comes_back_and_the_attempt_does_not_count() {
    let world = World::new().await;
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let sleepy = Worker::new(JOBS, move |ctx: Context<u32>| {
        let run = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            assert_eq!(ctx.attempt(), 1);
            if run < 2 {
                Err(ctx.snooze(seconds(30)))
            } else {
                Ok(run)
            }
        }
    });
    let worker = world.start(sleepy).await;
    let start = Instant::now();
    let record = world.ended(&world.add(1).await).await;
    assert_eq!((record.state, record.attempts), (JobState::Completed, 1));
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    assert!(start.elapsed() >= seconds(60) && start.elapsed() < seconds(61));
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_discarded_job_is_cancelled_and_no_dead_letter() {
    let world = World::new().await;
    let worker = Worker::new(JOBS, async |ctx: Context<u32>| {
        Err::<u32, _>(ctx.discard("the user is gone"))
    });
    let worker = world.start(worker.retries(Retries::fixed(3, seconds(1)))).await;
    let record = world.ended(&world.add(1).await).await;
    assert_eq!((record.state, record.attempts), (JobState::Cancelled, 1));
    assert_eq!(record.timeline.last().unwrap().reason, "the user is gone");
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn cancelling_a_running_job_fires_its_signal_at_once() {
    let world = World::new().await;
    let (began, mut has_begun) = mpsc::channel(1);
    let obedient = Worker::new(JOBS, move |ctx: Context<u32>| {
        let began = began.clone();
        async move {
            began.send(()).await.unwrap();
            ctx.signal().cancelled().await;
            assert_eq!(ctx.cancelled_because(), Some(CancelReason::Requested));
            Err::<u32, _>(JobError::cancelled("stopped at frame 7"))
        }
    });
    let worker = world.start(obedient).await;
    let job = world.add(1).await;
    has_begun.recv().await.unwrap();
    // The message of a cancellation goes to the heart, which learns of the lease at the same time.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let asked_at = Instant::now();
    world.publish.cancel(&job).await.unwrap();
    let record = world.ended(&job).await;
    assert_eq!(record.state, JobState::Cancelled);
    assert_eq!(record.timeline.last().unwrap().reason, "stopped at frame 7");
    assert!(asked_at.elapsed() < seconds(1), "{:?}", asked_at.elapsed());
    worker.stop().await;
}
