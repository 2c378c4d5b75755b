//! From one lease of a job to the next: only when the first was given up, or lost.

use super::{Rules, violated};
use crate::history::job::Job;
use crate::history::lease::{Lease, Ran};
use crate::history::{Rule, Violation};

pub(super) fn check(job: &Job, rules: &Rules, found: &mut Vec<Violation>) {
    let mut lost = 0;
    for (before, after) in steps(job) {
        let Some(given) = after.first_given() else {
            continue;
        };
        if let Some((ending, asked)) = before.accepted().filter(|(ending, _)| ending.is_final()) {
            let text = format!(
                "{ending:?} under the token {} was sent at {asked} and accepted, and {} was given the token {} at {}",
                before.token, given.worker, after.token, given.answered
            );
            violated(found, Rule::NoTheft, job, text);
        } else if before.was_given_up_by(given.answered) {
        } else if before.was_lost_by(given.answered, rules.clock_tolerance) {
            lost += 1;
        } else {
            let text = format!(
                "{} was given the token {} at {}, while the lease of {} had not run out and was not given up: {}",
                given.worker,
                after.token,
                given.answered,
                before.token,
                last_sign(before)
            );
            violated(found, Rule::NoTheft, job, text);
        }
    }
    for record in &job.records {
        if lost > record.stalls {
            let text = format!(
                "{lost} leases were lost, and {} stalls are recorded",
                record.stalls
            );
            violated(found, Rule::NoTheft, job, text);
        }
    }
    for (before, after, _) in overlapping(job, rules).filter(|(.., was_lost)| !was_lost) {
        let text = format!(
            "{} ran attempt {} from {} to {}, and {} ran attempt {} from {} to {}; no lease was lost in between",
            before.worker,
            before.attempt,
            before.started,
            before.until,
            after.worker,
            after.attempt,
            after.started,
            after.until
        );
        violated(found, Rule::NoOverlap, job, text);
    }
    for lease in job.leases.values().filter(|lease| lease.ran.len() > 1) {
        let text = format!("the token {} was run {} times", lease.token, lease.ran.len());
        violated(found, Rule::NoOverlap, job, text);
    }
}

/// The pairs of runs that overlapped because a lease was lost.
pub(super) fn overlaps<'a>(job: &'a Job, rules: &'a Rules) -> impl Iterator<Item = (&'a Ran, &'a Ran)> {
    overlapping(job, rules).map(|(before, after, _)| (before, after))
}

/// Every pair of runs that overlapped, and whether the first one's lease had been lost when the second began.
fn overlapping<'a>(job: &'a Job, rules: &'a Rules) -> impl Iterator<Item = (&'a Ran, &'a Ran, bool)> {
    steps(job).flat_map(move |(before, next)| {
        let was_lost = next.first_given().is_some_and(|given| {
            !before.was_given_up_by(given.answered)
                && before.was_lost_by(given.answered, rules.clock_tolerance)
        });
        let later = job.leases.range(next.token..).flat_map(|(_, lease)| &lease.ran);
        before.ran.iter().flat_map(move |first| {
            let overlapping = later.clone().filter(|second| second.started < first.until);
            overlapping.map(move |second| (first, second, was_lost))
        })
    })
}

/// Each lease that was given, with the next.
fn steps(job: &Job) -> impl Iterator<Item = (&Lease, &Lease)> {
    let given = job.leases.values().filter(|lease| !lease.given.is_empty());
    given.clone().zip(given.skip(1))
}

fn last_sign(lease: &Lease) -> String {
    let renewed = lease.heard.iter().rfind(|heard| heard.renewed);
    match (renewed, lease.first_given()) {
        (Some(heard), _) => format!(
            "{} renewed it for {:?} by a heartbeat of {} (answered at {})",
            heard.worker, heard.ttl, heard.asked, heard.answered
        ),
        (None, Some(given)) => format!(
            "{} claimed it for {:?} at {}",
            given.worker, given.ttl, given.asked
        ),
        (None, None) => "nobody held it".into(),
    }
}
