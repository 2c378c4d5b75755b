//! Heartbeats: renewing what is held, giving back what is not, and bringing reports.

use oqron_core::limits::{LOG_LINES_MAX, TURN_JOBS_MAX};
use oqron_core::{
    CANCELLED_ON_REQUEST, Held, JobState, LogLine, NOT_LISTED, Progress, TimelineKind, Timestamp, Token,
    Verdict,
};

use super::Bench;
use super::bench::{id, pass_short, told};
use super::worker::{for_short, ids};

/// It outlives the time that the claim gave it.
pub async fn a_heartbeat_renews_a_lease(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one_with(for_short(1)).await;
    assert_eq!(worker.heartbeat(&[&lease]).await, [Verdict::Renewed]);
    pass_short().await;
    assert_eq!(bench.worker("two").claim(1).await, []);
    worker.complete(&lease).await;
    assert_eq!(bench.record(&lease.id).await.stalls, 0);
}

/// Nobody has noticed, so it goes on.
pub async fn an_expired_lease_that_nobody_reclaimed_is_renewed(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one_with(for_short(1)).await;
    pass_short().await;
    assert_eq!(worker.heartbeat(&[&lease]).await, [Verdict::Renewed]);
    assert_eq!(bench.worker("two").claim(1).await, []);
    assert_eq!(bench.state(&lease.id).await, JobState::Active);
}

/// One that was taken over, of another worker, of an ended job, of no job.
pub async fn a_heartbeat_says_what_is_lost(bench: Bench) {
    bench.add("a").await;
    let mut frozen = bench.worker("frozen");
    let stale = frozen.claim_one_with(for_short(1)).await;
    let mut next = bench.worker("next");
    let current = next.take_over().await;
    assert_eq!(frozen.heartbeat(&[&stale]).await, [Verdict::Lost]);
    assert_eq!(frozen.heartbeat(&[&current]).await, [Verdict::Lost]);
    assert_eq!(next.heartbeat(&[&current]).await, [Verdict::Renewed]);
    next.complete(&current).await;
    assert_eq!(next.heartbeat(&[&current]).await, [Verdict::Lost]);
    let nobody = [Held::new(id("nobody"), Token(1))];
    assert_eq!(next.heartbeat_with(&nobody, next.request).await, [Verdict::Lost]);
}

/// As long as the job runs, each time.
pub async fn a_heartbeat_says_what_is_cancelled(bench: Bench) {
    bench.add_numbered(2).await;
    let mut worker = bench.worker("one");
    let leases = worker.claim(2).await;
    bench.publish.cancel(&bench.job_ref(&leases[1].id)).await.unwrap();
    for _ in 0..2 {
        let verdicts = worker.heartbeat(&[&leases[0], &leases[1]]).await;
        assert_eq!(verdicts, [Verdict::Renewed, Verdict::Cancelled]);
    }
    assert_eq!(bench.state(&leases[1].id).await, JobState::Active);
}

/// Not in that of the ids, the tokens or the states.
pub async fn verdicts_come_in_the_order_of_the_leases(bench: Bench) {
    bench.add_numbered(3).await;
    let mut worker = bench.worker("one");
    let leases = worker.claim(3).await;
    worker.complete(&leases[1]).await;
    bench.publish.cancel(&bench.job_ref(&leases[0].id)).await.unwrap();
    let verdicts = worker.heartbeat(&[&leases[2], &leases[1], &leases[0]]).await;
    assert_eq!(verdicts, [Verdict::Renewed, Verdict::Lost, Verdict::Cancelled]);
}

/// The progress is replaced, lines are appended.
pub async fn a_heartbeat_brings_reports(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    let line = |number: i64| LogLine::new(Timestamp::from_millis(1_000 + number), format!("line {number}"));
    let mut held = Held::new(lease.id.clone(), lease.token);
    held.progress = Some(Progress::new(10, "Downloading source"));
    held.logs = vec![line(1), line(2)];
    worker.heartbeat_with(&[held.clone()], worker.request).await;
    let record = bench.record(&lease.id).await;
    assert_eq!(record.progress, Some(Progress::new(10, "Downloading source")));
    assert_eq!(record.logs, [line(1), line(2)]);

    held.progress = None;
    held.logs = vec![line(3)];
    worker.heartbeat_with(&[held.clone()], worker.request).await;
    held.progress = Some(Progress::new(100, ""));
    held.logs = Vec::new();
    worker.heartbeat_with(&[held], worker.request).await;
    let record = bench.record(&lease.id).await;
    assert_eq!(record.progress, Some(Progress::new(100, "")));
    assert_eq!(record.logs, [line(1), line(2), line(3)]);
}

/// Of more lines than are kept, in one heartbeat.
pub async fn a_heartbeat_with_too_many_lines_keeps_the_newest(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    let mut held = Held::new(lease.id.clone(), lease.token);
    held.logs = (0..LOG_LINES_MAX + 20)
        .map(|number| LogLine::new(Timestamp::from_millis(1), format!("line {number}")))
        .collect();
    worker.heartbeat_with(&[held], worker.request).await;
    let logs = bench.record(&lease.id).await.logs;
    assert_eq!(logs.len(), LOG_LINES_MAX);
    assert_eq!(
        (logs[0].text.as_str(), logs[99].text.as_str()),
        ("line 20", "line 119")
    );
}

