//! A drain over minutes while another session holds the xmin horizon of PostgreSQL, as a forgotten transaction, a long report
//! or a dump does: no dead row can be removed as long as it is open.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oqron::Retention;
use tokio_postgres::NoTls;

use crate::bench::{BULK, Bench, Counter, DRAIN, fill, quick_worker, rate};
use crate::error::Error;
use crate::row::Row;

/// Jobs that are kept waiting.
const BACKLOG: u64 = 20_000;
const PARTS: u32 = 5;
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub(crate) async fn measure(bench: &Bench, time: Duration) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for (name, begin) in [
        ("no transaction", None),
        (
            "a reading transaction",
            Some("begin isolation level repeatable read; select 1"),
        ),
        (
            "a writing transaction",
            Some("begin; select pg_current_xact_id()"),
        ),
    ] {
        let (client, connection) = tokio_postgres::connect(bench.config.url.expose(), NoTls).await?;
        let connection = tokio::spawn(connection);
        if let Some(begin) = begin {
            client.batch_execute(begin).await?;
        }
        let rates = rates(bench, time).await?;
        drop(client);
        connection
            .await
            .map_err(|error| Error::Found(error.to_string()))??;
        for (part, rate) in rates.iter().enumerate() {
            rows.push(Row::new(
                format!("{name}, fifth {} of {PARTS}", part + 1),
                *rate,
                "jobs/s",
            ));
        }
        let kept = rates[rates.len() - 1] / rates[0];
        rows.push(Row::new(format!("{name}, last fifth to first"), kept, ""));
    }
    Ok(rows)
}

/// The rate of each part of the time, with a publisher that adds as fast as the worker works.
async fn rates(bench: &Bench, time: Duration) -> Result<Vec<f64>, Error> {
    let counter = Counter::new(u64::MAX);
    fill(&bench.queue(DRAIN), BACKLOG, Retention::default()).await?;
    let worker = quick_worker(&counter).concurrency(100);
    let runtime = oqron::runtime(bench.config.clone()).await?.worker(worker)?;
    let handle = runtime.handle();
    let working = tokio::spawn(runtime.run(std::future::pending()));
    let queue = bench.queue(DRAIN);
    let counted = Arc::clone(&counter);
    let adding = tokio::spawn(async move {
        let mut added = BACKLOG;
        loop {
            if added - counted.done().min(added) >= BACKLOG {
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
            fill(&queue, BULK, Retention::default()).await?;
            added += BULK;
        }
        #[allow(unreachable_code, reason = "gives the task its type")]
        Ok::<(), Error>(())
    });
    let mut rates = Vec::new();
    let (mut before, mut at) = (0, Instant::now());
    for _ in 0..PARTS {
        tokio::time::sleep(time / PARTS).await;
        let (done, now) = (counter.done(), Instant::now());
        rates.push(rate(done - before, now - at));
        (before, at) = (done, now);
    }
    if adding.is_finished() {
        adding.await.map_err(|error| Error::Found(error.to_string()))??;
    } else {
        adding.abort();
    }
    handle.shutdown();
    working.await.map_err(|error| Error::Found(error.to_string()))??;
    Ok(rates)
}
