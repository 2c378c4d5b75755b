//! What a turn and a sweep read: the rows that they need, however many wait or went, and whatever the planner believed when it
//! made the plan.
#![allow(clippy::unwrap_used, reason = "an error of the backend fails the test")]

use std::time::{Duration, Instant};

use oqron_core::{
    Claim, Config, Consume, Delivery, Encoded, Format, Heartbeat, Held, JobId, LockName, Locks, NewJob,
    Outcome, Publish, Settlement, Token, TopicName, Turn, WorkerId,
};
use oqron_pg::tokio_postgres::{Client, NoTls};
use oqron_pg::{PgConsume, PgPublish};
use oqron_testing::servers::postgres_url;

const DEADLINE: Duration = Duration::from_secs(40);
const WAITING: usize = 10_000;
/// In one report.
const TURNS_MIN: i64 = 10;
/// Of the index, in one turn and one heartbeat. It is about ten; a walk over what waits would be a thousand times as many.
const ROWS_MAX: i64 = 200;

struct Worker {
    consume: PgConsume,
    id: WorkerId,
    topic: TopicName,
    request: u64,
}

impl Worker {
    /// Settles, claims one, and renews it.
    async fn turn(&mut self, settlement: Settlement) -> Settlement {
        self.request += 1;
        let claim = Claim {
            max: 1,
            lease_ttl: Duration::from_secs(300),
            delivery: Delivery::AtLeastOnce,
            max_stalls: 3,
        };
        let turned = self
            .consume
            .turn(&Turn {
                worker: &self.id,
                topic: &self.topic,
                line: 0,
                request: self.request,
                settlements: &[settlement],
                claim: Some(claim),
            })
            .await
            .unwrap();
        let next = turned.leases.first().map_or_else(nothing, |lease| {
            let result = Encoded::new(Format::JSON, "true");
            Settlement::new(lease.id.clone(), lease.token, Outcome::Complete(result))
        });
        self.consume
            .heartbeat(&Heartbeat {
                worker: &self.id,
                topic: &self.topic,
                through: self.request,
                lease_ttl: Duration::from_secs(300),
                held: &[Held::new(next.id.clone(), next.token)],
            })
            .await
            .unwrap();
        next
    }
}

/// The end of a job that there is not.
fn nothing() -> Settlement {
    let result = Encoded::new(Format::JSON, "true");
    Settlement::new(
        JobId::new("nothing").unwrap(),
        Token(0),
        Outcome::Complete(result),
    )
}

#[tokio::test]
async fn plans_that_were_made_while_a_table_was_empty_do_not_last() {
    let (schema, url, config) = schema_of_its_own();
    let publish = PgPublish::connect(&config).await.unwrap();
    let mut worker = Worker {
        consume: PgConsume::connect(&config).await.unwrap(),
        id: WorkerId::generate("test"),
        topic: TopicName::new("topic").unwrap(),
        request: 0,
    };
    let client = client(&url).await;

    // Nobody else brings the planner to reason.
    let off =
        format!("alter table {schema}.jobs set (autovacuum_enabled = off); vacuum analyze {schema}.jobs");
    for sql in off.split("; ") {
        client.batch_execute(sql).await.unwrap();
    }
    worker.turn(nothing()).await;
    let jobs: Vec<NewJob> = (0..WAITING)
        .map(|_| NewJob::new(Encoded::new(Format::JSON, "1")))
        .collect();
    publish.enqueue(&worker.topic, &jobs).await.unwrap();

    let began = Instant::now();
    let mut held = worker.turn(nothing()).await;
    loop {
        let (deleted_before, read_before) = counted(&client, &schema, "jobs").await;
        let mut turns = 0;
        // Sessions report what they did a little later, and only while they do something.
        let read = loop {
            held = worker.turn(held).await;
            turns += 1;
            let (deleted, read) = counted(&client, &schema, "jobs").await;
            if deleted > deleted_before {
                break read - read_before;
            }
            assert!(began.elapsed() < DEADLINE, "nothing is reported any more");
        };
        if turns > TURNS_MIN && read <= turns * ROWS_MAX {
            break;
        }
        assert!(began.elapsed() < DEADLINE, "{turns} turns still read {read} rows");
    }
    let drop = format!("drop schema {schema} cascade");
    client.batch_execute(&drop).await.unwrap();
}

