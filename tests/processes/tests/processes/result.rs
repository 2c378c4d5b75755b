use std::time::Duration;

use futures::FutureExt;
use oqron::{FailureKind, PublishError, Retries};
use oqron_processes::history::Event;
use oqron_processes::script::{Script, Step};

use oqron_processes::world::{PATIENCE, World, eventually, record};

on_each_backend!(a_publisher_that_waits_is_given_the_result_of_another_process);

async fn a_publisher_that_waits_is_given_the_result_of_another_process(world: World) {
    let gate = world.gate("gate");
    let retries = Retries::fixed(1, Duration::from_millis(20));
    let steps = [
        Step::Wait(gate.clone()),
        Step::Progress(70),
        Step::Log("done".into()),
        Step::FailUpTo(1),
    ];
    let good = world
        .queue()
        .add(&Script::new(steps))
        .retries(retries)
        .await
        .unwrap();
    let bad = world.add([Step::Wait(gate.clone()), Step::Panic]).await;
    let mut results = Box::pin(futures::future::join(good.result(PATIENCE), bad.result(PATIENCE)));
    assert!(results.as_mut().now_or_never().is_none(), "nobody has run them");

    let mut worker = world
        .worker("worker")
        .env("OQRON_WORKER_CONCURRENCY", "2")
        .start();
    eventually("two handlers", async || {
        (world.entries(Event::Started).len() == 2).then_some(())
    })
    .await;
    gate.open().unwrap();

    let (ran, failed) = results.await;
    let ran = ran.unwrap();
    assert_eq!((ran.label.as_str(), ran.attempt), ("worker", 2));
    let record = record(&good).await;
    assert_eq!((record.attempts, record.stalls), (2, 0));
    assert_eq!(record.progress.as_ref().unwrap().percent, 70);
    assert_eq!(
        record.logs.iter().filter(|line| line.text == "done").count(),
        2,
        "{:?}",
        record.logs
    );
    let error = failed.unwrap_err();
    let PublishError::JobFailed { failure, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(failure.kind, FailureKind::Panic);
    assert!(error.to_string().contains("the script says so"), "{error}");
    worker.stop().await;
    let summary = world.proven().await;
    assert_eq!((summary.completed, summary.failed), (1, 1), "{summary}");
}
