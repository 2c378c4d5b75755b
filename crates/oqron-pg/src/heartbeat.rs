//! One call renews everything that a worker holds of a topic.

use oqron_core::limits::{TURN_JOBS_MAX, at_most};
use oqron_core::time::millis;
use oqron_core::{Error, Heartbeat, Verdict};

use crate::consume::{PgConsume, lock};
use crate::error::corrupt;
use crate::settle::{json, json_lines};
use crate::statement::statement;
use crate::wake::Wake;

statement!(
    HEARTBEAT,
    "sql/consume/heartbeat.sql",
    [
        INT4, TEXT, INT8, INT8, INT8, TEXT_ARRAY, INT8_ARRAY, TEXT_ARRAY, TEXT_ARRAY, TEXT, INT8, INT8
    ]
);

/// Requests that are kept though they are answered: a copy that is still on its way must be recognised.
const REQUESTS_KEPT: i64 = 100;

/// What is remembered of a worker's requests for a topic, so that nothing walks over entries that are long done.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mark {
    /// No lease is of an older request.
    oldest_held: i64,
    /// Requests up to this one are forgotten.
    forgotten: i64,
}

pub(crate) async fn heartbeat(consume: &PgConsume, heartbeat: &Heartbeat<'_>) -> Result<Vec<Verdict>, Error> {
    at_most("leases in one heartbeat", heartbeat.held.len(), TURN_JOBS_MAX)?;
    let action = "renew leases";
    let database = &consume.database;
    let topic = database.topic_made(action, heartbeat.topic).await?;
    let marks = &consume.memory.heartbeats;
    let name = (heartbeat.worker.clone(), topic);
    let mark = lock(marks).get(&name).copied().unwrap_or_default();

    let worker = heartbeat.worker.as_str();
    let lease_ms = millis(heartbeat.lease_ttl);
    let through = i64::try_from(heartbeat.through).unwrap_or(i64::MAX - 1);
    let held = heartbeat.held;
    let ids: Vec<&str> = held.iter().map(|held| held.id.as_str()).collect();
    let tokens: Vec<i64> = held
        .iter()
        .map(|held| i64::try_from(held.token.0).unwrap_or(-1))
        .collect();
    let progress: Vec<Option<String>> = held.iter().map(|held| held.progress.as_ref().map(json)).collect();
    let logs: Vec<Option<String>> = held.iter().map(|held| json_lines(&held.logs)).collect();

    let namespace = database.namespace.as_str();
    let answered = through.saturating_sub(REQUESTS_KEPT).max(mark.forgotten);

    let connection = database.connection(action).await?;
    let rows = connection
        .query(
            &HEARTBEAT,
            &[
                &topic,
                &worker,
                &lease_ms,
                &through,
                &mark.oldest_held,
                &ids,
                &tokens,
                &progress,
                &logs,
                &namespace,
                &answered,
                &mark.forgotten,
            ],
        )
        .await?;

    let read = |error| corrupt("answer to a heartbeat", error);
    let mut verdicts = vec![Verdict::Lost; held.len()];
    let mut went_back: i64 = 0;
    let mut oldest_held = 0;
    for row in &rows {
        oldest_held = row.try_get("mark").map_err(read)?;
        went_back = row.try_get("back").map_err(read)?;
        let place: Option<i32> = row.try_get("ord").map_err(read)?;
        let Some(place) = place else { continue };
        let cancelled: bool = row.try_get("cancel_requested").map_err(read)?;
        if let Some(verdict) = verdicts.get_mut(usize::try_from(place - 1).unwrap_or(usize::MAX)) {
            *verdict = if cancelled {
                Verdict::Cancelled
            } else {
                Verdict::Renewed
            };
        }
    }

    lock(marks).insert(
        name,
        Mark {
            oldest_held,
            forgotten: answered,
        },
    );
    if went_back > 0 {
        let jobs = i32::try_from(went_back).unwrap_or(i32::MAX);
        database.wake(&connection, topic, Wake::Jobs(jobs)).await;
    }
    if !held.is_empty()
        && let Some(wake) = consume.owed_for_leases(topic)
    {
        database.wake(&connection, topic, wake).await;
    }
    Ok(verdicts)
}
