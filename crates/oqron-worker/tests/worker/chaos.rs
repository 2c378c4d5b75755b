//! A fleet of workers that are killed, stopped and cut off by chance, in paused time: whatever happens, every job that
//! was added ends, and only the attempt that counts writes its result.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use oqron_core::{Codec, JobState, Records, Retries};
use oqron_worker::{Context, JobError, Worker};
use proptest::prelude::*;
use tokio::time::sleep;

use crate::world::{JOBS, Started, World, seconds};

#[derive(Clone, Debug)]
enum Event {
    Add {
        work_ms: u64,
    },
    Start,
    Kill,
    Stop,
    LoseReplies(u32),
    Away {
        millis: u64,
    },
    LoseHeartbeats {
        millis: u64,
    },
    BreakPresence,
    /// Of the job that was added last.
    Cancel,
    Pass {
        millis: u64,
    },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0_u64..4_000).prop_map(|work_ms| Event::Add { work_ms }),
        3 => Just(Event::Start),
        1 => Just(Event::Kill),
        1 => Just(Event::Stop),
        1 => (1_u32..4).prop_map(Event::LoseReplies),
        1 => (0_u64..5_000).prop_map(|millis| Event::Away { millis }),
        1 => (0_u64..5_000).prop_map(|millis| Event::LoseHeartbeats { millis }),
        1 => Just(Event::BreakPresence),
        1 => Just(Event::Cancel),
        3 => (0_u64..3_000).prop_map(|millis| Event::Pass { millis }),
    ]
}

/// Some attempts fail, some panic, some stop for their signal and some do not; the third attempt always succeeds.
fn unsteady() -> Worker<u32, u32> {
    Worker::new(JOBS, async |ctx: Context<u32>| {
        let work = sleep(Duration::from_millis((*ctx.data()).into()));
        ctx.progress(1, "working");
        let is_deaf = ctx.data().is_multiple_of(2);
        tokio::select! {
            () = work => {}
            () = async { ctx.signal().cancelled().await }, if !is_deaf => {
                return Err(JobError::cancelled("stopped"));
            }
        }
        ctx.log("done");
        match (ctx.data() % 3, ctx.attempt()) {
            (1, 1) => Err(JobError::new("the first attempt fails")),
            (2, 1 | 2) => panic!("two attempts panic"),
            _ => Ok(ctx.data() + 1),
        }
    })
    .concurrency(3)
    .lock_ttl(seconds(2))
    .heartbeat(Duration::from_millis(400))
    // Kills stall jobs; this test is not about giving them up.
    .max_stalls(1000)
    .retries(Retries::fixed(2, Duration::from_millis(300)))
}

async fn live_through(events: Vec<Event>) {
    let world = World::with_toml("[worker]\nshutdown_grace = \"1s\"").await;
    let mut fleet: Vec<Started> = Vec::new();
    let mut jobs = Vec::new();
    for event in events {
        match event {
            Event::Add { work_ms } => {
                let payload = u32::try_from(work_ms).unwrap();
                jobs.push((payload, world.add(payload).await, false));
            }
            Event::Start if fleet.len() < 4 => {
                fleet.push(world.start(unsteady()).await);
                // One that starts while its backend is away ends with an error, and that is another test.
                sleep(Duration::from_millis(1)).await;
            }
            Event::Start => {}
            Event::Kill => {
                if !fleet.is_empty() {
                    fleet.remove(0).kill().await;
                }
            }
            Event::Stop => {
                if let Some(worker) = fleet.pop() {
                    worker.stop().await;
                }
            }
            Event::LoseReplies(count) => world.watch.turn_replies_to_lose.store(count, Ordering::SeqCst),
            Event::Away { millis } => {
                world.watch.is_down.store(true, Ordering::SeqCst);
                sleep(Duration::from_millis(millis)).await;
                world.watch.is_down.store(false, Ordering::SeqCst);
            }
            Event::LoseHeartbeats { millis } => {
                world.watch.loses_heartbeats.store(true, Ordering::SeqCst);
                sleep(Duration::from_millis(millis)).await;
                world.watch.loses_heartbeats.store(false, Ordering::SeqCst);
            }
            Event::Cancel => {
                if let Some((_, job, is_cancelled)) = jobs.last_mut() {
                    world.publish.cancel(job).await.unwrap();
                    *is_cancelled = true;
                }
            }
            Event::BreakPresence => world.watch.break_presence.notify_one(),
            Event::Pass { millis } => sleep(Duration::from_millis(millis)).await,
        }
    }
    fleet.push(world.start(unsteady()).await);
    for (payload, job, is_cancelled) in &jobs {
        let record = world.ended(job).await;
        if *is_cancelled && record.state == JobState::Cancelled {
            continue;
        }
        assert_eq!(record.state, JobState::Completed, "{record:#?}");
        let result = record.result.clone().unwrap();
        assert_eq!(Codec::Json.decode::<u32>(&result).unwrap(), payload + 1);
        let attempts_needed = payload % 3 + 1;
        assert_eq!(record.attempts, attempts_needed, "{record:#?}");
    }
    for worker in fleet {
        worker.stop().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_job_ends_once_whatever_dies(events in prop::collection::vec(event(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(live_through(events));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_worker_makes_a_handler_run_twice_and_the_token_decides() {
    let world = World::new().await;
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let deaf = move || {
        let runs = Arc::clone(&counted);
        let deaf = Worker::new(JOBS, move |_: Context<u32>| {
            let run = runs.fetch_add(1, Ordering::SeqCst);
            async move {
                sleep(seconds(10)).await;
                Ok(run)
            }
        });
        deaf.lock_ttl(seconds(2)).heartbeat(Duration::from_millis(400))
    };
    let first = world.start(deaf()).await;
    let job = world.add(1).await;
    sleep(seconds(1)).await;
    world.watch.loses_heartbeats.store(true, Ordering::SeqCst);
    let second = world.start(deaf()).await;
    sleep(seconds(4)).await;
    world.watch.loses_heartbeats.store(false, Ordering::SeqCst);
    let record = world.ended(&job).await;
    assert_eq!(runs.load(Ordering::SeqCst), record.stalls + 1);
    assert!(record.stalls >= 1);
    first.stop().await;
    second.stop().await;
    assert_eq!(
        world.record(&job).await,
        record,
        "the late result of the first attempt changed nothing"
    );
}
