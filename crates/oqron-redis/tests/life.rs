//! The layout under the steps of a life: what is particular to Redis. What every backend does is in the conformance suite.

mod support;

use std::time::Duration;

use deadpool_redis::redis::{AsyncCommands, cmd};
use oqron_core::{
    Consume, Delivery, EnqueueOutcome, FailureKind, Heartbeat, Held, JobFailure, JobOptions, JobState,
    LogLine, Operate, Outcome, Progress, Publish, Records, Retention, Settled, Settlement, Start,
    TimelineKind, Timestamp, Turn, Verdict,
};
use support::{Bench, claim, complete, job, json, worker_id};

#[tokio::test]
async fn a_job_is_read_back_as_it_was_given() {
    let bench = Bench::new().await;
    let options = JobOptions {
        priority: 2_097_152,
        start: Start::After(Duration::from_secs(3600)),
        retention: Retention::keep_for(Duration::from_millis(1)),
        timeout: Some(Duration::from_secs(7)),
        tags: vec!["ü".into(), "{}".into()],
        correlation_id: Some("r-1".into()),
        id_window: Duration::from_secs(5),
        ..JobOptions::default()
    };
    assert_eq!(
        bench.add_with("😀 ä:{}", options.clone()).await,
        EnqueueOutcome::Created
    );
    let record = bench.find("😀 ä:{}").await.unwrap();
    assert_eq!(record.state, JobState::Scheduled);
    assert_eq!(record.run_at.since(record.created_at), Duration::from_secs(3600));
    let expected = JobOptions {
        start: Start::At(record.run_at),
        ..options
    };
    assert_eq!(record.options, expected);
    assert_eq!(record.payload, json("{}"));
}

#[tokio::test]
async fn what_happens_in_a_life_is_in_the_record() {
    let bench = Bench::new().await;
    bench.add("a").await;
    let lease = bench.claim("w", 1, 1).await.remove(0);
    assert_eq!((lease.attempt, lease.stalls), (1, 0));
    let mut held = Held::new(lease.id.clone(), lease.token);
    held.progress = Some(Progress::new(40, "half \"way\" / ü"));
    held.logs = (0..150)
        .map(|n| LogLine::new(Timestamp::from_millis(n), format!("line {n}")))
        .collect();
    let worker = worker_id("w");
    let beat = Heartbeat {
        worker: &worker,
        topic: &bench.topic,
        through: 1,
        lease_ttl: Duration::from_secs(30),
        held: &[held],
    };
    assert_eq!(bench.consume.heartbeat(&beat).await.unwrap(), [Verdict::Renewed]);

    let failure = JobFailure::new(FailureKind::Error, "no \"disk\"\nleft");
    let retry = Settlement::new(
        lease.id.clone(),
        lease.token,
        Outcome::Retry {
            delay: Duration::ZERO,
            failure: failure.clone(),
        },
    );
    let turned = bench.turn("w", 2, &[retry], Some(1)).await;
    assert_eq!(turned.settled, [Settled::Accepted]);
    let again = &turned.leases[0];
    assert!(again.token > lease.token);
    assert_eq!(again.attempt, 2);
    let turned = bench.turn("w", 3, &[complete(again)], None).await;
    assert_eq!(turned.settled, [Settled::Accepted]);

    let record = bench.find("a").await.unwrap();
    assert_eq!(record.state, JobState::Completed);
    assert_eq!(record.result, Some(json("1")));
    assert_eq!(record.error, Some(failure));
    assert_eq!(record.progress, Some(Progress::new(40, "half \"way\" / ü")));
    assert_eq!(record.logs.len(), 100);
    assert_eq!(record.logs[99].text, "line 149");
    assert_eq!(record.timeline.len(), 1);
    assert_eq!(record.timeline[0].kind, TimelineKind::AttemptFailed);
    assert_eq!(record.timeline[0].reason, "no \"disk\"\nleft");
    assert_eq!(record.worker, Some(worker_id("w")));
    assert_eq!(record.token, Some(again.token));
}

#[tokio::test]
async fn a_repeated_turn_gives_the_same_and_a_late_one_does_nothing() {
    let bench = Bench::new().await;
    for id in ["a", "b", "c"] {
        bench.add(id).await;
    }
    let first = bench.turn("w", 1, &[], Some(2)).await;
    let settled = [complete(&first.leases[0])];
    let second = bench.turn("w", 2, &settled, Some(1)).await;
    let again = bench.turn("w", 2, &settled, Some(1)).await;
    assert_eq!(again.settled, second.settled);
    assert_eq!(again.leases, second.leases);
    let late = bench.turn("w", 1, &settled, Some(1)).await;
    assert_eq!(late.settled, [Settled::LeaseLost]);
    assert_eq!(late.leases, []);
}

