//! Heartbeats.

use oqron_core::limits::{TURN_JOBS_MAX, at_most};
use oqron_core::{Error, Heartbeat, Verdict, WorkerId};

use super::settlement::{report, token_bytes};
use super::turn::ttl_ms;
use crate::error::corrupt;
use crate::reply;
use crate::script::{Call, LazyScript, script};
use crate::server::Server;

static HEARTBEAT: LazyScript = script!(
    " flags=allow-oom",
    "topic",
    "wake",
    "run",
    "steps",
    "report",
    "heartbeat"
);
static SEEN: LazyScript = script!(" flags=allow-oom", "seen");

pub(super) async fn heartbeat(server: &Server, heartbeat: &Heartbeat<'_>) -> Result<Vec<Verdict>, Error> {
    at_most("leases in one heartbeat", heartbeat.held.len(), TURN_JOBS_MAX)?;
    let mut call = Call::new(&HEARTBEAT, &[&server.keys.topic(heartbeat.topic)])
        .arg(server.keys.worker_channels())
        .arg(heartbeat.topic.as_str())
        .arg(heartbeat.worker.as_str())
        .arg(heartbeat.through)
        .arg(ttl_ms(heartbeat.lease_ttl)?);
    for held in heartbeat.held {
        call.push(held.id.as_str());
        call.push(token_bytes(held.token).as_slice());
        call.push(report(held.progress.as_ref(), &held.logs)?);
    }
    // The worker's own record has a slot of its own in a cluster, so it is a call of its own.
    let (answer, ()) = futures::try_join!(
        server.run("renew leases", call),
        seen(server, heartbeat.worker, "")
    )?;
    let answer = reply::bytes(answer)?.unwrap_or_default();
    if answer.len() != heartbeat.held.len() {
        return Err(corrupt(
            "an answer",
            format!("{} verdicts for {} leases", answer.len(), heartbeat.held.len()),
        ));
    }
    let verdict = |letter: &u8| match letter {
        b'R' => Verdict::Renewed,
        b'C' => Verdict::Cancelled,
        _ => Verdict::Lost,
    };
    Ok(answer.iter().map(verdict).collect())
}

/// Notes that the worker lives; with its description when it joins.
pub(super) async fn seen(server: &Server, worker: &WorkerId, description: &str) -> Result<(), Error> {
    let call = Call::new(&SEEN, &[&server.keys.workers(), &server.keys.seen()])
        .arg(worker.as_str())
        .arg(description);
    server.run("note that a worker lives", call).await?;
    Ok(())
}
