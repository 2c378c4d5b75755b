//! Who works here.

use oqron_core::WorkerRecord;

use super::Bench;

/// With what it said of itself.
pub async fn a_worker_that_joined_is_listed(bench: Bench) {
    assert_eq!(workers(&bench).await.len(), 0);
    let (one, two) = (bench.worker("one"), bench.worker("two"));
    let _presences = (one.join().await, two.join().await);
    let mut infos: Vec<_> = workers(&bench)
        .await
        .into_iter()
        .map(|worker| worker.info)
        .collect();
    infos.sort_by(|a, b| a.id.cmp(&b.id));
    let mut ids = [one.id.clone(), two.id.clone()];
    ids.sort();
    assert_eq!(
        infos.iter().map(|info| &info.id).collect::<Vec<_>>(),
        ids.iter().collect::<Vec<_>>()
    );
    let expected = one.info();
    let found = infos.iter().find(|info| info.id == one.id).unwrap();
    assert_eq!(found.topics, expected.topics);
    assert_eq!(
        (found.concurrency, found.pid),
        (expected.concurrency, expected.pid)
    );
    assert_eq!((&found.host, &found.version), (&expected.host, &expected.version));
}

/// It has said goodbye.
pub async fn a_worker_that_left_is_not_listed(bench: Bench) {
    let worker = bench.worker("one");
    let presence = worker.join().await;
    presence.leave().await.unwrap();
    assert_eq!(workers(&bench).await.len(), 0);
}

/// By the backend's clock.
pub async fn a_heartbeat_shows_that_a_worker_lives(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let _presence = worker.join().await;
    let lease = worker.claim_one().await;
    let joined_at = workers(&bench).await[0].seen_at;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    worker.heartbeat(&[&lease]).await;
    assert!(workers(&bench).await[0].seen_at > joined_at);
}

/// Somebody wants to see what became of it.
pub async fn a_worker_that_died_is_still_listed(bench: Bench) {
    let worker = bench.worker("one");
    drop(worker.join().await);
    let listed = workers(&bench).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].info.id, worker.id);
}

/// After its connection broke.
pub async fn a_worker_can_join_again(bench: Bench) {
    let worker = bench.worker("one");
    let first = worker.join().await;
    let second = worker.join().await;
    drop(first);
    assert_eq!(workers(&bench).await.len(), 1);
    second.leave().await.unwrap();
    assert_eq!(workers(&bench).await.len(), 0);
}

/// Joining is a courtesy: leases do not depend on it.
pub async fn a_worker_that_never_joined_can_work(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    assert_eq!(worker.heartbeat(&[&lease]).await, [oqron_core::Verdict::Renewed]);
    worker.complete(&lease).await;
}

async fn workers(bench: &Bench) -> Vec<WorkerRecord> {
    bench.operate.workers().await.unwrap()
}
