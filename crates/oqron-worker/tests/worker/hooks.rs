use std::sync::Arc;
use std::time::Duration;

use oqron_core::{FailureKind, JobFailure, JobState, Records, Retries};
use oqron_worker::{Context, JobError, JobInfo, Worker};
use tokio::sync::mpsc;

use crate::world::{JOBS, World, seconds};

#[tokio::test(start_paused = true)]
async fn the_success_hook_runs_after_the_result_is_stored() {
    let world = World::new().await;
    let (told, mut seen) = mpsc::channel(1);
    let publish = world.publish.clone();
    let worker = Worker::new(JOBS, async |ctx: Context<u32>| Ok(ctx.data() + 1)).on_success(
        move |job: JobInfo, result: u32| {
            let (told, publish) = (told.clone(), publish.clone());
            async move {
                let record = publish.find(&job.job_ref()).await.unwrap().unwrap();
                told.send((record.state, result)).await.unwrap();
            }
        },
    );
    let worker = world.start(worker).await;
    world.add(1).await;
    assert_eq!(seen.recv().await.unwrap(), (JobState::Completed, 2));
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_hooks_for_failures_tell_a_retry_from_the_end() {
    let world = World::new().await;
    let (told, mut seen) = mpsc::channel(4);
    let tell = |what: &'static str| {
        let told = told.clone();
        move |job: JobInfo, failure: JobFailure| {
            let told = told.clone();
            async move { told.send((what, job.attempt(), failure.message)).await.unwrap() }
        }
    };
    let worker = Worker::new(JOBS, async |_: Context<u32>| {
        Err::<u32, _>(JobError::new("no luck"))
    })
    .retries(Retries::fixed(1, seconds(1)))
    .on_retry(tell("retry"))
    .on_fail(tell("fail"));
    let worker = world.start(worker).await;
    world.ended(&world.add(1).await).await;
    assert_eq!(seen.recv().await.unwrap(), ("retry", 1, "no luck".to_owned()));
    assert_eq!(seen.recv().await.unwrap(), ("fail", 2, "no luck".to_owned()));
    worker.stop().await;
    assert!(seen.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn before_run_can_refuse_and_then_the_handler_does_not_run() {
    let world = World::new().await;
    let worker = Worker::new(JOBS, async |ctx: Context<u32>| {
        assert!(
            ctx.job().tags().is_empty(),
            "the handler must not see a tagged job"
        );
        Ok(1)
    });
    let worker = worker.before_run(async |job: JobInfo| {
        if job.tags().is_empty() {
            Ok(())
        } else {
            Err(JobError::new("tags are not welcome").no_retry())
        }
    });
    let worker = world.start(worker.retries(Retries::exponential(9))).await;
    let tagged = world.add_with(1, |job| job.options.tags.push("x".into())).await;
    let record = world.ended(&tagged).await;
    assert_eq!((record.state, record.attempts), (JobState::Failed, 1));
    let error = record.error.unwrap();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (FailureKind::Error, "tags are not welcome")
    );
    assert_eq!(world.ended(&world.add(1).await).await.state, JobState::Completed);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn hooks_that_panic_or_hang_change_nothing() {
    let world = World::new().await;
    let ran = Arc::new(tokio::sync::Semaphore::new(0));
    let counted = Arc::clone(&ran);
    let worker = Worker::new(JOBS, async |ctx: Context<u32>| Ok(*ctx.data()))
        .before_run(async |job: JobInfo| {
            assert!(job.tags().is_empty(), "before_run panics");
            std::future::pending::<Result<(), JobError>>().await
        })
        .on_success(move |_, _| {
            counted.add_permits(1);
            async { panic!("on_success panics") }
        });
    let worker = world.start(worker).await;
    let tagged = world.add_with(1, |job| job.options.tags.push("x".into())).await;
    let start = tokio::time::Instant::now();
    assert_eq!(world.ended(&tagged).await.state, JobState::Completed);
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(
        world.ended(&world.add(1).await).await.state,
        JobState::Completed,
        "after the hook's timeout"
    );
    worker.stop().await;
    assert_eq!(ran.available_permits(), 2);
}
