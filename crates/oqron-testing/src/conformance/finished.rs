//! Waiting for the end of a job.

use std::time::Duration;

use oqron_core::{CANCELLED_ON_REQUEST, Finished, JobId, JobState, Outcome, Retention};
use tokio::task::JoinHandle;

use super::Bench;
use super::bench::{failure, id, json};

/// Longer than a record is read again where a notification was lost.
const NOTICED: Duration = Duration::from_secs(30);

/// With its result.
pub async fn a_waiter_gets_the_result(bench: Bench) {
    bench.add("a").await;
    let waiter = wait(&bench, "a");
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    worker.settle(&lease, Outcome::Complete(json("the result"))).await;
    assert_eq!(noticed(waiter).await, Finished::Completed(json("the result")));
}

/// With its error, and not before it has failed for good.
pub async fn a_waiter_gets_the_failure(bench: Bench) {
    bench.add("a").await;
    let waiter = wait(&bench, "a");
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    let retry = Outcome::Retry {
        delay: Duration::ZERO,
        failure: failure("once more"),
    };
    worker.settle(&lease, retry).await;
    let lease = worker.claim_one().await;
    let mut last = failure("for good");
    last.chain = vec!["a cause".into()];
    worker.settle(&lease, Outcome::Fail(last.clone())).await;
    assert_eq!(noticed(waiter).await, Finished::Failed(last));
}

/// With the reason.
pub async fn a_waiter_learns_of_a_cancellation(bench: Bench) {
    bench.add("waiting").await;
    let waiter = wait(&bench, "waiting");
    bench
        .publish
        .cancel(&bench.job_ref(&id("waiting")))
        .await
        .unwrap();
    assert_eq!(
        noticed(waiter).await,
        Finished::Cancelled(CANCELLED_ON_REQUEST.into())
    );

    bench.add("running").await;
    let waiter = wait(&bench, "running");
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    worker
        .settle(
            &lease,
            Outcome::Cancel {
                reason: "enough".into(),
            },
        )
        .await;
    assert_eq!(noticed(waiter).await, Finished::Cancelled("enough".into()));
}

/// Somebody else takes care of stalls; who waits learns of it like of any other end.
pub async fn a_waiter_learns_of_a_job_that_stalled_too_often(bench: Bench) {
    bench.add("a").await;
    let waiter = wait(&bench, "a");
    let claim = oqron_core::Claim {
        max_stalls: 0,
        ..super::worker::for_short(1)
    };
    bench.worker("dead").claim_one_with(claim).await;
    super::bench::pass_short().await;
    bench.worker("next").claim(1).await;
    let expected = Finished::Failed(oqron_core::JobFailure::stalled(1));
    assert_eq!(noticed(waiter).await, expected);
}

/// At once.
pub async fn who_comes_after_the_end_learns_of_it(bench: Bench) {
    bench.add_in_state("completed", JobState::Completed).await;
    bench.add_in_state("failed", JobState::Failed).await;
    bench.add_in_state("cancelled", JobState::Cancelled).await;
    assert_eq!(
        noticed(wait(&bench, "completed")).await,
        Finished::Completed(json("done"))
    );
    assert_eq!(
        noticed(wait(&bench, "failed")).await,
        Finished::Failed(failure("broken"))
    );
    let cancelled = Finished::Cancelled(CANCELLED_ON_REQUEST.into());
    assert_eq!(noticed(wait(&bench, "cancelled")).await, cancelled);
}

/// It never was, was discarded, is not kept, or is removed before it has run.
pub async fn who_waits_for_a_record_that_is_gone_learns_of_it(bench: Bench) {
    assert_eq!(noticed(wait(&bench, "nobody")).await, Finished::Gone);
    let discarded = bench.add_in_state("discarded", JobState::Failed).await;
    bench.operate.discard(&[bench.job_ref(&discarded)]).await.unwrap();
    assert_eq!(noticed(wait(&bench, "discarded")).await, Finished::Gone);

    bench
        .add_with("not kept", |options| options.retention = Retention::none())
        .await;
    let waiter = wait(&bench, "not kept");
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    worker.complete(&lease).await;
    assert_eq!(noticed(waiter).await, Finished::Gone);

    bench.add("purged").await;
    let waiter = wait(&bench, "purged");
    bench
        .operate
        .purge(&bench.topic, JobState::Waiting)
        .await
        .unwrap();
    assert_eq!(noticed(waiter).await, Finished::Gone);
}

/// In this process and in others.
pub async fn every_waiter_learns_of_the_end(bench: Bench) {
    bench.add("a").await;
    let other_process = bench.reopened().await;
    let waiters: Vec<_> = (0..10)
        .flat_map(|_| [wait(&bench, "a"), wait(&other_process, "a")])
        .collect();
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    worker.complete(&lease).await;
    for waiter in waiters {
        assert_eq!(noticed(waiter).await, Finished::Completed(json("done")));
    }
}

/// A hundred jobs, a hundred waiters, each its own result.
pub async fn each_waiter_gets_the_end_of_its_own_job(bench: Bench) {
    let ids = bench.add_numbered(100).await;
    let waiters: Vec<_> = ids.iter().map(|id| (id, wait(&bench, id.as_str()))).collect();
    let mut worker = bench.worker("one");
    let leases = worker.claim(100).await;
    let settlements: Vec<_> = leases
        .iter()
        .map(|lease| {
            let result = Outcome::Complete(json(&format!("result of {}", lease.id)));
            super::worker::settlement(lease, result)
        })
        .collect();
    worker.turn(&settlements, None).await;
    for (id, waiter) in waiters {
        let expected: &JobId = id;
        assert_eq!(
            noticed(waiter).await,
            Finished::Completed(json(&format!("result of {expected}")))
        );
    }
}

/// It has no other effect.
pub async fn a_waiter_that_gives_up_leaves_the_job_alone(bench: Bench) {
    let id = bench.add("a").await;
    let waiter = wait(&bench, "a");
    tokio::task::yield_now().await;
    waiter.abort();
    assert_eq!(bench.state(&id).await, JobState::Waiting);
    let waiter = wait(&bench, "a");
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    worker.complete(&lease).await;
    assert_eq!(noticed(waiter).await, Finished::Completed(json("done")));
}

/// Begins to wait, in a task of its own.
fn wait(bench: &Bench, name: &str) -> JoinHandle<Finished> {
    let (bench, job) = (bench.clone(), bench.job_ref(&id(name)));
    tokio::spawn(async move { bench.publish.finished(&job).await.unwrap() })
}

async fn noticed(waiter: JoinHandle<Finished>) -> Finished {
    let noticed = tokio::time::timeout(NOTICED, waiter).await;
    noticed
        .expect("the end is noticed")
        .expect("the waiter does not panic")
}
