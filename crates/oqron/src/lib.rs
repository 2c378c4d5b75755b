//! Background jobs for Rust services.
//!
//! A web service pushes jobs (feature `publisher`), compute nodes run them (feature `worker`), and Redis, PostgreSQL or
//! an SQLite file (features `redis`, `postgres`, `sqlite`) stands between; `operate` is for tools that people use,
//! `memory` for tests of your own. This crate has no logic: it chooses the backend by the URL.
#![cfg_attr(
    all(feature = "publisher", feature = "worker", feature = "sqlite"),
    doc = r##"
```no_run
use std::time::Duration;
use oqron::{Config, Context, Topic, Worker};

const GREET: Topic<String, String> = Topic::new("greet");

# async fn example() -> Result<(), Box<dyn std::error::Error>> {
let config = Config::new("sqlite:jobs.db")?;

// In a web service:
let job = oqron::publisher(config.clone()).await?.queue(GREET).add(&"Ada".to_owned()).await?;
println!("{}", job.result(Duration::from_secs(10)).await?);

// On a compute node:
let greet = Worker::new(GREET, async |ctx: Context<String>| Ok(format!("Hello, {}", ctx.data()))).concurrency(4);
oqron::runtime(config).await?.worker(greet)?.run(oqron::shutdown_signal()).await?;
# Ok(()) }
```
"##
)]

#[cfg(any(feature = "publisher", feature = "worker", feature = "operate"))]
mod connect;

pub use oqron_core::{
    CancelOutcome, Codec, Config, Delivery, EnqueueOutcome, Error, FailureKind, JobError, JobFailure, JobId,
    JobRecord, JobRef, JobState, LogLine, NewJob, Progress, Retention, Retries, TimelineEvent, TimelineKind,
    Timestamp, Token, Topic, TopicName,
};

/// Everything of the core: limits, names, the backend traits.
pub use oqron_core as core;

#[cfg(feature = "publisher")]
pub use connect::publisher;
#[cfg(feature = "publisher")]
pub use oqron_publisher::{Add, Error as PublishError, IntoAdd, JobHandle, Publisher, Queue};

#[cfg(feature = "worker")]
pub use connect::runtime;
#[cfg(feature = "worker")]
pub use oqron_worker::{
    CancelReason, Context, Error as WorkerError, Handler, JobInfo, Runtime, RuntimeHandle, Worker,
    shutdown_signal,
};

#[cfg(feature = "operate")]
pub use connect::operator;

/// What only PostgreSQL can: adding within a transaction of yours.
#[cfg(feature = "postgres")]
pub use oqron_pg as postgres;
