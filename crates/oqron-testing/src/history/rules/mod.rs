//! The promises, one file for each group that looks at the same things.

mod ends;
mod order;
mod runs;
mod takeovers;
mod tokens;

use std::collections::BTreeSet;
use std::time::Duration;

use super::job::{Job, Jobs};
use super::{Event, Record, Rule, Summary, Violation, What};
use oqron_core::{JobId, JobState};

/// What the checker cannot read from a history.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Retries that the worker's policy allows to a job that says nothing itself. Default 0.
    pub retries: u32,
    /// By how much the backend's clock and that of the history may disagree over the length of a lease; backends count
    /// whole milliseconds. Default 20 ms.
    pub clock_tolerance: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            retries: 0,
            clock_tolerance: Duration::from_millis(20),
        }
    }
}

/// Looks at everything, and answers all that it found.
pub(super) fn check(
    events: &[Event],
    records: &[Record],
    excused: &BTreeSet<JobId>,
    rules: &Rules,
) -> Result<Summary, Vec<Violation>> {
    let mut jobs = Jobs::new(events, records);
    jobs.jobs.retain(|(_, id), _| !excused.contains(id));
    let mut found = Vec::new();
    let mut summary = summary(events);
    for job in jobs.jobs.values() {
        ends::check(job, &mut found);
        tokens::check(job, &mut found);
        takeovers::check(job, rules, &mut found);
        runs::check(job, rules, &mut found);
        count(job, rules, &mut summary);
    }
    tokens::check_topic(&jobs, &mut found);
    summary.in_order = order::check(events, &jobs, &mut found);
    if found.is_empty() { Ok(summary) } else { Err(found) }
}

/// Adds a violation of this job.
fn violated(found: &mut Vec<Violation>, rule: Rule, job: &Job, text: String) {
    found.push(Violation {
        rule,
        topic: job.topic.clone(),
        job: job.id.clone(),
        text,
    });
}

fn summary(events: &[Event]) -> Summary {
    let (first, last) = (events.first(), events.last());
    let began = events
        .iter()
        .filter(|event| matches!(event.what, What::Began { .. }));
    Summary {
        lasted: last
            .zip(first)
            .map_or(Duration::ZERO, |(last, first)| last.at.since(first.at)),
        processes: began.count(),
        ..Summary::default()
    }
}

fn count(job: &Job, rules: &Rules, summary: &mut Summary) {
    summary.jobs += usize::from(!job.added.is_empty());
    summary.acknowledged += usize::from(job.was_acknowledged());
    summary.given_back += job.times_given_back();
    summary.overlaps += takeovers::overlaps(job, rules).count();
    for lease in job.leases.values() {
        summary.leases += usize::from(!lease.given.is_empty());
        summary.runs += lease.ran.len();
        summary.reclaimed += usize::from(lease.reclaimed.is_some());
        summary.refused += usize::from(lease.sent.iter().any(|sent| sent.accepted == Some(false)));
    }
    for record in &job.records {
        summary.stalls += record.stalls as usize;
        match record.state {
            JobState::Completed => summary.completed += 1,
            JobState::Failed => summary.failed += 1,
            JobState::Cancelled => summary.cancelled += 1,
            JobState::Scheduled | JobState::Waiting | JobState::Active => {}
        }
    }
}
