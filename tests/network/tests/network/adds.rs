//! Adds whose answers are lost.

use std::time::Duration;

use oqron::core::Error;
use oqron::{EnqueueOutcome, PublishError};
use oqron_testing::proxy::{Cut, Fault, When};

use crate::world::{CALL_TIMEOUT, PATIENCE, World, eventually, marker, within};

on_each_backend!(
    an_add_whose_answer_is_lost_with_the_connection_makes_one_job,
    an_add_that_gets_no_answer_is_repeated_for_as_long_as_the_queue_was_told_to,
    an_add_without_an_answer_is_an_error_and_its_caller_can_add_the_id_again,
    an_add_that_is_cut_at_any_byte_makes_one_job,
    many_adds_that_share_an_answer_that_is_lost_are_all_there_once,
    an_add_after_all_connections_were_cut_notices_nothing,
    an_add_whose_new_connection_is_cut_at_any_byte_makes_one_job,
);

/// The queue repeats by itself once: nobody notices.
async fn an_add_whose_answer_is_lost_with_the_connection_makes_one_job(world: World) {
    let line = world.line().await;
    let queue = line.warm_queue().await;
    let faults = [
        Fault::RESET,
        Fault::FIN,
        Fault::LoseAnswers(Cut::Reset),
        Fault::LoseAnswers(Cut::Fin),
    ];
    let mut jobs = 0;
    for fault in faults {
        for id in [None, Some(marker("id"))] {
            let payload = marker("payload");
            let strike = line.proxy.strike(When::ClientSays(payload.clone().into()), fault);
            let add = queue.add(&payload);
            let add = match &id {
                Some(id) => add.job_id(id),
                None => add,
            };
            let job = within(CALL_TIMEOUT * 3, "the add", add.into_future())
                .await
                .unwrap();
            assert!(strike.has_struck(), "{fault:?}");
            jobs += 1;
            assert_eq!(world.counts().await.waiting, jobs, "{fault:?}, id {id:?}");
            assert!(holds(&world.record(job.id()).await.payload.bytes, &payload));
            if let Some(id) = id {
                assert_eq!(job.id().as_str(), id);
            }
        }
    }
}

async fn an_add_that_gets_no_answer_is_repeated_for_as_long_as_the_queue_was_told_to(world: World) {
    let line = world.line().await;
    let queue = line.warm_queue().await.retry_for(Duration::from_secs(20));
    for jobs in 1..=2 {
        let payload = marker("payload");
        let strike = line
            .proxy
            .strike(When::ClientSays(payload.clone().into()), Fault::Silence);
        let job = within(
            Duration::from_secs(20),
            "the add",
            queue.add(&payload).into_future(),
        )
        .await
        .unwrap();
        assert!(strike.has_struck());
        assert_eq!(world.counts().await.waiting, jobs);
        assert_eq!(world.record(job.id()).await.id, *job.id());
    }
}

async fn an_add_without_an_answer_is_an_error_and_its_caller_can_add_the_id_again(world: World) {
    let line = world.line().await;
    let queue = line.warm_queue().await;
    let (id, payload) = (marker("id"), marker("payload"));
    let strike = line
        .proxy
        .strike(When::ClientSays(payload.clone().into()), Fault::Silence);
    let add = || queue.add(&payload).job_id(&id).into_future();
    let error = within(CALL_TIMEOUT * 2, "the add", add()).await.unwrap_err();
    assert!(
        matches!(error, PublishError::Core(Error::Timeout { .. })),
        "{error}"
    );
    assert!(error.is_transient(), "{error}");
    assert!(strike.has_struck());
    let job = add().await.unwrap();
    assert_eq!(
        (job.id().as_str(), job.outcome()),
        (id.as_str(), EnqueueOutcome::Existing)
    );
    assert_eq!(world.counts().await.waiting, 1);
}

