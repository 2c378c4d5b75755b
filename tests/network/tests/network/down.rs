//! A server that is down.

use std::time::Duration;

use oqron::PublishError;
use oqron::core::Error;
use oqron_testing::proxy::Cut;

use crate::worker::{Started, Tally, takes};
use crate::world::{CALL_TIMEOUT, JOBS, PASSWORD, World, marker, within};

on_each_backend!(
    a_publisher_whose_server_is_down_hears_so_in_time_and_goes_on_when_it_is_back,
    an_add_that_may_wait_outlasts_an_outage,
    a_worker_outlasts_an_outage_and_takes_what_came_meanwhile,
);

async fn a_publisher_whose_server_is_down_hears_so_in_time_and_goes_on_when_it_is_back(world: World) {
    let line = world.line().await;
    let queue = line.warm_queue().await;
    line.proxy.refuse().await.unwrap();
    line.proxy.cut(Cut::Reset);
    let mut errors = Vec::new();
    for _ in 0..3 {
        let text = marker("payload");
        let adding = within(CALL_TIMEOUT * 2, "an add", queue.add(&text).into_future()).await;
        errors.push(adding.unwrap_err());
    }
    let connecting = within(
        CALL_TIMEOUT * 2,
        "connecting",
        oqron::publisher(line.config.clone()),
    )
    .await;
    errors.push(connecting.unwrap_err().into());
    for error in errors {
        let shown = format!("{error} {error:?}");
        assert!(
            matches!(error, PublishError::Core(Error::Unavailable { .. })),
            "{shown}"
        );
        assert!(error.is_transient(), "{shown}");
        assert!(shown.contains(&line.proxy.address().to_string()), "{shown}");
        assert!(shown.contains("running"), "it does not say what to do: {shown}");
        assert!(!shown.contains(PASSWORD), "{shown}");
    }
    line.proxy.accept().await.unwrap();
    queue.add(&marker("payload")).await.unwrap();
    assert_eq!(world.counts().await.waiting, 1);
}

async fn an_add_that_may_wait_outlasts_an_outage(world: World) {
    let line = world.line().await;
    let queue = line.warm_queue().await.retry_for(Duration::from_secs(20));
    line.proxy.refuse().await.unwrap();
    line.proxy.cut(Cut::Fin);
    let text = marker("payload");
    let add = tokio::spawn(queue.add(&text).into_future());
    let many = tokio::spawn({
        let queue = queue.clone();
        async move { queue.add_many(&[marker("payload"), marker("payload")]).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!add.is_finished() && !many.is_finished());
    line.proxy.accept().await.unwrap();
    within(Duration::from_secs(10), "the add", add)
        .await
        .unwrap()
        .unwrap();
    within(Duration::from_secs(10), "the batch", many)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(world.counts().await.waiting, 3);
}

async fn a_worker_outlasts_an_outage_and_takes_what_came_meanwhile(world: World) {
    let line = world.line().await;
    let tally = Tally::default();
    let worker = Started::new(&line.config, takes(Duration::from_millis(500), &tally)).await;
    let payloads = [marker("payload"), marker("payload"), marker("payload")];
    let under_way = world.add(&payloads[0]).await;
    world.reaches(under_way.id(), &[oqron::JobState::Active]).await;
    line.proxy.refuse().await.unwrap();
    line.proxy.cut(Cut::Reset);
    let queue = oqron::publisher(world.config.clone()).await.unwrap().queue(JOBS);
    let waiting = queue.add_many(&payloads[1..]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    line.proxy.accept().await.unwrap();
    for job in waiting.iter().chain([&under_way]) {
        world.assert_undisturbed(job.id()).await;
    }
    for payload in &payloads {
        assert_eq!(tally.runs(payload), 1);
    }
    worker.stop().await;
}
