//! Measures the adapter on a server whose data may be lost: `cargo run --release --all-features --example measure -- URL`.
//!
//! Adds in bulk and one by one, drains at several batch sizes, and the memory of a waiting job: the figures of
//! `docs/decisions/0002-redis-layout.md`.

use std::time::{Duration, Instant};

use deadpool_redis::redis;
use oqron_core::{
    Claim, Config, Consume, Delivery, Encoded, Format, NewJob, Outcome, Publish, Settlement, TopicName, Turn,
    WorkerId,
};
use oqron_redis::{RedisConsume, RedisPublish};

const PAYLOAD: &str =
    r#"{"video_id":"v-0123456789","s3":"s3://bucket/path/to/an/object.y4m","codec":"av1","bitrate":4500000}"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("usage: measure URL")?;
    let unique = oqron_core::JobId::generate();
    let config = Config::new(&url)?.namespace("measure", unique.as_str())?;
    let publish = RedisPublish::connect(&config).await?;
    let consume = RedisConsume::connect(&config).await?;
    let mut server = redis::Client::open(url)?
        .get_multiplexed_async_connection()
        .await?;

    let count = 200_000;
    let before = used_memory(&mut server).await?;
    let topic = TopicName::new("bulk")?;
    let batches: Vec<Vec<NewJob>> = (0..count / 1000).map(|_| jobs(1000)).collect();
    let busy = cpu_seconds(&mut server).await?;
    let begun = Instant::now();
    for batch in &batches {
        publish.enqueue(&topic, batch).await?;
    }
    report(
        "bulk add of 1,000",
        count,
        begun,
        cpu_seconds(&mut server).await? - busy,
    );
    let after = used_memory(&mut server).await?;
    eprintln!("memory a waiting job: {} bytes", (after - before) / count);

    for (batch, limit) in [(100, count / 2), (10, 40_000), (1, 10_000)] {
        let _: () = redis::cmd("CONFIG")
            .arg("RESETSTAT")
            .query_async(&mut server)
            .await?;
        drain(&consume, &mut server, &topic, batch, limit).await?;
        commands(&mut server, limit).await?;
    }

    for tasks in [1, 16, 64] {
        let topic = TopicName::new(format!("single-{tasks}"))?;
        let each = 20_000 / tasks;
        let busy = cpu_seconds(&mut server).await?;
        let begun = Instant::now();
        let running: Vec<_> = (0..tasks)
            .map(|_| {
                let (publish, topic) = (publish.clone(), topic.clone());
                tokio::spawn(async move {
                    for _ in 0..each {
                        publish.enqueue(&topic, &jobs(1)).await?;
                    }
                    Ok::<_, oqron_core::Error>(())
                })
            })
            .collect();
        for task in running {
            task.await??;
        }
        report(
            &format!("single adds by {tasks} tasks"),
            each * tasks,
            begun,
            cpu_seconds(&mut server).await? - busy,
        );
    }
    Ok(())
}

async fn drain(
    consume: &RedisConsume,
    server: &mut redis::aio::MultiplexedConnection,
    topic: &TopicName,
    batch: u32,
    limit: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let worker = WorkerId::new(format!("worker-{batch}-0123456789ab"))?;
    let result = Encoded::new(Format::JSON, &b"\"https://cdn.example.com/v\""[..]);
    let mut settlements: Vec<Settlement> = Vec::new();
    let (mut done, mut request) = (0, 0);
    let busy = cpu_seconds(server).await?;
    let begun = Instant::now();
    while done < limit {
        request += 1;
        let turn = Turn {
            worker: &worker,
            topic,
            line: 0,
            request,
            settlements: &settlements,
            claim: Some(Claim {
                max: batch,
                lease_ttl: Duration::from_secs(30),
                delivery: Delivery::AtLeastOnce,
                max_stalls: 3,
            }),
        };
        let turned = consume.turn(&turn).await?;
        done += turned.settled.len();
        settlements = turned
            .leases
            .into_iter()
            .map(|lease| Settlement::new(lease.id, lease.token, Outcome::Complete(result.clone())))
            .collect();
    }
    report(
        &format!("turns of {batch}"),
        done,
        begun,
        cpu_seconds(server).await? - busy,
    );
    Ok(())
}

fn jobs(count: usize) -> Vec<NewJob> {
    (0..count)
        .map(|_| NewJob::new(Encoded::new(Format::JSON, PAYLOAD.as_bytes())))
        .collect()
}

/// Jobs a second by the clock, and by the server's own processor time: what it could do if it never waited.
fn report(what: &str, count: usize, begun: Instant, busy: f64) {
    let elapsed = begun.elapsed().as_secs_f64();
    eprintln!(
        "{what}: {:.0}/s by the clock, {:.0}/s by the server's time",
        count as f64 / elapsed,
        count as f64 / busy
    );
}

/// Where the server's time went, in microseconds a job.
async fn commands(server: &mut redis::aio::MultiplexedConnection, jobs: usize) -> redis::RedisResult<()> {
    let text: String = redis::cmd("INFO").arg("commandstats").query_async(server).await?;
    let mut commands: Vec<(f64, &str)> = text
        .lines()
        .filter_map(|line| {
            let (name, values) = line.strip_prefix("cmdstat_")?.split_once(':')?;
            let usec = values.split(',').find_map(|value| value.strip_prefix("usec="))?;
            Some((usec.parse::<f64>().ok()? / jobs as f64, name))
        })
        .collect();
    commands.sort_by(|a, b| b.0.total_cmp(&a.0));
    let shown: Vec<String> = commands
        .iter()
        .take(14)
        .map(|(us, name)| format!("{name} {us:.2}"))
        .collect();
    eprintln!("  us a job: {}", shown.join(", "));
    Ok(())
}

async fn used_memory(server: &mut redis::aio::MultiplexedConnection) -> redis::RedisResult<usize> {
    info(server, "memory", "used_memory:")
        .await
        .map(|value| value as usize)
}

async fn cpu_seconds(server: &mut redis::aio::MultiplexedConnection) -> redis::RedisResult<f64> {
    let user = info(server, "cpu", "used_cpu_user:").await?;
    Ok(user + info(server, "cpu", "used_cpu_sys:").await?)
}

async fn info(
    server: &mut redis::aio::MultiplexedConnection,
    section: &str,
    name: &str,
) -> redis::RedisResult<f64> {
    let text: String = redis::cmd("INFO").arg(section).query_async(server).await?;
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    Ok(value.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0))
}
