//! Which ids are known.

use std::time::Duration;

use oqron_core::{EnqueueOutcome, JobState, NewJob, Outcome, Retention};
use tokio::task::JoinSet;

use super::Bench;
use super::bench::{SHORT, eventually, id, job, job_with, json};

use EnqueueOutcome::{Created, Existing};

/// Payload and options stay those of the first.
pub async fn a_second_add_of_an_id_changes_nothing(bench: Bench) {
    let id = bench.add_with("a", |options| options.priority = 3).await;
    let before = bench.record(&id).await;
    let mut again = job_with("a", |options| options.priority = 9);
    again.payload = json("another payload");
    assert_eq!(bench.enqueue(&[again]).await, [Existing]);
    assert_eq!(bench.record(&id).await, before);
    assert_eq!(bench.counts().await.waiting, 1);
}

/// The first of them counts.
pub async fn an_id_twice_in_one_batch_is_one_job(bench: Bench) {
    let mut second = job("a");
    second.payload = json("another payload");
    assert_eq!(
        bench.enqueue(&[job("a"), job("b"), second]).await,
        [Created, Created, Existing]
    );
    assert_eq!(bench.record(&id("a")).await.payload, json("a"));
    assert_eq!(bench.counts().await.waiting, 2);
}

/// Each on a connection that may be its own.
pub async fn eight_racing_adders_make_one_job(bench: Bench) {
    for round in 0..25 {
        let mut adders = JoinSet::new();
        for _ in 0..8 {
            let bench = bench.clone();
            adders.spawn(async move { bench.enqueue(&[job(&format!("job-{round}"))]).await[0] });
        }
        let outcomes = adders.join_all().await;
        let created = outcomes.iter().filter(|outcome| **outcome == Created).count();
        assert_eq!(created, 1, "round {round}");
    }
    assert_eq!(bench.counts().await.waiting, 25);
}

/// Batches that lock each other's ids in another order must not block each other.
pub async fn racing_batches_of_the_same_ids_make_each_job_once(bench: Bench) {
    let mut adders = JoinSet::new();
    for adder in 0..8 {
        let bench = bench.clone();
        adders.spawn(async move {
            let mut jobs: Vec<NewJob> = (0..100).map(|number| job(&format!("job-{number}"))).collect();
            jobs.rotate_left(adder * 13);
            if adder % 2 == 1 {
                jobs.reverse();
            }
            let outcomes = bench.enqueue(&jobs).await;
            outcomes.iter().filter(|outcome| **outcome == Created).count()
        });
    }
    let created: usize = adders.join_all().await.into_iter().sum();
    assert_eq!(created, 100);
    assert_eq!(bench.counts().await.waiting, 100);
}

/// Wherever the job is in its life.
pub async fn an_id_is_known_in_every_state(bench: Bench) {
    for state in JobState::ALL {
        let bench = bench.topic(state.as_str());
        let id = bench.add_in_state("a", state).await;
        assert_eq!(bench.enqueue(&[job("a")]).await, [Existing], "{state}");
        assert_eq!(bench.state(&id).await, state);
    }
}

/// Adders and a worker that ends the job and keeps no record meet at any moment.
pub async fn adds_that_race_with_the_end_make_no_second_job(bench: Bench) {
    for round in 0..10 {
        let name = format!("job-{round}");
        let new = job_with(&name, |options| options.retention = Retention::none());
        let mut adders = JoinSet::new();
        for _ in 0..4 {
            let (bench, new) = (bench.clone(), new.clone());
            adders.spawn(async move {
                let mut created = 0;
                for _ in 0..10 {
                    let outcomes = bench.enqueue(std::slice::from_ref(&new)).await;
                    created += usize::from(outcomes == [Created]);
                }
                created
            });
        }
        let mut worker = bench.worker("one");
        let leases = worker.claim_when_due(10).await;
        assert_eq!(leases.len(), 1);
        worker.complete(&leases[0]).await;
        let created: usize = adders.join_all().await.into_iter().sum();
        assert_eq!(created, 1, "round {round}");
        assert_eq!(worker.claim(10).await, []);
    }
}

/// A retention of nothing is no reason to run it twice.
pub async fn an_id_outlives_a_record_that_is_not_kept(bench: Bench) {
    let id = bench
        .add_in_state_with("a", JobState::Completed, |options| {
            options.retention = Retention::none()
        })
        .await;
    assert_eq!(bench.find(&id).await, None);
    assert_eq!(bench.enqueue(&[job("a")]).await, [Existing]);
    assert_eq!(bench.find(&id).await, None);
}

