use std::collections::BTreeSet;
use std::time::Duration;

use deadpool_redis::redis::cmd;
use oqron::JobId;
use oqron_processes::PLAY;
use oqron_processes::siege::{PATIENCE, Siege};
use oqron_processes::world::{World, eventually_within};
use oqron_testing::fleets::{Cluster, Watched, ask};
use oqron_testing::history::{History, Moment};

use crate::each_backend::world_at;

const JOBS: u64 = 2_000;
/// A replica that keeps up is not so far behind.
const BEHIND_AT_MOST: Duration = Duration::from_secs(2);

/// The jobs that something was done to while the replica may not have heard of it any more, until work went on.
fn in_doubt(world: &World, died: Moment) -> BTreeSet<JobId> {
    let from = Moment(died.0.saturating_sub(BEHIND_AT_MOST.as_nanos() as u64));
    History::new(world.events(), Vec::new()).touched(from, Moment::now())
}

/// All but the jobs in doubt keep every promise, and none of those holds anything up.
async fn assert_kept(mut siege: Siege<'_>, world: &World, doubtful: &BTreeSet<JobId>) {
    siege.end().await;
    let records: BTreeSet<JobId> = world
        .records()
        .await
        .into_iter()
        .map(|record| record.id)
        .collect();
    let lost = doubtful.difference(&records).count();
    eprintln!(
        "{} jobs in doubt, {lost} of them without a record",
        doubtful.len()
    );
    assert!(
        doubtful.len() < JOBS as usize / 2,
        "{} are in doubt",
        doubtful.len()
    );
    let summary = world.proven_without(|id| doubtful.contains(id)).await;
    assert!(summary.completed + doubtful.len() >= JOBS as usize, "{summary}");
}

/// Until the replica is the master.
async fn promoted(watched: &Watched) {
    let role = cmd("INFO").arg("replication").clone();
    eventually_within(PATIENCE, "the replica is the master", async || {
        let text: String = ask(watched.replica.port(), &role).await?;
        text.contains("role:master").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_redis_replica_that_sentinels_promote_under_load_keeps_all_but_the_last_moments() {
    let mut watched = Watched::start().await;
    let world = world_at(watched.url()).await;
    let siege = Siege::start(&world, JOBS).await;
    siege.goes_on(JOBS as usize / 4).await;
    let died = Moment::now();
    watched.master.crash().unwrap();
    siege.goes_on(8).await;
    let doubtful = in_doubt(&world, died);
    siege.goes_on(JOBS as usize / 4).await;
    assert_kept(siege, &world, &doubtful).await;
}

#[tokio::test]
async fn a_redis_replica_that_adds_wait_for_takes_over_and_adds_wait_for_the_old_master() {
    let mut watched = Watched::start().await;
    let world = world_at(format!("{}&wait_replicas=1", watched.url())).await;
    let siege = Siege::start(&world, JOBS).await;
    siege.goes_on(JOBS as usize / 4).await;
    let died = Moment::now();
    watched.master.crash().unwrap();
    promoted(&watched).await;
    // Nobody has a copy of what the new master is told, until the old one is back.
    watched.master.restart().unwrap();
    siege.goes_on(8).await;
    let doubtful = in_doubt(&world, died);
    siege.goes_on(JOBS as usize / 4).await;
    assert_kept(siege, &world, &doubtful).await;
}

#[tokio::test]
async fn a_master_of_a_redis_cluster_that_dies_under_load_takes_only_its_last_moments() {
    let mut cluster = Cluster::start().await;
    let world = world_at(cluster.url()).await;
    let key = format!("oqron:{{{}:{}}}", world.namespace(), PLAY.name().unwrap());
    let master = cluster.master_of(&key).await;
    let siege = Siege::start(&world, JOBS).await;
    siege.goes_on(JOBS as usize / 4).await;
    let died = Moment::now();
    cluster.nodes[master].crash().unwrap();
    siege.goes_on(8).await;
    let doubtful = in_doubt(&world, died);
    siege.goes_on(JOBS as usize / 4).await;
    assert_kept(siege, &world, &doubtful).await;
}
