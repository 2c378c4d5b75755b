//! Connections that die without a word: nobody says that wake-ups do not come any more.

use std::time::Duration;

use oqron::JobState;
use tokio::time::sleep;

use crate::worker::{Started, Tally, takes};
use crate::world::{World, eventually, marker, within};

on_each_backend!(a_worker_whose_connections_died_without_a_word_notices_and_is_woken_again);

/// Well below the safety poll of 30 s, which is what finds the jobs of a worker that notices nothing.
const NOTICES_WITHIN: Duration = Duration::from_secs(12);
/// A worker that has just done something may ask again for so long without having been woken.
const CLAIMS_ANYWAY: Duration = Duration::from_secs(1);
/// What a wake-up takes on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(4);

async fn a_worker_whose_connections_died_without_a_word_notices_and_is_woken_again(world: World) {
    let mut line = world.line().await;
    line.config.call_timeout = Duration::from_secs(1);
    let tally = Tally::default();
    let worker = Started::new(&line.config, takes(Duration::ZERO, &tally)).await;
    world
        .assert_undisturbed(world.add(&marker("first")).await.id())
        .await;

    line.proxy.strand();
    // The first may be met by a claim that was to come anyway, the second at the latest by the one after the new connection.
    for what in ["the job after the silence", "the next one"] {
        let job = world.add(&marker("payload")).await;
        within(NOTICES_WITHIN, what, world.assert_undisturbed(job.id())).await;
        sleep(CLAIMS_ANYWAY).await;
    }
    for _ in 0..3 {
        let payload = marker("payload");
        let job = world.add(&payload).await;
        let done = world.reaches(job.id(), &[JobState::Completed]);
        within(AT_ONCE, "a job after the new connection", done).await;
        eventually("the hook has run", || tally.successes(job.id()) == 1).await;
    }
    worker.stop().await;
}