/// What a lost lease reports is not written.
pub async fn a_lost_lease_reports_nothing(bench: Bench) {
    bench.add("a").await;
    let mut frozen = bench.worker("frozen");
    let stale = frozen.claim_one_with(for_short(1)).await;
    bench.worker("next").take_over().await;
    let mut held = Held::new(stale.id.clone(), stale.token);
    held.progress = Some(Progress::new(50, "late"));
    held.logs = vec![LogLine::new(Timestamp::from_millis(1), "late")];
    assert_eq!(
        frozen.heartbeat_with(&[held], frozen.request).await,
        [Verdict::Lost]
    );
    let record = bench.record(&stale.id).await;
    assert_eq!((record.progress, record.logs.len()), (None, 0));
}

/// At once, without a stall and without counting the attempt: the reply that brought it was lost.
pub async fn a_lease_that_is_not_listed_goes_back(bench: Bench) {
    bench.add_numbered(2).await;
    let mut worker = bench.worker("one");
    let leases = worker.claim(2).await;
    assert_eq!(worker.heartbeat(&[&leases[1]]).await, [Verdict::Renewed]);
    let record = bench.record(&leases[0].id).await;
    assert_eq!(
        (record.state, record.attempts, record.stalls),
        (JobState::Waiting, 0, 0)
    );
    assert_eq!(told(&record.timeline), [(TimelineKind::Released, NOT_LISTED)]);
    assert_eq!(record.timeline[0].worker, Some(worker.id.clone()));
    assert_eq!(bench.state(&leases[1].id).await, JobState::Active);
    let again = bench.worker("two").claim_one().await;
    assert_eq!((again.id.as_str(), again.attempt), ("0000", 1));
    assert_eq!(
        worker.settle(&leases[0], super::worker::done()).await,
        oqron_core::Settled::LeaseLost
    );
}

/// Also where nothing is held.
pub async fn an_empty_heartbeat_gives_everything_back(bench: Bench) {
    bench.add_numbered(3).await;
    let mut worker = bench.worker("one");
    worker.claim(3).await;
    assert_eq!(worker.heartbeat(&[]).await, []);
    let counts = bench.counts().await;
    assert_eq!((counts.waiting, counts.active), (3, 0));
}

/// Its answer may be on its way.
pub async fn a_lease_of_a_later_request_is_left_alone(bench: Bench) {
    bench.add_numbered(2).await;
    let mut worker = bench.worker("one");
    let first = worker.claim(1).await.remove(0);
    let known = worker.request;
    let second = worker.claim(1).await.remove(0);
    let held = [Held::new(first.id.clone(), first.token)];
    assert_eq!(worker.heartbeat_with(&held, known).await, [Verdict::Renewed]);
    assert_eq!(bench.state(&second.id).await, JobState::Active);
    assert_eq!(
        worker.heartbeat_with(&held, worker.request).await,
        [Verdict::Renewed]
    );
    assert_eq!(bench.state(&second.id).await, JobState::Waiting);
}

/// It was asked for, and nobody runs it.
pub async fn a_cancelled_job_that_is_not_listed_ends(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    bench.publish.cancel(&bench.job_ref(&lease.id)).await.unwrap();
    worker.heartbeat(&[]).await;
    let record = bench.record(&lease.id).await;
    assert_eq!(record.state, JobState::Cancelled);
    assert!(record.finished_at.is_some());
    assert_eq!(
        told(&record.timeline).last(),
        Some(&(TimelineKind::Cancelled, CANCELLED_ON_REQUEST))
    );
}

/// A heartbeat is about one worker in one topic.
pub async fn a_heartbeat_leaves_the_leases_of_others_alone(bench: Bench) {
    let elsewhere = bench.topic("elsewhere");
    bench.add_numbered(2).await;
    elsewhere.add("a").await;
    let mut one = bench.worker("one");
    one.claim(1).await;
    bench.worker("two").claim(1).await;
    let mut one_elsewhere = elsewhere.worker("one");
    one_elsewhere.id = one.id.clone();
    one_elsewhere.claim_one().await;
    one.heartbeat(&[]).await;
    assert_eq!(bench.counts().await.active, 1);
    assert_eq!(elsewhere.counts().await.active, 1);
}

/// The largest heartbeat.
pub async fn a_heartbeat_renews_a_thousand_leases(bench: Bench) {
    bench.add_numbered(TURN_JOBS_MAX).await;
    let mut worker = bench.worker("one");
    let leases = worker.claim(TURN_JOBS_MAX as u32).await;
    let verdicts = worker.heartbeat(&leases.iter().collect::<Vec<_>>()).await;
    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Renewed));
    assert_eq!(bench.counts().await.active, TURN_JOBS_MAX as u64);
    assert_eq!(ids(&leases).len(), TURN_JOBS_MAX);
}
