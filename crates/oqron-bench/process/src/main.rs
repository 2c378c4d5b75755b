//! What `oqron-bench` starts for its sections `memory` and `processes`: a worker that drains, or a publisher. It is a program
//! as a user would write it, with one backend and nothing that Oqron does not need, so that its memory is that of Oqron.
//! It is configured by `OQRON_*`, says what it has done on its standard output, and ends when its standard input does.

#![allow(clippy::print_stdout, reason = "it is read by who has started it")]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oqron::{Config, Context, JobError, Topic, Worker};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;

const USAGE: &str = "usage: oqron-bench-process drain <concurrency> | publish <jobs>";

/// Between two lines of a worker.
const SAY_EVERY: Duration = Duration::from_millis(5);

/// The same JSON as the payload of `oqron-bench`, which fills the topic that is drained here. It is written out once more, since
/// a crate for both would be longer, and no program takes its payload from a benchmark.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Video {
    video_id: String,
    s3_resource_uri: String,
    codec: String,
    bitrate: u32,
}

impl Video {
    fn new(number: u64) -> Self {
        Self {
            video_id: format!("vid_{number}"),
            s3_resource_uri: "s3://bucket/source/file.mov".into(),
            codec: "hevc".into(),
            bitrate: 4_500,
        }
    }
}

enum Task {
    Drain { concurrency: u32 },
    Publish { jobs: u64 },
}

impl Task {
    fn read(arguments: &[String]) -> Option<Self> {
        let [name, number] = arguments else { return None };
        match name.as_str() {
            "drain" => number.parse().ok().map(|concurrency| Self::Drain { concurrency }),
            "publish" => number.parse().ok().map(|jobs| Self::Publish { jobs }),
            _ => None,
        }
    }
}

type Error = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match Task::read(&arguments) {
        Some(Task::Drain { concurrency }) => drain(concurrency).await,
        Some(Task::Publish { jobs }) => publish(jobs).await,
        None => {
            eprintln!("error: these are no arguments: {arguments:?}; {USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints `up`, how many jobs it has run whenever that has changed, and in the end `stopped` with its memory in kB.
async fn drain(concurrency: u32) -> Result<(), Error> {
    let done = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&done);
    let worker = Worker::new(Topic::new("drain"), move |_: Context<Video>| {
        counter.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok::<(), JobError>(()))
    });
    let runtime = oqron::runtime(Config::load()?)
        .await?
        .worker(worker.concurrency(concurrency))?;
    let handle = runtime.handle();
    let working = tokio::spawn(runtime.run(std::future::pending()));
    println!("up");
    let mut said = 0;
    let mut end = std::pin::pin!(input_ended());
    while tokio::time::timeout(SAY_EVERY, &mut end).await.is_err() {
        let done = done.load(Ordering::Relaxed);
        if done > said {
            said = done;
            println!("{said}");
        }
    }
    let memory = memory_kb()?;
    handle.shutdown();
    working.await??;
    println!("stopped {memory}");
    Ok(())
}

/// Adds so many jobs one by one, prints `up`, and in the end `stopped` with its memory in kB.
async fn publish(jobs: u64) -> Result<(), Error> {
    let publisher = oqron::publisher(Config::load()?).await?;
    let queue = publisher.queue(Topic::<Video, ()>::new("published"));
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
        .ok_or_else(|| "/proc/self/status says nothing of VmRSS".into())
}
