//! What can be seen of other workers: those that joined, did not leave, and have no listener on their own channel.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool_redis::redis::{self, Value};
use futures::future::try_join_all;
use oqron_core::limits::{LOOK_LEASES_MAX, TURN_JOBS_MAX};
use oqron_core::{AbsentLease, Error, Sight, Token, TopicName, WorkerId};

use super::settlement::number_bytes;
use crate::error::{corrupt, forbids};
use crate::job::job_id;
use crate::reply;
use crate::script::{Call, LazyScript, script};
use crate::server::Server;

static LOOK: LazyScript = script!(" flags=no-writes,allow-oom", "topic", "look");
static ABSENT: LazyScript = script!(" flags=no-writes,allow-oom", "topic", "run", "absent");
static RECLAIM: LazyScript = script!(" flags=allow-oom", "topic", "wake", "run", "steps", "reclaim");

const ACTION: &str = "look for workers that are gone";
/// Workers of one topic that one look asks for.
const HOLDERS_MAX: usize = 1_000;

/// One round trip while all are present. Where somebody is missed, two more tell who has joined, and what is held.
///
/// The caller tells by [`forbids`] whether an error means that nobody can look here.
pub(super) async fn look(
    server: &Server,
    runs: &Runs,
    worker: &WorkerId,
    topics: &[TopicName],
) -> Result<Sight, Error> {
    let holders = try_join_all(topics.iter().map(|topic| holders(server, worker, topic)));
    let (holders, found) = futures::try_join!(holders, runs_of(server))?;
    let server_up = runs.up(found, Instant::now());
    let others = holders.iter().any(|holders| holders.others);
    let missed: BTreeSet<&str> = holders.iter().flat_map(Holders::missed).collect();
    let mut absent = Vec::new();
    if !missed.is_empty() {
        let joined = joined(server, &missed).await?;
        let leases = topics.iter().zip(&holders).filter_map(|(topic, holders)| {
            let gone: Vec<&str> = holders
                .missed()
                .filter(|holder| joined.contains(holder))
                .collect();
            (!gone.is_empty()).then(|| leases(server, topic, gone))
        });
        absent = try_join_all(leases).await?.concat();
    }
    Ok(Sight::new(others, absent, Some(server_up)))
}

struct Holders {
    others: bool,
    missed: Vec<String>,
}

impl Holders {
    fn missed(&self) -> impl Iterator<Item = &str> {
        self.missed.iter().map(String::as_str)
    }
}

async fn holders(server: &Server, worker: &WorkerId, topic: &TopicName) -> Result<Holders, Error> {
    let call = Call::new(&LOOK, &[&server.keys.topic(topic)])
        .arg(server.keys.worker_channels())
        .arg(worker.as_str())
        .arg(HOLDERS_MAX);
    let mut answer = reply::list(server.run(ACTION, call).await?)?.into_iter();
    let others = answer
        .next()
        .ok_or_else(|| corrupt("an answer", "a look answers at least a number"))?;
    Ok(Holders {
        others: reply::number(&others)? == 1,
        missed: answer.map(reply::text).collect::<Result<_, _>>()?,
    })
}

/// Those of them that have joined and not left.
async fn joined<'a>(server: &Server, workers: &BTreeSet<&'a str>) -> Result<HashSet<&'a str>, Error> {
    let mut command = redis::cmd("HMGET");
    command.arg(server.keys.workers());
    for worker in workers {
        command.arg(worker);
    }
    let descriptions = reply::list(server.command(ACTION, command).await?)?;
    let known = workers.iter().zip(descriptions);
    Ok(known
        .filter(|(_, description)| !matches!(description, Value::Nil))
        .map(|(worker, _)| *worker)
        .collect())
}

async fn leases(server: &Server, topic: &TopicName, workers: Vec<&str>) -> Result<Vec<AbsentLease>, Error> {
    let call = Call::new(&ABSENT, &[&server.keys.topic(topic)])
        .arg(LOOK_LEASES_MAX)
        .arg(workers);
    let answer = reply::list(server.run(ACTION, call).await?)?;
    let mut values = answer.into_iter();
    let mut leases = Vec::new();
    while let (Some(id), Some(token), Some(until)) = (values.next(), values.next(), values.next()) {
        let id = reply::bytes(id)?.unwrap_or_default();
        let number = |value: &Value| Ok::<_, Error>(u64::try_from(reply::number(value)?).unwrap_or(0));
        leases.push(AbsentLease::new(
            topic.clone(),
            job_id(&id)?,
            Token(number(&token)?),
            number(&until)?,
        ));
    }
    Ok(leases)
}

