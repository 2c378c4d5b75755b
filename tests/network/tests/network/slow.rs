//! A network that takes its time.

use std::time::Duration;

use oqron::{CancelOutcome, PublishError};
use oqron_testing::proxy::Weather;

use crate::worker::{Started, Tally, result_of, takes};
use crate::world::{JOBS, World, marker, within};

on_each_backend!(over_a_slow_network_everything_works_only_later);

async fn over_a_slow_network_everything_works_only_later(world: World) {
    let mut line = world.line().await;
    line.config.call_timeout = Duration::from_secs(10);
    line.proxy.set(Weather::slow(Duration::from_millis(200)));
    let tally = Tally::default();
    let (queue, worker) = tokio::join!(
        async { oqron::publisher(line.config.clone()).await.unwrap().queue(JOBS) },
        Started::new(
            &line.config,
            takes(Duration::from_millis(300), &tally).concurrency(5)
        ),
    );
    let run = async {
        let payloads: Vec<String> = (0..5).map(|_| marker("payload")).collect();
        let adds = payloads.iter().map(|payload| queue.add(payload).into_future());
        let jobs = futures::future::join_all(adds).await;
        let jobs: Vec<_> = jobs.into_iter().map(Result::unwrap).collect();
        let results = jobs.iter().map(|job| job.result(Duration::from_secs(20)));
        for (payload, result) in payloads.iter().zip(futures::future::join_all(results).await) {
            assert_eq!(result.unwrap(), result_of(payload));
            assert_eq!(tally.runs(payload), 1);
        }
        for job in &jobs {
            world.assert_undisturbed(job.id()).await;
        }
    };
    let cancel = async {
        let payload = marker("payload");
        let job = queue
            .add(&payload)
            .delay(Duration::from_secs(3600))
            .await
            .unwrap();
        assert_eq!(job.cancel().await.unwrap(), CancelOutcome::Cancelled);
        let waited = job.result(Duration::from_secs(10)).await;
        assert!(
            matches!(waited, Err(PublishError::JobCancelled { .. })),
            "{waited:?}"
        );
    };
    tokio::join!(run, cancel);
    within(Duration::from_secs(10), "the goodbye", worker.stop()).await;
}
