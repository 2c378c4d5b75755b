//! From before the add to the start of the handler, with a worker that has nothing else to do.

use std::time::{Duration, Instant};

use oqron::{Context, Topic, Worker};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::bench::{Bench, Video};
use crate::error::Error;
use crate::figures::Figures;
use crate::row::Row;

const SETTLED_AFTER: Duration = Duration::from_secs(1);
const BETWEEN: Duration = Duration::from_millis(50);
const LOST_AFTER: Duration = Duration::from_secs(60);

pub(crate) async fn measure(bench: &Bench, samples: u64) -> Result<Vec<Row>, Error> {
    let topic = "pickup";
    let (started, mut starts) = mpsc::channel(samples as usize + 1);
    let worker = Worker::new(Topic::<Video, ()>::new(topic), move |_: Context<Video>| {
        let started = started.clone();
        async move {
            let _ = started.send(Instant::now()).await;
            Ok(())
        }
    })
    .concurrency(10);
    let runtime = oqron::runtime(bench.config.clone()).await?.worker(worker)?;
    let handle = runtime.handle();
    let working = tokio::spawn(runtime.run(std::future::pending()));
    tokio::time::sleep(SETTLED_AFTER).await;
    let queue = bench.queue(topic);
    let mut times = Vec::new();
    for number in 0..samples {
        let began = Instant::now();
        queue.add(&Video::new(number)).await?;
        let start = timeout(LOST_AFTER, starts.recv()).await;
        times.extend(start.ok().flatten().map(|start| start - began));
        tokio::time::sleep(BETWEEN).await;
    }
    handle.shutdown();
    working.await.map_err(|error| Error::Found(error.to_string()))??;
    let figures = Figures::of(&times).filter(|figures| figures.count as u64 == samples);
    let Figures { p50, p99, max, .. } =
        figures.ok_or_else(|| Error::Found(format!("a job did not start within {LOST_AFTER:?}")))?;
    Ok([("pickup p50", p50), ("pickup p99", p99), ("pickup max", max)]
        .map(|(figure, seconds)| Row::new(figure, seconds * 1e3, "ms"))
        .into())
}
