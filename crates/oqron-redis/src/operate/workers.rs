//! The workers.

use oqron_core::{Error, Timestamp, WorkerInfo, WorkerRecord};

use crate::record::json;
use crate::reply;
use crate::script::{Call, LazyScript, script};
use crate::server::Server;

static WORKERS: LazyScript = script!(" flags=allow-oom", "workers");

/// A worker without a presence is listed this long after its last heartbeat.
const LISTED_MS: u64 = 90_000;

pub(super) async fn workers(server: &Server) -> Result<Vec<WorkerRecord>, Error> {
    let call = Call::new(&WORKERS, &[&server.keys.workers(), &server.keys.seen()])
        .arg(server.keys.worker_channels())
        .arg(LISTED_MS);
    let mut answer = reply::list(server.run("list workers", call).await?)?.into_iter();
    let mut workers = Vec::new();
    while let (Some(description), Some(seen_at)) = (answer.next(), answer.next()) {
        let description = reply::bytes(description)?.unwrap_or_default();
        if description.is_empty() {
            // Only its heartbeats are known: it has joined before somebody removed the list.
            continue;
        }
        let info: WorkerInfo = json("a worker's description", &description)?;
        let seen_at = reply::text(seen_at)?.parse::<f64>().unwrap_or(0.0);
        workers.push(WorkerRecord::new(info, Timestamp::from_millis(seen_at as i64)));
    }
    Ok(workers)
}
