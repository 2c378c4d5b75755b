//! What a claim takes, and in which order.

use std::collections::HashSet;
use std::time::Duration;

use oqron_core::limits::{PRIORITY_MAX, TURN_JOBS_MAX};
use oqron_core::{JobState, Retries, Settlement, Start};
use tokio::task::JoinSet;

use super::Bench;
use super::bench::{SHORT, job_with, json, pass_short};
use super::worker::{done, for_long, ids, settlement};

/// Over batches and single adds.
pub async fn claims_go_by_priority_and_then_by_age(bench: Bench) {
    for (name, priority) in [("a", 5), ("b", 1), ("c", 5), ("d", 0), ("e", 1)] {
        bench.add_with(name, |options| options.priority = priority).await;
    }
    let batch = [("f", 1), ("g", 0), ("h", 5)];
    let batch = batch.map(|(name, priority)| job_with(name, |options| options.priority = priority));
    bench.enqueue(&batch).await;
    let mut worker = bench.worker("one");
    assert_eq!(ids(&worker.claim(3).await), ["d", "g", "b"]);
    assert_eq!(ids(&worker.claim(9).await), ["e", "f", "a", "c", "h"]);
}

/// 0 is first, the greatest number last, and neighbours are told apart.
pub async fn the_first_and_the_last_priority_are_kept_apart(bench: Bench) {
    for priority in [PRIORITY_MAX, PRIORITY_MAX - 1, 1, 0] {
        bench
            .add_with(&format!("p{priority}"), |options| options.priority = priority)
            .await;
    }
    let leases = bench.worker("one").claim(4).await;
    assert_eq!(ids(&leases), ["p0", "p1", "p2097151", "p2097152"]);
    assert_eq!(leases[3].options.priority, PRIORITY_MAX);
}

/// And says that it left some.
pub async fn a_claim_takes_no_more_than_it_asks_for(bench: Bench) {
    bench.add_numbered(3).await;
    let mut worker = bench.worker("one");
    let turned = worker.turn(&[], Some(for_long(2))).await;
    assert_eq!((turned.leases.len(), turned.more), (2, true));
    let turned = worker.turn(&[], Some(for_long(2))).await;
    assert_eq!((turned.leases.len(), turned.more), (1, false));
}

/// Exactly as many as there are leaves none behind.
pub async fn a_claim_that_takes_the_last_leaves_none_behind(bench: Bench) {
    bench.add_numbered(2).await;
    let turned = bench.worker("one").turn(&[], Some(for_long(2))).await;
    assert_eq!((turned.leases.len(), turned.more), (2, false));
}

/// Without a look at the record.
pub async fn a_lease_carries_what_a_handler_needs(bench: Bench) {
    let new = job_with("a", |options| {
        options.priority = 4;
        options.retries = Retries::fixed(2, Duration::from_secs(1)).to_settings().ok();
        options.timeout = Some(Duration::from_secs(9));
        options.tags = vec!["tag".into()];
        options.correlation_id = Some("request".into());
    });
    bench.enqueue(std::slice::from_ref(&new)).await;
    let lease = bench.worker("one").claim_one().await;
    assert_eq!((lease.id, lease.payload), (new.id.clone(), json("a")));
    assert_eq!((lease.attempt, lease.stalls), (1, 0));
    assert_eq!(lease.created_at, bench.record(&new.id).await.created_at);
    assert_eq!(lease.options.priority, 4);
    assert_eq!(lease.options.retries, new.options.retries);
    assert_eq!(lease.options.timeout, new.options.timeout);
    assert_eq!(lease.options.tags, new.options.tags);
    assert_eq!(lease.options.correlation_id, new.options.correlation_id);
}

/// Who, when, which attempt, under which token.
pub async fn a_claimed_job_shows_who_has_it(bench: Bench) {
    let id = bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    let record = bench.record(&id).await;
    assert_eq!(record.state, JobState::Active);
    assert_eq!(record.worker, Some(worker.id.clone()));
    assert_eq!(record.token, Some(lease.token));
    assert_eq!(record.attempts, 1);
    assert!(
        record
            .started_at
            .is_some_and(|started| started >= record.created_at)
    );
    assert_eq!((record.finished_at, record.timeline.len()), (None, 0));
}

/// Also within one claim, in its order.
pub async fn tokens_grow_with_every_claim(bench: Bench) {
    bench.add_numbered(6).await;
    let mut leases = bench.worker("one").claim(3).await;
    leases.extend(bench.worker("two").claim(3).await);
    assert!(leases.is_sorted_by(|earlier, later| earlier.token < later.token));
}

/// The claim says when to come back.
pub async fn a_scheduled_job_is_not_claimed_before_its_time(bench: Bench) {
    let minute = Duration::from_secs(60);
    bench
        .add_with("a", |options| options.start = Start::After(minute))
        .await;
    let turned = bench.worker("one").turn(&[], Some(for_long(1))).await;
    assert_eq!((turned.leases.len(), turned.more), (0, false));
    let due_in = turned.due_in.expect("a job is scheduled");
    assert!(due_in > minute / 2 && due_in <= minute, "{due_in:?}");
}

/// By the first claim after it.
pub async fn a_scheduled_job_is_claimed_when_its_time_has_come(bench: Bench) {
    let id = bench
        .add_with("a", |options| options.start = Start::After(SHORT))
        .await;
    let lease = bench.worker("one").claim_when_due(1).await.remove(0);
    assert_eq!((lease.id, lease.attempt), (id.clone(), 1));
    let record = bench.record(&id).await;
    assert!(record.started_at.is_some_and(|started| started >= record.run_at));
}