/// An operator who removes records does not run jobs again.
pub async fn an_id_outlives_a_discarded_and_a_purged_record(bench: Bench) {
    let discarded = bench.add_in_state("discarded", JobState::Failed).await;
    bench.operate.discard(&[bench.job_ref(&discarded)]).await.unwrap();
    bench.add("purged").await;
    bench
        .operate
        .purge(&bench.topic, JobState::Waiting)
        .await
        .unwrap();
    assert_eq!(
        bench.enqueue(&[job("discarded"), job("purged")]).await,
        [Existing, Existing]
    );
    assert_eq!(bench.counts().await.waiting, 0);
}

/// Then it is a new job, with a token of its own.
pub async fn an_id_whose_window_is_over_is_new(bench: Bench) {
    let new = job_with("a", |options| {
        options.retention = Retention::none();
        options.id_window = SHORT;
    });
    bench.enqueue(std::slice::from_ref(&new)).await;
    let mut worker = bench.worker("one");
    let first = worker.claim_one().await;
    worker.complete(&first).await;
    eventually("the id is forgotten", async || {
        (bench.enqueue(std::slice::from_ref(&new)).await == [Created]).then_some(())
    })
    .await;
    let second = worker.claim_one().await;
    assert_eq!(second.id, first.id);
    assert!(second.token > first.token);
}

/// The window is a minimum.
pub async fn an_id_is_known_as_long_as_its_record(bench: Bench) {
    bench
        .add_in_state_with("a", JobState::Completed, |options| {
            options.id_window = Duration::ZERO
        })
        .await;
    bench.consume.sweep(&bench.topic).await.unwrap();
    assert_eq!(bench.enqueue(&[job("a")]).await, [Existing]);
}

/// Not even for an id that was discarded and added again.
pub async fn a_token_never_repeats(bench: Bench) {
    let mut worker = bench.worker("one");
    let mut tokens = Vec::new();
    for _ in 0..3 {
        bench
            .add_with("a", |options| options.id_window = Duration::ZERO)
            .await;
        let lease = worker.claim_one().await;
        tokens.push(lease.token);
        worker
            .settle(
                &lease,
                Outcome::Cancel {
                    reason: "enough".into(),
                },
            )
            .await;
        bench.operate.discard(&[bench.job_ref(&lease.id)]).await.unwrap();
    }
    assert!(
        tokens.is_sorted_by(|earlier, later| earlier < later),
        "{tokens:?}"
    );
}

/// The settlement of an earlier life of the id is refused.
pub async fn a_token_of_a_discarded_job_does_not_settle_its_successor(bench: Bench) {
    let change = |options: &mut oqron_core::JobOptions| options.id_window = Duration::ZERO;
    bench.add_with("a", change).await;
    let mut worker = bench.worker("one");
    let first = worker.claim_one().await;
    worker.complete(&first).await;
    bench.operate.discard(&[bench.job_ref(&first.id)]).await.unwrap();
    bench.add_with("a", change).await;
    let second = worker.claim_one().await;
    let settled = worker.settle(&first, super::worker::done()).await;
    assert_eq!(settled, oqron_core::Settled::LeaseLost);
    worker.complete(&second).await;
}

/// An id belongs to its topic.
pub async fn an_id_in_two_topics_is_two_jobs(bench: Bench) {
    bench.add("a").await;
    let other = bench.topic("other");
    assert_eq!(other.enqueue(&[job("a")]).await, [Created]);
}

/// No folding of case, no normal forms, no trimming.
pub async fn ids_are_compared_byte_for_byte(bench: Bench) {
    let texts = [
        "a",
        "A",
        "a ",
        " a",
        "e\u{301}",
        "\u{e9}",
        "%",
        "_",
        "a:b",
        "a/b",
        "{a}",
        "'",
        "\"",
        "\\",
        "é😀𐍈",
    ];
    let long = ["x".repeat(255), format!("{}y", "x".repeat(254))];
    let texts: Vec<&str> = texts.into_iter().chain(long.iter().map(String::as_str)).collect();
    let jobs: Vec<NewJob> = texts.iter().map(|text| job(text)).collect();
    let outcomes = bench.enqueue(&jobs).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Created));
    for text in &texts {
        assert_eq!(bench.record(&id(text)).await.payload, json(text));
    }
    let leases = bench.worker("one").claim(100).await;
    assert_eq!(super::worker::ids(&leases), texts);
}
