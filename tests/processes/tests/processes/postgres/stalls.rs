use oqron_processes::programs::publisher::Manner;
use oqron_processes::script::{Script, Step};
use oqron_processes::siege::{PATIENCE, Siege};
use oqron_processes::world::{World, eventually_within};

use super::{client, with_synchronous_standby};
use crate::each_backend::world_at;

const JOBS: u64 = 1_500;
/// As the configuration has it.
const CALL_TIMEOUT: &str = "2s";
/// Adds of each lane that are given up while nothing moves.
const REFUSALS: usize = 8;
const STALLS: usize = 2;

async fn besieged(world: &World) -> Siege<'_> {
    let timeout =
        |builder: oqron_processes::process::Builder| builder.env("OQRON_CALL_TIMEOUT", CALL_TIMEOUT);
    Siege::with(world, JOBS, Manner::Insisting, timeout).await
}

#[tokio::test]
async fn adds_end_at_their_timeout_while_a_synchronous_standby_stands_still_and_make_one_job_each() {
    let (_primary, standby, url) = with_synchronous_standby().await;
    let world = world_at(url).await;
    let siege = besieged(&world).await;
    for _ in 0..STALLS {
        let told = siege.refusals().len();
        standby.freeze().unwrap();
        // It stands still until every lane has given up twice: an add that waited for it would wait for ever.
        eventually_within(PATIENCE, "adds are given up", async || {
            (siege.refusals().len() >= told + REFUSALS).then_some(())
        })
        .await;
        standby.thaw().unwrap();
        let timed_out = format!("did not answer within {CALL_TIMEOUT}");
        let refusals = siege.refusals();
        assert!(
            refusals.iter().all(|line| line.contains(&timed_out)),
            "{refusals:#?}"
        );
        siege.goes_on(JOBS as usize / STALLS / 3).await;
    }
    siege.proven().await;
}

#[tokio::test]
async fn a_commit_that_is_cut_off_while_it_waits_for_a_standby_and_tried_again_makes_no_second_job() {
    let (primary, standby, url) = with_synchronous_standby().await;
    let world = world_at(url).await;
    let siege = besieged(&world).await;
    let admin = client(&primary.url()).await;
    for cut in ["pg_terminate_backend", "pg_cancel_backend"] {
        standby.freeze().unwrap();
        let cut_off = format!("select {cut}(pid) from pg_stat_activity where wait_event = 'SyncRep'");
        let mut cuts = 0;
        // What is cut off is committed here, and nobody knows whether on the copy.
        eventually_within(PATIENCE, "commits are cut off", async || {
            cuts += admin.query(&cut_off, &[]).await.unwrap().len();
            (cuts >= 40).then_some(())
        })
        .await;
        standby.thaw().unwrap();
        siege.goes_on(JOBS as usize / 5).await;
    }
    siege.proven().await;
}

#[tokio::test]
async fn an_add_whose_wait_for_a_standby_was_cut_off_is_not_acknowledged_before_the_standby_has_it() {
    let (primary, standby, url) = with_synchronous_standby().await;
    let world = world_at(url).await;
    // So that the topic is there.
    world.add([Step::Log("first".into())]).await;
    let admin = client(&primary.url()).await;
    standby.freeze().unwrap();
    let queue = world.queue().retry_for(PATIENCE);
    let adding = tokio::spawn(async move {
        let script = Script::new([Step::Log("second".into())]);
        queue.add(&script).job_id("second").await
    });
    let mut cuts = 0;
    let cut_off = "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'";
    eventually_within(PATIENCE, "the repeat is cut off too", async || {
        cuts += admin.query(cut_off, &[]).await.unwrap().len();
        assert!(!adding.is_finished(), "nobody but the primary has it");
        (cuts >= 5).then_some(())
    })
    .await;
    standby.thaw().unwrap();
    adding.await.unwrap().unwrap();
    assert_eq!(world.counts().await.waiting, 2);
}