#[tokio::test]
async fn everything_of_a_removed_job_goes_from_every_key() {
    let bench = Bench::new().await;
    let options = JobOptions {
        retention: Retention::none(),
        id_window: Duration::ZERO,
        ..JobOptions::default()
    };
    let jobs: Vec<_> = (0..50).map(|n| job(&format!("j{n}"), options.clone())).collect();
    bench.publish.enqueue(&bench.topic, &jobs).await.unwrap();
    let leases = bench.claim("w", 1, 50).await;
    let settlements: Vec<_> = leases
        .iter()
        .enumerate()
        .map(|(n, lease)| {
            let mut settlement = complete(lease);
            if n % 2 == 0 {
                settlement.outcome = Outcome::Cancel {
                    reason: "why not".into(),
                };
            }
            settlement.progress = Some(Progress::new(1, "x"));
            settlement.logs = vec![LogLine::new(Timestamp::from_millis(1), "x")];
            settlement
        })
        .collect();
    let turned = bench.turn("w", 2, &settlements, None).await;
    assert!(turned.settled.iter().all(|settled| *settled == Settled::Accepted));
    let mut redis = bench.by_hand().await;
    let mut keys: Vec<String> = redis.keys(bench.key("*")).await.unwrap();
    keys.sort();
    assert_eq!(keys, [bench.key(""), bench.key(":turn")]);
}

#[tokio::test]
async fn a_batch_of_the_largest_size_goes_through() {
    let bench = Bench::new().await;
    let jobs: Vec<_> = (0..10_000)
        .map(|n| job(&format!("job-{n}"), JobOptions::default()))
        .collect();
    let added = bench.publish.enqueue(&bench.topic, &jobs).await.unwrap();
    assert!(added.iter().all(|added| added.outcome == EnqueueOutcome::Created));
    let again = bench.publish.enqueue(&bench.topic, &jobs).await.unwrap();
    assert!(
        again
            .iter()
            .all(|added| added.outcome == EnqueueOutcome::Existing)
    );
    let mut settlements = Vec::new();
    for request in 1..=11 {
        let turned = bench.turn("w", request, &settlements, Some(1000)).await;
        assert!(turned.settled.iter().all(|settled| *settled == Settled::Accepted));
        settlements = turned.leases.iter().map(complete).collect();
        let expected = if request <= 10 { 1000 } else { 0 };
        assert_eq!(turned.leases.len(), expected);
        assert_eq!(turned.more, request < 10);
    }
    let counts = bench.operate.counts(&bench.topic).await.unwrap();
    assert_eq!((counts.waiting, counts.active, counts.completed), (0, 0, 10_000));
    let mut removed = 0;
    loop {
        match bench
            .operate
            .purge(&bench.topic, JobState::Completed)
            .await
            .unwrap()
        {
            0 => break,
            count => removed += count,
        }
    }
    assert_eq!(removed, 10_000);
}

#[tokio::test]
async fn large_payloads_are_claimed_in_parts() {
    let bench = Bench::new().await;
    let jobs: Vec<_> = (0..150)
        .map(|n| {
            let mut job = job(&format!("j{n}"), JobOptions::default());
            job.payload.bytes = vec![b'x'; 400_000].into();
            job
        })
        .collect();
    bench.publish.enqueue(&bench.topic, &jobs).await.unwrap();
    let turned = bench.turn("w", 1, &[], Some(150)).await;
    assert!(
        turned.more && turned.leases.len() < 150,
        "{}",
        turned.leases.len()
    );
    let rest = bench.turn("w", 2, &[], Some(150)).await;
    assert_eq!(turned.leases.len() + rest.leases.len(), 150);
    assert_eq!(rest.leases[0].payload.bytes.len(), 400_000);
}

#[tokio::test]
async fn a_lease_that_runs_out_is_a_stall_and_an_at_most_once_job_is_lost() {
    let bench = Bench::new().await;
    bench.add("a").await;
    bench.add("b").await;
    let worker = worker_id("w");
    for (request, delivery) in [(1, Delivery::AtLeastOnce), (2, Delivery::AtMostOnce)] {
        let mut claim = claim(1, Duration::from_millis(1));
        claim.delivery = delivery;
        let turn = Turn {
            worker: &worker,
            topic: &bench.topic,
            line: 0,
            request,
            settlements: &[],
            claim: Some(claim),
        };
        assert_eq!(bench.consume.turn(&turn).await.unwrap().leases.len(), 1);
    }
    // By the server's clock a millisecond must have passed; the reply took longer than that, or this read of it does.
    let mut redis = bench.by_hand().await;
    let _: () = cmd("BLPOP")
        .arg(bench.key(":never"))
        .arg(0.005)
        .query_async(&mut redis)
        .await
        .unwrap();
    let taken = bench.claim("v", 1, 5).await;
    assert_eq!(taken.len(), 1);
    assert_eq!(
        taken[0].stalls
            + bench
                .find(if taken[0].id.as_str() == "a" { "b" } else { "a" })
                .await
                .unwrap()
                .stalls,
        1
    );
    let counts = bench.operate.counts(&bench.topic).await.unwrap();
    assert_eq!((counts.active, counts.failed), (1, 1));
}

