//! What runs in processes of its own, so that its memory is its own: a worker that drains, and a publisher. Each is configured
//! by `OQRON_*`, says what it has done on its standard output, and ends when its standard input does.

use std::time::Duration;

use oqron::{Config, Topic};
use tokio::io::AsyncReadExt;

use crate::bench::{Counter, Video, Videos, quick_worker};
use crate::error::Error;

/// Between two lines of a worker.
const SAY_EVERY: Duration = Duration::from_millis(5);

/// Prints `up`, how many jobs it has run whenever that has changed, and in the end `stopped` with its memory in kB.
pub(crate) async fn drain(concurrency: u32) -> Result<(), Error> {
    let counter = Counter::new(u64::MAX);
    let worker = quick_worker(&counter).concurrency(concurrency);
    let runtime = oqron::runtime(Config::load()?).await?.worker(worker)?;
    let handle = runtime.handle();
    let working = tokio::spawn(runtime.run(std::future::pending()));
    println!("up");
    let mut said = 0;
    let mut end = std::pin::pin!(input_ended());
    while tokio::time::timeout(SAY_EVERY, &mut end).await.is_err() {
        if counter.done() > said {
            said = counter.done();
            println!("{said}");
        }
    }
    let memory = memory_kb()?;
    handle.shutdown();
    working.await.map_err(|error| Error::Found(error.to_string()))??;
    println!("stopped {memory}");
    Ok(())
}

/// Adds so many jobs one by one, prints `up`, and in the end `stopped` with its memory in kB.
pub(crate) async fn publish(jobs: u64) -> Result<(), Error> {
    let publisher = oqron::publisher(Config::load()?).await?;
    let queue: Videos = publisher.queue(Topic::new("published"));
    for number in 0..jobs {
        queue.add(&Video::new(number)).await?;
    }
    println!("up");
    input_ended().await?;
    println!("stopped {}", memory_kb()?);
    Ok(())
}

async fn input_ended() -> Result<(), Error> {
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}

/// What of it is in RAM.
fn memory_kb() -> Result<u64, Error> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok())
        .ok_or_else(|| Error::Found("/proc/self/status says nothing of VmRSS".into()))
}
