//! A server that has no more connections.

use std::time::Duration;

use oqron::Config;
use oqron_overload::load::{FLOOD, Load, Work};
use oqron_overload::place::Place;

use crate::PROGRAM;

#[tokio::test]
async fn a_publisher_without_a_connection_is_told_so_within_its_timeout_and_goes_on_when_there_is_one() {
    let place = Place::with_few_connections(20, PROGRAM).await;
    let mut crowd = place
        .process("crowd")
        .option("workers", 50)
        .option_alone("as-many-as-possible")
        .start();
    crowd.says("let in no more").await;
    crowd.says("are present").await;

    let mut config: Config = place.config.clone();
    config.call_timeout = Duration::from_secs(3);
    let begun = std::time::Instant::now();
    let refused = oqron::publisher(config.clone()).await.unwrap_err();
    // Generous: the machine may be busy. Without a bound it would wait for as long as the crowd stays.
    assert!(begun.elapsed() < Duration::from_secs(30), "{refused}");
    assert!(refused.is_transient(), "{refused:?}");
    let text = refused.to_string();
    assert!(text.contains("connections"), "it does not say why: {text}");

    // The connections that it has serve the test's own publisher, which was first.
    let queue = place.publisher.queue(FLOOD);
    let job = queue.add(&Load::new(Work::Nothing, 0)).await.unwrap();
    crowd.stop().await;
    let publisher = oqron::publisher(config).await.unwrap();
    let again = publisher.queue(FLOOD).job(job.id()).unwrap();
    assert!(again.status().await.unwrap().is_some());
    let mut worker = place.process("work").option("flood", 2).start();
    job.result(Duration::from_secs(60)).await.unwrap();
    worker.stop().await;
}