#[tokio::test]
async fn a_waiter_is_told_of_an_earlier_event() {
    use oqron_core::{Message, WorkerInfo};
    let bench = Bench::new().await;
    let info = WorkerInfo::new(worker_id("idle"), vec![bench.topic.clone()], 1, "host");
    let mut presence = bench.consume.join(&info).await.unwrap();
    assert!(bench.claim("idle", 1, 1).await.is_empty());
    let options = JobOptions {
        start: Start::After(Duration::from_secs(10)),
        ..JobOptions::default()
    };
    bench.add_with("a", options.clone()).await;
    let wake = async |presence: &mut Box<dyn oqron_core::Presence>| {
        tokio::time::timeout(Duration::from_secs(5), presence.next()).await
    };
    assert_eq!(
        wake(&mut presence).await.unwrap().unwrap(),
        Message::Wake(bench.topic.clone())
    );
    let turned = bench.turn("idle", 2, &[], Some(1)).await;
    assert!(turned.due_in.unwrap() <= Duration::from_secs(10));
    // It comes by itself in time for a later one, so the next message is that of the job that is due at once.
    let later = JobOptions {
        start: Start::After(Duration::from_secs(20)),
        ..JobOptions::default()
    };
    bench.add_with("b", later).await;
    bench.add("c").await;
    assert_eq!(
        wake(&mut presence).await.unwrap().unwrap(),
        Message::Wake(bench.topic.clone())
    );
    let mut redis = bench.by_hand().await;
    assert_eq!(redis.zcard::<_, u64>(bench.key(":wake")).await.unwrap(), 0);
    presence.leave().await.unwrap();
    assert!(bench.operate.workers().await.unwrap().is_empty());
}

#[tokio::test]
async fn pages_go_on_where_the_last_ended_even_if_its_entry_is_gone() {
    use oqron_core::ListQuery;
    let bench = Bench::new().await;
    for n in 0..7 {
        let options = JobOptions {
            priority: n % 2,
            ..JobOptions::default()
        };
        bench.add_with(&format!("j{n}"), options).await;
    }
    let mut query = ListQuery {
        topic: bench.topic.clone(),
        state: JobState::Waiting,
        after: None,
        limit: 3,
    };
    let page = bench.operate.list(&query).await.unwrap();
    let ids: Vec<_> = page.jobs.iter().map(|job| job.id.as_str().to_owned()).collect();
    assert_eq!(ids, ["j0", "j2", "j4"]);
    bench.operate.cancel(&bench.job("j4")).await.unwrap();
    query.after = page.next;
    let page = bench.operate.list(&query).await.unwrap();
    let ids: Vec<_> = page.jobs.iter().map(|job| job.id.as_str().to_owned()).collect();
    assert_eq!(ids, ["j6", "j1", "j3"]);
    query.after = page.next;
    let page = bench.operate.list(&query).await.unwrap();
    assert_eq!(page.jobs.len(), 1);
    assert_eq!(page.next, None);

    bench.claim("w", 1, 2).await;
    bench.claim("v", 1, 2).await;
    query.state = JobState::Active;
    query.after = None;
    let page = bench.operate.list(&query).await.unwrap();
    let ids: Vec<_> = page.jobs.iter().map(|job| job.id.as_str().to_owned()).collect();
    assert_eq!(ids, ["j0", "j2", "j6"]);
    query.after = page.next;
    let page = bench.operate.list(&query).await.unwrap();
    assert_eq!((page.jobs.len(), page.jobs[0].id.as_str()), (1, "j1"));
}

#[tokio::test]
async fn waiting_for_an_end_is_a_notification() {
    use oqron_core::Finished;
    let bench = Bench::new().await;
    bench.add("a").await;
    let job = bench.job("a");
    let publish = bench.publish.clone();
    let waiting = tokio::spawn(async move { publish.finished(&job).await });
    let mut redis = bench.by_hand().await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while redis.zcard::<_, u64>(bench.key(":watch")).await.unwrap() == 0 {
        assert!(tokio::time::Instant::now() < deadline, "nobody registered");
        tokio::task::yield_now().await;
    }
    let lease = bench.claim("w", 1, 1).await.remove(0);
    let begun = tokio::time::Instant::now();
    bench.turn("w", 2, &[complete(&lease)], None).await;
    let finished = tokio::time::timeout(Duration::from_secs(10), waiting)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(finished, Finished::Completed(json("1")));
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "it was found by reading again, not by the message"
    );
    assert_eq!(redis.zcard::<_, u64>(bench.key(":watch")).await.unwrap(), 0);
}

#[tokio::test]
async fn a_sweep_goes_by_age_and_by_number() {
    let bench = Bench::new().await;
    let keep_last = JobOptions {
        retention: Retention::keep_last(3),
        id_window: Duration::ZERO,
        ..JobOptions::default()
    };
    for n in 0..5 {
        bench.add_with(&format!("j{n}"), keep_last.clone()).await;
    }
    let leases = bench.claim("w", 1, 5).await;
    let settlements: Vec<_> = leases.iter().map(complete).collect();
    bench.turn("w", 2, &settlements, None).await;
    let swept = bench.consume.sweep(&bench.topic).await.unwrap();
    assert_eq!((swept.records, swept.more), (2, false));
    assert!(bench.find("j1").await.is_none());
    assert!(bench.find("j2").await.is_some());
    assert_eq!(bench.add("j1").await, EnqueueOutcome::Created);
}