/// The order of the adds, not that of the promotions.
pub async fn a_promoted_job_keeps_its_age(bench: Bench) {
    bench
        .add_with("late", |options| options.start = Start::After(SHORT / 2))
        .await;
    bench
        .add_with("early", |options| options.start = Start::After(SHORT / 4))
        .await;
    bench.add("now").await;
    pass_short().await;
    assert_eq!(ids(&bench.worker("one").claim(3).await), ["late", "early", "now"]);
}

/// The first of several.
pub async fn the_next_due_time_is_the_earliest(bench: Bench) {
    for seconds in [300, 100, 200] {
        let delay = Duration::from_secs(seconds);
        bench
            .add_with(&format!("{seconds}"), |options| {
                options.start = Start::After(delay)
            })
            .await;
    }
    let due_in = bench.worker("one").turn(&[], Some(for_long(1))).await.due_in;
    let due_in = due_in.expect("jobs are scheduled").as_secs();
    assert!((50..=100).contains(&due_in), "{due_in}");
}

/// Somebody must be there when it does.
pub async fn the_next_due_time_may_be_that_of_a_lease_that_runs_out(bench: Bench) {
    bench.add("a").await;
    bench.worker("one").claim_one().await;
    let due_in = bench.worker("two").next_due().await.as_secs();
    assert!((20..=60).contains(&due_in), "{due_in}");
}

/// Nothing waits, nothing will come by itself.
pub async fn a_claim_of_an_unknown_topic_gets_nothing(bench: Bench) {
    let turned = bench.worker("one").turn(&[], Some(for_long(10))).await;
    assert_eq!((turned.leases.len(), turned.settled.len()), (0, 0));
    assert_eq!((turned.due_in, turned.more, turned.paused), (None, false, false));
}

/// The largest claim, and the largest batch of settlements.
pub async fn a_thousand_jobs_fit_in_one_turn(bench: Bench) {
    let all = bench.add_numbered(TURN_JOBS_MAX + 1).await;
    let mut worker = bench.worker("one");
    let leases = worker.claim(TURN_JOBS_MAX as u32).await;
    let claimed: Vec<_> = leases.iter().map(|lease| lease.id.clone()).collect();
    assert_eq!(claimed, all[..TURN_JOBS_MAX]);
    worker.complete_all(&leases).await;
    let counts = bench.counts().await;
    assert_eq!((counts.completed, counts.waiting), (TURN_JOBS_MAX as u64, 1));
}

/// Thousands of jobs and many claimers, who settle in the same calls.
pub async fn no_two_claimers_share_a_job(bench: Bench) {
    const JOBS: usize = 4_000;
    bench.add_numbered(JOBS).await;
    let mut claimers = JoinSet::new();
    for number in 0..16_u32 {
        let bench = bench.clone();
        claimers.spawn(async move {
            let mut worker = bench.worker("claimer");
            let mut settlements: Vec<Settlement> = Vec::new();
            let mut claimed = Vec::new();
            loop {
                let turned = worker.turn(&settlements, Some(for_long(1 + number * 3))).await;
                assert!(
                    turned
                        .settled
                        .iter()
                        .all(|settled| *settled == oqron_core::Settled::Accepted)
                );
                if turned.leases.is_empty() && !turned.more {
                    return claimed;
                }
                settlements = turned
                    .leases
                    .iter()
                    .map(|lease| settlement(lease, done()))
                    .collect();
                claimed.extend(turned.leases.into_iter().map(|lease| (lease.id, lease.token)));
            }
        });
    }
    let claimed: Vec<_> = claimers.join_all().await.into_iter().flatten().collect();
    let distinct_jobs: HashSet<_> = claimed.iter().map(|(id, _)| id).collect();
    let distinct_tokens: HashSet<_> = claimed.iter().map(|(_, token)| token).collect();
    assert_eq!(
        (claimed.len(), distinct_jobs.len(), distinct_tokens.len()),
        (JOBS, JOBS, JOBS)
    );
    assert_eq!(bench.counts().await.completed, JOBS as u64);
}

/// Jobs that are added while others claim are all found.
pub async fn jobs_added_during_claims_are_all_found(bench: Bench) {
    const JOBS: usize = 800;
    let mut tasks = JoinSet::new();
    for adder in 0..4 {
        let bench = bench.clone();
        tasks.spawn(async move {
            for number in 0..JOBS / 8 {
                let jobs = [0, 1].map(|half| {
                    let name = format!("{adder}-{number}-{half}");
                    job_with(&name, |options| options.priority = (number % 3) as u32)
                });
                bench.enqueue(&jobs).await;
            }
            0
        });
    }
    let done_by_all = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    for _ in 0..4 {
        let (bench, done_by_all) = (bench.clone(), done_by_all.clone());
        tasks.spawn(async move {
            let mut worker = bench.worker("claimer");
            let mut mine = 0;
            let start = std::time::Instant::now();
            while done_by_all.load(std::sync::atomic::Ordering::SeqCst) < JOBS {
                let leases = worker.claim(7).await;
                if leases.is_empty() {
                    assert!(start.elapsed() < Duration::from_secs(60), "a job is never found");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    continue;
                }
                worker.complete_all(&leases).await;
                mine += leases.len();
                done_by_all.fetch_add(leases.len(), std::sync::atomic::Ordering::SeqCst);
            }
            mine
        });
    }
    let total: usize = tasks.join_all().await.into_iter().sum();
    assert_eq!(total, JOBS);
    let counts = bench.counts().await;
    assert_eq!((counts.waiting, counts.completed), (0, JOBS as u64));
}