/// Whatever has arrived of the answer, the add is acknowledged and the job is there once.
async fn an_add_that_is_cut_at_any_byte_makes_one_job(world: World) {
    let line = world.line().await;
    let queue = line.warm_queue().await;
    let mut jobs = 0;
    let before = line.proxy.bytes_from_server();
    queue.add(&marker("payload")).await.unwrap();
    let answer_bytes = line.proxy.bytes_from_server() - before;
    jobs += 1;
    let steps = answer_bytes.min(24);
    for step in 0..steps {
        let bytes = step * answer_bytes / steps;
        let strike = line.proxy.strike(When::ServerBytes(bytes), Fault::RESET);
        within(
            CALL_TIMEOUT * 3,
            "the add",
            queue.add(&marker("payload")).into_future(),
        )
        .await
        .unwrap();
        assert!(strike.has_struck(), "{bytes} of {answer_bytes}");
        jobs += 1;
        assert_eq!(
            world.counts().await.waiting,
            jobs,
            "after {bytes} of {answer_bytes} bytes"
        );
    }
}

/// The same while the connection is opened: nothing of the handshake is taken for an answer of a sound server.
async fn an_add_whose_new_connection_is_cut_at_any_byte_makes_one_job(world: World) {
    let line = world.line().await;
    let queue = line.warm_queue().await;
    let mut jobs = 0;
    let mut all_bytes = 0;
    for step in 0..24 {
        line.proxy.cut(Cut::Reset);
        eventually("the connections are gone", || line.proxy.connections() == 0).await;
        let (before, bytes) = (line.proxy.bytes_from_server(), step * all_bytes / 24);
        let fault = if step % 2 == 0 { Fault::FIN } else { Fault::RESET };
        // In the first round nothing strikes: it shows how much there is to cut.
        let strike = (step > 0).then(|| line.proxy.strike(When::ServerBytes(bytes), fault));
        within(
            CALL_TIMEOUT * 3,
            "the add",
            queue.add(&marker("payload")).into_future(),
        )
        .await
        .unwrap_or_else(|error| panic!("{fault:?} after {bytes} of {all_bytes} bytes: {error}"));
        jobs += 1;
        assert_eq!(
            world.counts().await.waiting,
            jobs,
            "{fault:?} after {bytes} of {all_bytes} bytes"
        );
        if step == 0 {
            all_bytes = line.proxy.bytes_from_server() - before;
        } else {
            assert!(
                strike.is_some_and(|strike| strike.has_struck()),
                "{bytes} of {all_bytes}"
            );
        }
    }
}

/// As after a restart of the server: what a pool holds is dead, and shows it only when it is used.
async fn an_add_after_all_connections_were_cut_notices_nothing(world: World) {
    let line = world.line().await;
    let queue = line.warm_queue().await;
    for (jobs, cut) in [(1, Cut::Reset), (2, Cut::Fin), (3, Cut::Reset)] {
        // So many calls at once that the pool holds several connections.
        let id = marker("id");
        let looks = (0..20).map(|_| async { queue.job(&id).unwrap().status().await });
        futures::future::join_all(looks).await;
        line.proxy.cut(cut);
        queue.add(&marker("payload")).await.unwrap();
        assert_eq!(world.counts().await.waiting, jobs);
    }
}

async fn many_adds_that_share_an_answer_that_is_lost_are_all_there_once(world: World) {
    let line = world.line().await;
    let queue = line.warm_queue().await;
    let mut jobs = 0;
    // One strike a round: two in the same round trip would be more than a queue repeats by itself.
    for at in [0, 100, 199] {
        let payloads: Vec<String> = (0..200).map(|_| marker("payload")).collect();
        let when = When::ClientSays(payloads[at].clone().into());
        let strike = line.proxy.strike(when, Fault::LoseAnswers(Cut::Reset));
        let adds = payloads.iter().map(|payload| queue.add(payload).into_future());
        let adds = futures::future::join_all(adds);
        for (payload, job) in payloads.iter().zip(within(PATIENCE, "the adds", adds).await) {
            let record = world.record(job.unwrap().id()).await;
            assert!(holds(&record.payload.bytes, payload));
        }
        jobs += 200;
        assert!(strike.has_struck(), "{at}");
        assert_eq!(world.counts().await.waiting, jobs);

        let payloads: Vec<String> = (0..200).map(|_| marker("payload")).collect();
        let when = When::ClientSays(payloads[at].clone().into());
        let strike = line.proxy.strike(when, Fault::LoseAnswers(Cut::Fin));
        let added = within(PATIENCE, "the batch", queue.add_many(&payloads))
            .await
            .unwrap();
        jobs += 200;
        assert!(strike.has_struck(), "{at}");
        assert_eq!((added.len(), world.counts().await.waiting), (200, jobs));
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
