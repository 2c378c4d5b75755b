//! How often the backend hears of somebody who has nothing to do.
//!
//! The server counts, and does not count itself: of Redis, what `MONITOR` shows of others, without what scripts do inside; of
//! PostgreSQL, the statements of `pg_stat_statements` but its own. SQLite has no server: there the calls of the backend's
//! traits are counted, and the wake-ups of all threads, which is more than every look at the file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool_redis::redis;
use futures::StreamExt;
use oqron::core::BackendKind;
use oqron::{Publisher, Topic};
use oqron_testing::history::{Reader, Recorder, What};
use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::bench::{Bench, Counter, Video, Videos, quick_worker};
use crate::error::Error;
use crate::recorded;
use crate::row::Row;

/// What is done at the start is over by then.
const STARTED_AFTER: Duration = Duration::from_secs(5);
/// Of the time: so long a worker settles, since it asks for signs of life ever more rarely at first.
const SETTLING: f64 = 0.6;

pub(crate) async fn worker(bench: &Bench, time: Duration) -> Result<Vec<Row>, Error> {
    let meter = Meter::new(bench).await?;
    let worker = quick_worker(&Counter::new(u64::MAX)).concurrency(100);
    let runtime = match &meter {
        Meter::Calls { recorder, .. } => recorded::runtime(&bench.config, recorder).await?,
        _ => oqron::runtime(bench.config.clone()).await?,
    };
    let runtime = runtime.worker(worker)?;
    let handle = runtime.handle();
    let working = tokio::spawn(runtime.run(std::future::pending()));
    let rows = watch(&meter, "an idle worker", time).await?;
    handle.shutdown();
    working.await.map_err(|error| Error::Found(error.to_string()))??;
    Ok(rows)
}

pub(crate) async fn publisher(bench: &Bench, time: Duration) -> Result<Vec<Row>, Error> {
    let meter = Meter::new(bench).await?;
    let publisher: Publisher = match &meter {
        Meter::Calls { recorder, .. } => recorded::publisher(&bench.config, recorder).await?,
        _ => oqron::publisher(bench.config.clone()).await?,
    };
    let queue: Videos = publisher.queue(Topic::new("published"));
    queue.add(&Video::new(0)).await?;
    watch(&meter, "an idle publisher", time).await
}

async fn watch(meter: &Meter, who: &str, time: Duration) -> Result<Vec<Row>, Error> {
    tokio::time::sleep(STARTED_AFTER).await;
    let settling = time.mul_f64(SETTLING);
    let (at_first, _) = meter.rates(settling).await?;
    let (calls, wakeups) = meter.rates(time).await?;
    let mut rows = vec![
        Row::new(
            format!("backend calls of {who} in its first minutes"),
            at_first,
            "/min",
        ),
        Row::new(format!("backend calls of {who}"), calls, "/min"),
    ];
    if let Meter::Calls { .. } = meter {
        rows.push(Row::new(format!("thread wake-ups of {who}"), wakeups, "/min"));
    }
    Ok(rows)
}

enum Meter {
    Redis(Arc<AtomicU64>),
    Postgres(tokio_postgres::Client),
    Calls {
        recorder: Arc<Recorder>,
        folder: TempDir,
    },
}

impl Meter {
    async fn new(bench: &Bench) -> Result<Self, Error> {
        let url = bench.config.url.expose();
        match bench.config.url.kind() {
            BackendKind::Redis => {
                let monitor = redis::Client::open(url)?.get_async_monitor().await?;
                let calls = Arc::new(AtomicU64::new(0));
                let counting = Arc::clone(&calls);
                let mut lines = monitor.into_on_message::<String>();
                // Ends with the process.
                tokio::spawn(async move {
                    while let Some(line) = lines.next().await {
                        counting.fetch_add(u64::from(is_of_a_client(&line)), Ordering::Relaxed);
                    }
                });
                Ok(Self::Redis(calls))
            }
            BackendKind::Postgres => {
                let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
                tokio::spawn(connection);
                client
                    .batch_execute("create extension if not exists pg_stat_statements")
                    .await?;
                Ok(Self::Postgres(client))
            }
            _ => {
                let folder = tempfile::tempdir()?;
                let recorder = Recorder::create(folder.path(), "idle")?;
                Ok(Self::Calls { recorder, folder })
            }
        }
    }

    /// Calls and wake-ups a minute during this time.
    async fn rates(&self, time: Duration) -> Result<(f64, f64), Error> {
        let (calls, wakeups) = (self.calls().await?, thread_wakeups()?);
        tokio::time::sleep(time).await;
        let per_minute = |count: u64| count as f64 * 60.0 / time.as_secs_f64();
        let calls = per_minute(self.calls().await? - calls);
        // Those of a thread that has ended are forgotten.
        Ok((calls, per_minute(thread_wakeups()?.saturating_sub(wakeups))))
    }

    /// So many so far.
    async fn calls(&self) -> Result<u64, Error> {
        match self {
            Self::Redis(calls) => Ok(calls.load(Ordering::Relaxed)),
            Self::Postgres(client) => {
                let sum = "select coalesce(sum(calls), 0)::bigint from pg_stat_statements
                           where query not like '%pg_stat_statements%'";
                let calls: i64 = client.query_one(sum, &[]).await?.get(0);
                Ok(calls.unsigned_abs())
            }
            Self::Calls { folder, .. } => {
                let mut reader = Reader::new(folder.path());
                let events = reader.read_on()?;
                let asked = events
                    .iter()
                    .filter(|event| matches!(event.what, What::Asked { .. }));
                Ok(asked.count() as u64)
            }
        }
    }
}

/// `1700000000.123456 [0 127.0.0.1:4711] "PING"`; what a script does has `lua` in the place of the address.
fn is_of_a_client(line: &str) -> bool {
    let source = line
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'))
        .map_or("", |(source, _)| source);
    source.contains(':') && !source.ends_with(" lua")
}

fn thread_wakeups() -> Result<u64, Error> {
    let mut sum = 0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let status = std::fs::read_to_string(thread?.path().join("status")).unwrap_or_default();
        let count = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        sum += count
            .and_then(|count| count.trim().parse::<u64>().ok())
            .unwrap_or(0);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_does_inside_is_no_call_of_a_client() {
        assert!(is_of_a_client(r#"1700000000.1 [0 127.0.0.1:4711] "EVALSHA" "x""#));
        assert!(!is_of_a_client(
            r#"1700000000.1 [0 lua] "HGET" "[0 127.0.0.1:4711]""#
        ));
        assert!(!is_of_a_client("OK"));
    }
}
