//! What an operator decides about single jobs. They may be of many topics: one call for each topic, the answers in the
//! order in which they were asked for.

use std::collections::BTreeMap;

use oqron_core::limits::{OPERATE_JOBS_MAX, at_most};
use oqron_core::{Error, JobRef, JobState, Operated, TopicName};

use crate::error::corrupt;
use crate::reply;
use crate::script::{Call, LazyScript, script};
use crate::server::Server;

static RETRY: LazyScript = script!("", "topic", "wake", "run", "steps", "retry");
static DISCARD: LazyScript = script!(" flags=allow-oom", "topic", "run", "steps", "removal", "discard");

pub(super) async fn retry(server: &Server, jobs: &[JobRef]) -> Result<Vec<Operated>, Error> {
    let call = |topic: &TopicName| {
        Call::new(&RETRY, &[&server.keys.topic(topic)])
            .arg(server.keys.worker_channels())
            .arg(topic.as_str())
    };
    decide(server, "retry jobs", jobs, call).await
}

pub(super) async fn discard(server: &Server, jobs: &[JobRef]) -> Result<Vec<Operated>, Error> {
    let call = |topic: &TopicName| Call::new(&DISCARD, &[&server.keys.topic(topic)]);
    decide(server, "discard jobs", jobs, call).await
}

async fn decide(
    server: &Server,
    action: &'static str,
    jobs: &[JobRef],
    call: impl Fn(&TopicName) -> Call,
) -> Result<Vec<Operated>, Error> {
    at_most("jobs in one call", jobs.len(), OPERATE_JOBS_MAX)?;
    let mut by_topic: BTreeMap<&TopicName, Vec<usize>> = BTreeMap::new();
    for (at, job) in jobs.iter().enumerate() {
        by_topic.entry(&job.topic).or_default().push(at);
    }
    let mut answers = vec![Operated::NotFound; jobs.len()];
    for (topic, places) in by_topic {
        let mut call = call(topic);
        for at in &places {
            call.push(jobs[*at].id.as_str());
        }
        let outcomes = reply::list(server.run(action, call).await?)?;
        if outcomes.len() != places.len() {
            return Err(corrupt(
                "an answer",
                format!("{} outcomes for {} jobs", outcomes.len(), places.len()),
            ));
        }
        for (at, outcome) in places.into_iter().zip(outcomes) {
            answers[at] = match reply::number(&outcome)? {
                -1 => Operated::Done,
                -2 => Operated::NotFound,
                -3 => return Err(corrupt("a job's record", format!("{} cannot be read", jobs[at]))),
                number => Operated::WrongState(
                    JobState::from_number(number)
                        .ok_or_else(|| corrupt("an answer", format!("{number} is the number of no state")))?,
                ),
            };
        }
    }
    Ok(answers)
}
