//! Claims whose answers are lost: the worker asks again and gets the same leases.

use std::time::Duration;

use oqron_testing::proxy::{Cut, Fault, When};

use crate::warnings;
use crate::worker::{Started, Tally, takes};
use crate::world::{World, eventually, marker, within};

on_each_backend!(
    a_claim_whose_answer_is_lost_costs_neither_a_lease_nor_a_stall,
    a_job_whose_add_was_not_answered_wakes_a_worker_all_the_same,
);

async fn a_claim_whose_answer_is_lost_costs_neither_a_lease_nor_a_stall(world: World) {
    let line = world.line().await;
    let tally = Tally::default();
    let worker = Started::new(&line.config, takes(Duration::ZERO, &tally).concurrency(4)).await;
    world
        .assert_undisturbed(world.add(&marker("first")).await.id())
        .await;
    let faults = [
        Fault::RESET,
        Fault::FIN,
        Fault::LoseAnswers(Cut::Reset),
        Fault::Silence,
    ];
    for fault in faults {
        let payload = marker("payload");
        let strike = line.proxy.strike(When::ServerSays(payload.clone().into()), fault);
        let job = world.add(&payload).await;
        // The end of a lease is further away than anybody waits here.
        world.assert_undisturbed(job.id()).await;
        assert!(strike.has_struck(), "{fault:?}");
        assert_eq!(tally.runs(&payload), 1, "{fault:?}");
        eventually("the hook has run", || tally.successes(job.id()) == 1).await;
        assert_eq!(
            warnings::with(&["refused", job.id().as_str()]),
            Vec::<String>::new()
        );
    }
    worker.stop().await;
}

async fn a_job_whose_add_was_not_answered_wakes_a_worker_all_the_same(world: World) {
    // Well below the 30 s after which a worker looks without having been woken.
    const WOKEN_WITHIN: Duration = Duration::from_secs(8);
    let line = world.line().await;
    let queue = line.warm_queue().await;
    let tally = Tally::default();
    let worker = Started::new(&world.config, takes(Duration::ZERO, &tally)).await;
    world
        .assert_undisturbed(world.add(&marker("first")).await.id())
        .await;
    for fault in [
        Fault::LoseAnswers(Cut::Reset),
        Fault::RESET,
        Fault::LoseAnswers(Cut::Fin),
    ] {
        let payload = marker("payload");
        let strike = line.proxy.strike(When::ClientSays(payload.clone().into()), fault);
        let job = queue.add(&payload).await.unwrap();
        assert!(strike.has_struck(), "{fault:?}");
        let done = world.assert_undisturbed(job.id());
        within(WOKEN_WITHIN, &format!("the job after {fault:?}"), done).await;
    }
    worker.stop().await;
}
