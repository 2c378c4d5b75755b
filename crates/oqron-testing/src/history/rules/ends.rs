//! Every acknowledged job has exactly one recorded end, and it is the outcome that was accepted.

use oqron_core::{FailureKind, JobState};

use super::violated;
use crate::history::job::Job;
use crate::history::{Ending, Record, Rule, Violation};

pub(super) fn check(job: &Job, found: &mut Vec<Violation>) {
    let [record] = &job.records[..] else {
        if job.records.is_empty() && !job.was_acknowledged() {
            // It may never have come to be; then nobody has seen it.
            if !job.leases.is_empty() {
                let text = "it was given to a worker, and there is no record of it".into();
                violated(found, Rule::OneEnd, job, text);
            }
            return;
        }
        let states: Vec<_> = job.records.iter().map(|record| record.state).collect();
        let text = match &states[..] {
            [] => "it was acknowledged, and there is no record of it".into(),
            states => format!("it is recorded more than once: {states:?}"),
        };
        return violated(found, Rule::OneEnd, job, text);
    };
    if !record.state.is_finished() {
        let text = format!("it has not ended: it is {}", record.state);
        return violated(found, Rule::OneEnd, job, text);
    }
    the_last_lease_is_the_recorded_one(job, record, found);
    the_end_is_an_outcome_that_was_sent(job, record, found);
    the_outcome_that_was_accepted_is_the_end(job, record, found);
}

fn the_last_lease_is_the_recorded_one(job: &Job, record: &Record, found: &mut Vec<Violation>) {
    let mut given = job.leases.values().filter_map(|lease| {
        let given = lease.first_given()?;
        Some((lease.token, given))
    });
    let Some((token, given)) = given.next_back() else {
        return;
    };
    // A claim whose answer did not arrive is in no history.
    if record.token.is_none_or(|recorded| recorded < token) {
        let text = format!(
            "it is {} under the token {:?}, and {} was given the token {token} at {}",
            record.state, record.token, given.worker, given.answered
        );
        violated(found, Rule::OneEnd, job, text);
    }
}

fn the_end_is_an_outcome_that_was_sent(job: &Job, record: &Record, found: &mut Vec<Violation>) {
    let ending = match (record.state, record.failure) {
        (JobState::Completed, _) => Ending::Complete,
        (JobState::Failed, Some(FailureKind::Stalled | FailureKind::WorkerLost)) => return,
        (JobState::Failed, _) => Ending::Fail,
        // Nobody but the one who asked for it needs to have had a part in it.
        _ => return,
    };
    let lease = record.token.and_then(|token| job.leases.get(&token));
    let mut sent = lease.into_iter().flat_map(|lease| &lease.sent);
    let was_sent = sent.any(|sent| {
        sent.ending == ending && sent.accepted != Some(false) && Some(&sent.worker) == record.worker.as_ref()
    });
    if !was_sent {
        let text = format!(
            "it is {} under the token {:?} of {:?}, who never sent that, or was refused",
            record.state, record.token, record.worker
        );
        violated(found, Rule::OneEnd, job, text);
    }
    let mut ran = lease.into_iter().flat_map(|lease| &lease.ran);
    if record.state == JobState::Completed && !ran.any(|ran| ran.returned) {
        let text = format!(
            "its handler never came to the result that the token {:?} stands for",
            record.token
        );
        violated(found, Rule::OneEnd, job, text);
    }
}

fn the_outcome_that_was_accepted_is_the_end(job: &Job, record: &Record, found: &mut Vec<Violation>) {
    for lease in job.leases.values() {
        let Some((ending, asked)) = lease.accepted().filter(|(ending, _)| ending.is_final()) else {
            continue;
        };
        let state = match ending {
            Ending::Complete => JobState::Completed,
            Ending::Fail => JobState::Failed,
            _ => JobState::Cancelled,
        };
        if record.state != state || record.token != Some(lease.token) {
            let text = format!(
                "{ending:?} under the token {} was sent at {asked} and accepted, and it is {} under {:?}",
                lease.token, record.state, record.token
            );
            violated(found, Rule::OneEnd, job, text);
        }
    }
}