/// The server takes the difference of two times in whole seconds, which can be one too many. One less, and it is never
/// taken for older than it is. In a cluster the youngest node counts.
async fn runs_of(server: &Server) -> Result<Vec<(String, Duration)>, Error> {
    let read = |info: String| {
        let seconds =
            reply::info_field(&info, "uptime_in_seconds").and_then(|seconds| seconds.parse::<u64>().ok());
        let run = reply::info_field(&info, "run_id").unwrap_or_default().to_owned();
        seconds
            .map(|seconds| (run, Duration::from_secs(seconds.saturating_sub(1))))
            .ok_or_else(|| corrupt("an answer", "INFO server tells no uptime_in_seconds"))
    };
    server
        .info(ACTION, "server")
        .await?
        .into_iter()
        .map(read)
        .collect()
}

/// Which runs of which servers this process has looked at. A fail-over moves every presence to a server that may have been up
/// for long, so what counts is also for how long it has been the one that answers.
#[derive(Debug, Default)]
pub(super) struct Runs {
    known: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    runs: Vec<String>,
    /// `None` for the first that were seen: of what was before them nothing is known.
    since: Option<Instant>,
}

impl Runs {
    fn up(&self, mut runs: Vec<(String, Duration)>, now: Instant) -> Duration {
        runs.sort();
        let youngest = runs.iter().map(|(_, up)| *up).min().unwrap_or_default();
        let runs: Vec<String> = runs.into_iter().map(|(run, _)| run).collect();
        // It is whole at every moment, so a panic elsewhere has not spoilt it.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let since = match known.take() {
            None => None,
            Some(known) if known.runs == runs => known.since,
            Some(_) => Some(now),
        };
        *known = Some(Known { runs, since });
        since.map_or(youngest, |since| youngest.min(now - since))
    }
}

/// Whether this user of the server may look. Asked when a worker joins, which has a listener then.
pub(super) async fn may_look(server: &Server, worker: &WorkerId) -> Result<bool, Error> {
    let mut command = redis::cmd("PUBSUB");
    command.arg("NUMSUB").arg(server.keys.worker_channel(worker));
    match futures::try_join!(server.command(ACTION, command), runs_of(server)) {
        Ok(_) => Ok(true),
        Err(error) if forbids(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) async fn reclaim(server: &Server, leases: &[AbsentLease]) -> Result<u32, Error> {
    let mut by_topic: HashMap<&TopicName, Vec<&AbsentLease>> = HashMap::new();
    for lease in leases {
        by_topic.entry(&lease.topic).or_default().push(lease);
    }
    let calls = by_topic
        .iter()
        .flat_map(|(topic, leases)| leases.chunks(TURN_JOBS_MAX).map(|leases| (*topic, leases)))
        .map(|(topic, leases)| reclaim_of_topic(server, topic, leases));
    Ok(try_join_all(calls).await?.into_iter().sum())
}

async fn reclaim_of_topic(server: &Server, topic: &TopicName, leases: &[&AbsentLease]) -> Result<u32, Error> {
    let mut call = Call::new(&RECLAIM, &[&server.keys.topic(topic)])
        .arg(server.keys.worker_channels())
        .arg(topic.as_str());
    for lease in leases {
        call.push(lease.id.as_str());
        call.push(number_bytes(lease.token.0).as_slice());
        call.push(number_bytes(lease.until).as_slice());
    }
    let ended = reply::number(
        &server
            .run("reclaim the leases of workers that are gone", call)
            .await?,
    )?;
    Ok(u32::try_from(ended).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_takes_over_is_as_young_as_its_office() {
        let (runs, start) = (Runs::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let up = |names: &[(&str, u64)], now| {
            let found = names
                .iter()
                .map(|(name, up)| ((*name).to_owned(), Duration::from_secs(*up)));
            runs.up(found.collect(), now).as_secs()
        };
        assert_eq!(up(&[("a", 500)], at(0)), 500);
        assert_eq!(up(&[("a", 510)], at(10)), 510);
        assert_eq!(up(&[("b", 900)], at(20)), 0);
        assert_eq!(up(&[("b", 915)], at(35)), 15);
        assert_eq!(up(&[("b", 7)], at(37)), 7);
        assert_eq!(up(&[("b", 8), ("c", 1000)], at(38)), 0);
        assert_eq!(up(&[("c", 1012), ("b", 20)], at(50)), 12);
        assert_eq!(up(&[("b", 5000), ("c", 6000)], at(5000)), 4962);
    }
}
