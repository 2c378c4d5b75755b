//! Whose presence has ended, and what they still hold.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oqron_core::limits::LOOK_LEASES_MAX;
use oqron_core::{AbsentLease, Error, JobId, Sight, Token, TopicName, WorkerId};
use tokio::sync::OnceCell;
use tokio_postgres::Row;

use crate::consume::PgConsume;
use crate::error::corrupt;
use crate::statement::statement;
use crate::wake::Wake;

statement!(CAN_LOOK, "sql/consume/can_look.sql", []);
statement!(
    LOOK,
    "sql/consume/look.sql",
    [TEXT, TEXT, INT8, INT4_ARRAY, INT8_ARRAY]
);
statement!(
    RECLAIM,
    "sql/consume/reclaim.sql",
    [INT4_ARRAY, TEXT_ARRAY, INT8_ARRAY, INT8_ARRAY]
);

/// What this process knows of its own sight.
#[derive(Default)]
pub(crate) struct Eyes {
    can_look: OnceCell<bool>,
    said_unseen: AtomicBool,
}

impl Eyes {
    /// Says once a process that presence is off.
    pub(crate) fn say_unseen(&self) {
        if !self.said_unseen.swap(true, Ordering::Relaxed) {
            tracing::info!(
                "prepared=false: behind a pooler nobody can see whether a worker lives, and nothing can be sent to it; jobs of \
                 a dead worker come back when their leases end, and new jobs are looked for every second"
            );
        }
    }
}

pub(crate) async fn look(
    consume: &PgConsume,
    worker: &WorkerId,
    topics: &[TopicName],
) -> Result<Option<Sight>, Error> {
    if !can_look(consume).await? {
        return Ok(None);
    }
    let action = "look who is present";
    let database = &consume.database;
    let mut numbers = Vec::with_capacity(topics.len());
    for topic in topics {
        numbers.push(database.topic_made(action, topic).await?);
    }
    let marks: Vec<i64> = numbers
        .iter()
        .map(|&number| {
            consume
                .memory
                .of_topic(number, |memory| memory.due.from(false).lease_until)
        })
        .collect();
    let (namespace, most) = (database.namespace.as_str(), LOOK_LEASES_MAX as i64);
    let rows = database
        .query(
            action,
            &LOOK,
            &[&namespace, &worker.as_str(), &most, &numbers, &marks],
        )
        .await?;
    read_sight(topics, &rows).map(Some)
}

/// Asked once: rights seldom change, and a refusal in the middle of a look would be an error each time.
async fn can_look(consume: &PgConsume) -> Result<bool, Error> {
    let database = &consume.database;
    if !database.prepared {
        consume.memory.eyes.say_unseen();
        return Ok(false);
    }
    let ask = async || {
        let rows = database.query("look who is present", &CAN_LOOK, &[]).await?;
        let row = rows
            .first()
            .ok_or_else(|| corrupt("answer to a look", "it is empty"))?;
        let can_look: bool = row
            .try_get(0)
            .map_err(|error| corrupt("answer to a look", error))?;
        if !can_look {
            tracing::warn!(
                "the user of the URL may not read pg_locks or call pg_postmaster_start_time, so nobody can see whether a \
                 worker lives; jobs of a dead worker come back when their leases end"
            );
        }
        Ok(can_look)
    };
    consume.memory.eyes.can_look.get_or_try_init(ask).await.copied()
}

fn read_sight(topics: &[TopicName], rows: &[Row]) -> Result<Sight, Error> {
    let read = |error| corrupt("answer to a look", error);
    let first = rows
        .first()
        .ok_or_else(|| corrupt("answer to a look", "it is empty"))?;
    let up_secs: i64 = first.try_get("up_secs").map_err(read)?;
    let mut absent = Vec::new();
    for row in rows {
        let Some(place) = row.try_get::<_, Option<i32>>("ord").map_err(read)? else {
            continue;
        };
        let topic = usize::try_from(place - 1)
            .ok()
            .and_then(|place| topics.get(place));
        let topic = topic.ok_or_else(|| corrupt("answer to a look", format!("place {place} of a topic")))?;
        let id = JobId::new(row.try_get::<_, &str>("id").map_err(read)?)
            .map_err(|error| corrupt("job record", error))?;
        let token: i64 = row.try_get("token").map_err(read)?;
        let until: i64 = row.try_get("lease_until").map_err(read)?;
        absent.push(AbsentLease::new(
            topic.clone(),
            id,
            Token(u64::try_from(token).unwrap_or(0)),
            u64::try_from(until).unwrap_or(0),
        ));
    }
    let up = Duration::from_secs(u64::try_from(up_secs).unwrap_or(0));
    Ok(Sight::new(
        first.try_get("others").map_err(read)?,
        absent,
        Some(up),
    ))
}

pub(crate) async fn reclaim(consume: &PgConsume, leases: &[AbsentLease]) -> Result<u32, Error> {
    let mut ended = 0;
    for leases in leases.chunks(LOOK_LEASES_MAX) {
        ended += reclaim_some(consume, leases).await?;
    }
    Ok(ended)
}

async fn reclaim_some(consume: &PgConsume, leases: &[AbsentLease]) -> Result<u32, Error> {
    let action = "reclaim leases";
    let database = &consume.database;
    let mut topics = Vec::with_capacity(leases.len());
    for lease in leases {
        topics.push(database.topic_made(action, &lease.topic).await?);
    }
    let ids: Vec<&str> = leases.iter().map(|lease| lease.id.as_str()).collect();
    let tokens: Vec<i64> = leases.iter().map(|lease| number(lease.token.0)).collect();
    let ends: Vec<i64> = leases.iter().map(|lease| number(lease.until)).collect();
    let connection = database.connection(action).await?;
    let rows = connection
        .query(&RECLAIM, &[&topics, &ids, &tokens, &ends])
        .await?;
    let read = |error| corrupt("answer to a reclaim", error);
    let mut ended = 0;
    for row in &rows {
        let topic: i32 = row.try_get("topic").map_err(read)?;
        let (taken, back): (i64, i64) = (
            row.try_get("ended").map_err(read)?,
            row.try_get("back").map_err(read)?,
        );
        ended += u32::try_from(taken).unwrap_or(u32::MAX);
        if back > 0 {
            let jobs = i32::try_from(back).unwrap_or(i32::MAX);
            database.wake(&connection, topic, Wake::Jobs(jobs)).await;
        }
    }
    Ok(ended)
}

/// As the server keeps it; what is too large matches nothing.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(-1)
}