/// Entries that a sweep reads to find what it removes, and which number is over: some four thousand for a thousand records.
/// Without marks the last sweeps would read fifty times as many, and so would sweeps that walk over what is kept.
const ENTRIES_A_RECORD_MAX: i64 = 12;
const KEPT: i64 = 1_000;
const OVER: i64 = 60_000;

#[tokio::test]
async fn a_sweep_walks_neither_over_what_stays_nor_over_what_went() {
    let (schema, url, config) = schema_of_its_own();
    let topic = TopicName::new("topic").unwrap();
    let publish = PgPublish::connect(&config).await.unwrap();
    let job = NewJob::new(Encoded::new(Format::JSON, "1"));
    publish.enqueue(&topic, &[job]).await.unwrap();
    let (client, pinning) = (client(&url).await, client(&url).await);
    let fill = format!(
        "alter table {schema}.finished set (autovacuum_enabled = off);
         insert into {schema}.finished (seq, created_at, run_at, finished_at, expires_at, retain_ms, retain_count,
             id_window_ms, topic, priority, attempts, stalls, state, payload_format, cancel_requested, settled, id, payload)
         select n, 0, 0, n, 9000000000000 + n, 86400000, {KEPT}, 0, t.id, 0, 1, 0, 3, 101, false, true, 'job-' || n, '1'
         from {schema}.topics t, generate_series(1, {KEPT} + {OVER}) n"
    );
    client.batch_execute(&fill).await.unwrap();
    let pin = format!("begin isolation level repeatable read; select count(*) from {schema}.finished");
    pinning.batch_execute(&pin).await.unwrap();

    let consume = PgConsume::connect(&config).await.unwrap();
    let mut removed = 0;
    loop {
        let swept = consume.sweep(&topic).await.unwrap();
        removed += i64::from(swept.records);
        if !swept.more {
            break;
        }
    }
    assert_eq!(removed, OVER);
    let (began, lock) = (Instant::now(), LockName::new("nothing").unwrap());
    let read = loop {
        // A session reports while it does something.
        consume.acquire(&lock, Duration::from_secs(1)).await.unwrap();
        let (deleted, read) = counted(&client, &schema, "finished").await;
        if deleted == OVER {
            break read;
        }
        assert!(began.elapsed() < DEADLINE, "{deleted} deletions are reported");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(read <= OVER * ENTRIES_A_RECORD_MAX, "{read} entries were read");
    pinning.batch_execute("commit").await.unwrap();
    let drop = format!("drop schema {schema} cascade");
    client.batch_execute(&drop).await.unwrap();
}

/// Its name, the URL of the server and a configuration for it, with one connection.
fn schema_of_its_own() -> (String, String, Config) {
    let schema = format!("t_{}", JobId::generate().as_str().replace('-', ""));
    let url = postgres_url();
    let sign = if url.contains('?') { '&' } else { '?' };
    let config = Config::new(format!("{url}{sign}schema={schema}&pool_size=1"))
        .and_then(|config| config.namespace("plans", "test"))
        .unwrap();
    (schema, url, config)
}

async fn client(url: &str) -> Client {
    let (client, connection) = oqron_pg::tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Rows of a table that were deleted, and entries of its indexes that were read.
async fn counted(client: &Client, schema: &str, table: &str) -> (i64, i64) {
    let row = client
        .query_one(
            "select t.n_tup_del, (select sum(i.idx_tup_read)::bigint from pg_stat_user_indexes i where i.relid = t.relid)
             from pg_stat_user_tables t where t.schemaname = $1 and t.relname = $2",
            &[&schema, &table],
        )
        .await
        .unwrap();
    (row.get(0), row.get(1))
}
