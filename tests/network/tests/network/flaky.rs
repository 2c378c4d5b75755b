//! Connections that break all the time, under load.

use std::time::Duration;

use futures::future::join_all;
use oqron::{JobHandle, PublishError, Queue};
use oqron_testing::proxy::{Cut, Fault, Proxy, When};
use rand::Rng;
use tokio::time::{Instant, sleep};

use crate::warnings;
use crate::worker::{Started, Tally, takes};
use crate::world::{Backend, World, marker, within};

on_each_backend!(connections_that_break_all_the_time_lose_nothing_and_double_nothing);

const STORM: Duration = Duration::from_secs(5);
const ADDERS: usize = 8;
/// An adder pauses, so that there is no more to do after the storm than there is time for.
const PAUSE: Duration = Duration::from_millis(20);

/// Never ends: whichever connection carries the byte that is drawn, breaks.
async fn storm(proxy: &Proxy, backend: Backend) {
    // Few enough that calls break, and enough that some connections are opened and used.
    let at_most = match backend {
        Backend::Redis => 400,
        Backend::Postgres => 6_000,
    };
    loop {
        let bytes = rand::rng().random_range(20..at_most);
        let fault = match bytes % 4 {
            0 => Fault::FIN,
            1 => Fault::LoseAnswers(Cut::Reset),
            _ => Fault::RESET,
        };
        proxy.strike(When::ServerBytes(bytes), fault).struck().await;
    }
}

async fn add_until(
    end: Instant,
    queue: &Queue<String, String>,
) -> Result<Vec<(String, JobHandle<String>)>, PublishError> {
    let mut added = Vec::new();
    while Instant::now() < end {
        let payload = marker("payload");
        let add = queue.add(&payload);
        let add = match added.len() % 2 {
            0 => add,
            _ => add.job_id(marker("id")),
        };
        added.push((payload, add.await?));
        sleep(PAUSE).await;
    }
    Ok(added)
}

async fn connections_that_break_all_the_time_lose_nothing_and_double_nothing(world: World) {
    let (push, pull) = (world.line().await, world.line().await);
    let tally = Tally::default();
    let queue = push.warm_queue().await.retry_for(Duration::from_secs(20));
    // Every connection breaks, and on a busy machine none may bring an answer within a grace.
    let worker = Started::patient(
        &pull.config,
        takes(Duration::from_millis(5), &tally).concurrency(20),
    )
    .await;
    // What goes wrong while a worker starts is an error of the start.
    world
        .assert_undisturbed(world.add(&marker("first")).await.id())
        .await;
    let end = Instant::now() + STORM;
    let adding = join_all((0..ADDERS).map(|_| add_until(end, &queue)));
    let added: Vec<_> = tokio::select! {
        added = within(STORM * 5, "adding in the storm", adding) => added.into_iter().flat_map(Result::unwrap).collect(),
        () = storm(&push.proxy, world.backend) => unreachable!("a storm does not end"),
        () = storm(&pull.proxy, world.backend) => unreachable!("a storm does not end"),
    };
    let broke = push.proxy.accepted() + pull.proxy.accepted();
    assert!(
        broke > 12 && added.len() > 50,
        "{broke} connections, {} jobs: no storm",
        added.len()
    );
    push.proxy.clear();
    pull.proxy.clear();
    for (payload, job) in &added {
        world.assert_undisturbed(job.id()).await;
        assert_eq!(tally.runs(payload), 1);
        assert_eq!(
            warnings::with(&["refused", job.id().as_str()]),
            Vec::<String>::new()
        );
    }
    let counts = world.counts().await;
    let unfinished = (counts.waiting, counts.active, counts.scheduled, counts.failed);
    assert_eq!(unfinished, (0, 0, 0, 0));
    assert_eq!(counts.completed, added.len() as u64 + 1);
    worker.stop().await;
}
