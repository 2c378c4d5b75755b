//! What a turn reads: the rows that it needs, however many wait, and whatever the planner believed when it made the plan.
#![allow(clippy::unwrap_used, reason = "an error of the backend fails the test")]

use std::time::{Duration, Instant};

use oqron_core::{
    Claim, Config, Consume, Delivery, Encoded, Format, Heartbeat, Held, JobId, NewJob, Outcome, Publish,
    Settlement, Token, TopicName, Turn, WorkerId,
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
    let schema = format!("t_{}", JobId::generate().as_str().replace('-', ""));
    let url = postgres_url();
    let sign = if url.contains('?') { '&' } else { '?' };
    let config = Config::new(format!("{url}{sign}schema={schema}&pool_size=1"))
        .and_then(|config| config.namespace("plans", "test"))
        .unwrap();
    let publish = PgPublish::connect(&config).await.unwrap();
    let mut worker = Worker {
        consume: PgConsume::connect(&config).await.unwrap(),
        id: WorkerId::generate("test"),
        topic: TopicName::new("topic").unwrap(),
        request: 0,
    };
    let (client, connection) = oqron_pg::tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);

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
        let (deleted_before, read_before) = counted(&client, &schema).await;
        let mut turns = 0;
        // Sessions report what they did a little later, and only while they do something.
        let read = loop {
            held = worker.turn(held).await;
            turns += 1;
            let (deleted, read) = counted(&client, &schema).await;
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

/// Rows of `jobs` that were deleted, and entries of its indexes that were read.
async fn counted(client: &Client, schema: &str) -> (i64, i64) {
    let row = client
        .query_one(
            "select t.n_tup_del, (select sum(i.idx_tup_read)::bigint from pg_stat_user_indexes i where i.relid = t.relid)
             from pg_stat_user_tables t where t.schemaname = $1 and t.relname = 'jobs'",
            &[&schema],
        )
        .await
        .unwrap();
    (row.get(0), row.get(1))
}
