//! What may run, how often, and what may become of its result.

use super::{Rules, violated};
use crate::history::job::Job;
use crate::history::lease::Lease;
use crate::history::{Ending, Record, Rule, Violation};

pub(super) fn check(job: &Job, rules: &Rules, found: &mut Vec<Violation>) {
    only_what_was_added_runs(job, found);
    nothing_runs_without_a_lease(job, found);
    the_numbers_of_attempts_fit(job, found);
    if let [record] = &job.records[..] {
        runs_are_bounded(job, record, rules, found);
        no_result_is_thrown_away(job, record, found);
        nothing_is_refused_without_a_cause(job, record, found);
    }
}

fn only_what_was_added_runs(job: &Job, found: &mut Vec<Violation>) {
    let given = job.leases.values().filter_map(|lease| lease.first_given()).next();
    let added = job.added.iter().map(|added| added.span.asked).min();
    match (added, given) {
        (None, Some(given)) => {
            let text = format!(
                "{} was given it at {}, and nobody added it",
                given.worker, given.answered
            );
            violated(found, Rule::OnlyAdded, job, text);
        }
        (None, None) if !job.records.is_empty() => {
            violated(
                found,
                Rule::OnlyAdded,
                job,
                "it is recorded, and nobody added it".into(),
            );
        }
        (Some(added), Some(given)) if given.answered < added => {
            let text = format!(
                "{} was given it at {}, and the first add was sent at {added}",
                given.worker, given.answered
            );
            violated(found, Rule::OnlyAdded, job, text);
        }
        _ => {}
    }
}

fn nothing_runs_without_a_lease(job: &Job, found: &mut Vec<Violation>) {
    for lease in job.leases.values() {
        let given = lease.first_given();
        for ran in &lease.ran {
            let is_held =
                given.is_some_and(|given| given.worker == ran.worker && given.answered <= ran.started);
            if !is_held {
                let text = format!(
                    "{} ran attempt {} under the token {} at {}, and was not given it before",
                    ran.worker, ran.attempt, lease.token, ran.started
                );
                violated(found, Rule::OnlyAdded, job, text);
            }
        }
    }
}

/// A retry counts; what stalled, was released or snoozed did not.
fn the_numbers_of_attempts_fit(job: &Job, found: &mut Vec<Violation>) {
    let mut expected = 1;
    let mut is_certain = true;
    for lease in job.leases.values() {
        let Some(given) = lease.first_given() else {
            continue;
        };
        let fits = match is_certain {
            true => given.attempt == expected,
            // Where an answer was lost, or a claim, both may be right.
            false => given.attempt >= expected,
        };
        if !fits {
            let text = format!(
                "{} was given the token {} at {} as attempt {}, and attempt {expected} is due",
                given.worker, lease.token, given.answered, given.attempt
            );
            violated(found, Rule::BoundedRuns, job, text);
        }
        let retries = lease.sent.iter().filter(|sent| sent.ending == Ending::Retry);
        let is_retried = retries.clone().any(|sent| sent.accepted == Some(true));
        is_certain = is_retried || retries.clone().all(|sent| sent.accepted == Some(false));
        expected = given.attempt + u32::from(is_retried);
    }
}

fn runs_are_bounded(job: &Job, record: &Record, rules: &Rules, found: &mut Vec<Violation>) {
    let retries = job.retries(rules.retries);
    if record.attempts > retries + 1 {
        let text = format!(
            "{} attempts are recorded, and {retries} retries allowed",
            record.attempts
        );
        violated(found, Rule::BoundedRuns, job, text);
    }
    let runs: usize = job.leases.values().map(|lease| lease.ran.len()).sum();
    let given_back = job.times_given_back();
    let allowed = 1 + retries as usize + record.stalls as usize + given_back;
    if runs > allowed {
        let text = format!(
            "it ran {runs} times: {retries} retries are allowed, {} stalls recorded, and {given_back} times it was \
             given back",
            record.stalls
        );
        violated(found, Rule::BoundedRuns, job, text);
    }
}

fn no_result_is_thrown_away(job: &Job, record: &Record, found: &mut Vec<Violation>) {
    let returned = job
        .leases
        .values()
        .filter(|lease| lease.ran.iter().any(|ran| ran.returned));
    let tokens: Vec<_> = returned.map(|lease| lease.token).collect();
    // Whoever lost a lease may have gone on to a result; nobody else may.
    if tokens.len() > 1 + record.stalls as usize {
        let text = format!(
            "its handler came to a result under {tokens:?}, and {} stalls are recorded",
            record.stalls
        );
        violated(found, Rule::NoneRefused, job, text);
    }
}

fn nothing_is_refused_without_a_cause(job: &Job, record: &Record, found: &mut Vec<Violation>) {
    if record.stalls > 0 || job.cancelled {
        return;
    }
    for lease in job.leases.values().filter(|lease| lease.left_out.is_none()) {
        if lease.accepted().is_some() {
            continue;
        }
        for sent in lease.sent.iter().filter(|sent| sent.accepted == Some(false)) {
            let text = format!(
                "{:?} of {} under the token {} was refused (sent at {}), and no stall is recorded",
                sent.ending, sent.worker, lease.token, sent.span.asked
            );
            violated(found, Rule::NoneRefused, job, text);
        }
        lost_while_held(job, lease, found);
    }
}

fn lost_while_held(job: &Job, lease: &Lease, found: &mut Vec<Violation>) {
    let settled = lease.sent.iter().map(|sent| sent.span.asked).min();
    for heard in lease.heard.iter().filter(|heard| !heard.renewed) {
        if settled.is_none_or(|settled| settled > heard.answered) {
            let text = format!(
                "a heartbeat of {} at {} was told that the lease {} is lost, and no stall is recorded",
                heard.worker, heard.asked, lease.token
            );
            violated(found, Rule::NoneRefused, job, text);
        }
    }
}
