use std::time::Duration;

use oqron_core::{JobState, Progress, Retries};
use oqron_worker::{Context, JobError, Worker};
use tokio::time::sleep;

use crate::world::{JOBS, World, seconds};

#[tokio::test(start_paused = true)]
async fn a_thousand_reports_go_in_at_most_two_calls_a_second_for_all_jobs() {
    let world = World::new().await;
    let chatty = Worker::new(JOBS, async |ctx: Context<u32>| {
        for step in 0..1000_u32 {
            ctx.progress((step / 10) as u8, format!("step {step}"));
            sleep(Duration::from_millis(10)).await;
        }
        Ok(1)
    });
    let worker = world.start(chatty.concurrency(5)).await;
    let mut jobs = Vec::new();
    for number in 0..5 {
        jobs.push(world.add(number).await);
    }
    let before = world.watch.calls("heartbeat");
    sleep(seconds(5)).await;
    let seen = world.record(&jobs[0]).await.progress.unwrap();
    assert!(
        (40..=50).contains(&seen.percent),
        "what is seen is no older than half a second: {seen:?}"
    );
    for job in &jobs {
        let record = world.ended(job).await;
        assert_eq!(record.progress, Some(Progress::new(99, "step 999")));
    }
    let calls = world.watch.calls("heartbeat") - before;
    assert!((10..=21).contains(&calls), "{calls} calls in 10 seconds");
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_short_job_reports_with_its_settlement_and_costs_no_call_of_its_own() {
    let world = World::new().await;
    let worker = Worker::new(JOBS, async |ctx: Context<u32>| {
        ctx.log(format!("attempt {}", ctx.attempt()));
        ctx.progress(200, "over the top");
        if ctx.attempt() == 1 {
            Err(JobError::new("again"))
        } else {
            Ok(1)
        }
    });
    let worker = world
        .start(worker.retries(Retries::fixed(1, Duration::ZERO)))
        .await;
    let record = world.ended(&world.add(1).await).await;
    assert_eq!(record.state, JobState::Completed);
    let lines: Vec<&str> = record.logs.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(lines, ["attempt 1", "attempt 2"]);
    assert_eq!(record.progress, Some(Progress::new(100, "over the top")));
    assert_eq!(world.watch.calls("heartbeat"), 0);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn no_line_is_lost_or_doubled_on_its_way() {
    let world = World::new().await;
    let chatty = Worker::new(JOBS, async |ctx: Context<u32>| {
        for line in 0..40 {
            ctx.log(line.to_string());
            sleep(Duration::from_millis(100)).await;
        }
        ctx.log("40");
        Ok(1)
    });
    let worker = world.start(chatty).await;
    let job = world.add(1).await;
    sleep(seconds(1)).await;
    world
        .watch
        .loses_heartbeats
        .store(true, std::sync::atomic::Ordering::SeqCst);
    sleep(seconds(1)).await;
    world
        .watch
        .loses_heartbeats
        .store(false, std::sync::atomic::Ordering::SeqCst);
    let lines: Vec<String> = world
        .ended(&job)
        .await
        .logs
        .into_iter()
        .map(|line| line.text)
        .collect();
    assert_eq!(lines, (0..=40).map(|line| line.to_string()).collect::<Vec<_>>());
    worker.stop().await;
}
