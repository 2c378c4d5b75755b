//! Tokens grow, none is given twice, and only the newest one can write.

use std::collections::HashMap;

use oqron_core::{Token, TopicName};

use super::violated;
use crate::history::job::{Job, Jobs};
use crate::history::lease::Lease;
use crate::history::{Moment, Rule, Violation};

pub(super) fn check(job: &Job, found: &mut Vec<Violation>) {
    for lease in job.leases.values() {
        one_worker_holds_it(job, lease, found);
        one_outcome_is_accepted(job, lease, found);
        // The first moment at which a later lease was certainly given.
        let later = job.leases.range(Token(lease.token.0 + 1)..);
        let later = later.filter_map(|(token, later)| Some((later.first_given()?.answered, *token)));
        if let Some((since, newer)) = later.min() {
            it_is_not_given_after(job, lease, since, newer, found);
            it_writes_nothing_after(job, lease, since, newer, found);
        }
    }
}

/// No token stands for two jobs of one topic.
pub(super) fn check_topic(jobs: &Jobs, found: &mut Vec<Violation>) {
    let mut seen: HashMap<(&TopicName, Token), &Job> = HashMap::new();
    for job in jobs.jobs.values() {
        for lease in job.leases.values().filter(|lease| !lease.given.is_empty()) {
            if let Some(other) = seen.insert((&job.topic, lease.token), job) {
                let text = format!(
                    "the token {} was also given with the job {}",
                    lease.token, other.id
                );
                violated(found, Rule::TokensGrow, job, text);
            }
        }
    }
}

fn one_worker_holds_it(job: &Job, lease: &Lease, found: &mut Vec<Violation>) {
    let Some(first) = lease.first_given() else { return };
    for given in &lease.given {
        if (&given.worker, given.request) != (&first.worker, first.request) {
            let text = format!(
                "the token {} was given to {} (request {}) at {}, and to {} (request {}) at {}",
                lease.token,
                first.worker,
                first.request,
                first.answered,
                given.worker,
                given.request,
                given.answered
            );
            violated(found, Rule::TokensGrow, job, text);
        }
    }
    let accepted = lease.sent.iter().filter(|sent| sent.accepted == Some(true));
    let accepted = accepted.map(|sent| (&sent.worker, sent.span.asked, "an outcome"));
    let renewed = lease.heard.iter().filter(|heard| heard.renewed);
    let renewed = renewed.map(|heard| (&heard.worker, heard.asked, "a heartbeat"));
    for (worker, asked, what) in accepted.chain(renewed) {
        if *worker != first.worker {
            let text = format!(
                "{what} under the token {} was accepted from {worker} (sent at {asked}), and it is the token of {}",
                lease.token, first.worker
            );
            violated(found, Rule::NoStaleWrite, job, text);
        }
    }
}

fn one_outcome_is_accepted(job: &Job, lease: &Lease, found: &mut Vec<Violation>) {
    let Some((ending, first)) = lease.accepted() else {
        return;
    };
    let others = lease.sent.iter().filter(|sent| sent.accepted == Some(true));
    for other in others.filter(|sent| sent.ending != ending) {
        let text = format!(
            "{ending:?} (sent at {first}) and {:?} (sent at {}) were both accepted under the token {}",
            other.ending, other.span.asked, lease.token
        );
        violated(found, Rule::NoStaleWrite, job, text);
    }
}

fn it_is_not_given_after(job: &Job, lease: &Lease, since: Moment, newer: Token, found: &mut Vec<Violation>) {
    let given = lease.first_given().filter(|given| given.asked > since);
    if let Some(given) = given {
        let text = format!(
            "{} asked at {} and was given the token {}, and {newer} was there at {since}",
            given.worker, given.asked, lease.token
        );
        violated(found, Rule::TokensGrow, job, text);
    }
}

fn it_writes_nothing_after(
    job: &Job,
    lease: &Lease,
    since: Moment,
    newer: Token,
    found: &mut Vec<Violation>,
) {
    if let Some((ending, asked)) = lease.accepted().filter(|(_, asked)| *asked > since) {
        let text = format!(
            "{ending:?} under the token {} was sent at {asked} and accepted, and {newer} was given at {since}",
            lease.token
        );
        violated(found, Rule::NoStaleWrite, job, text);
    }
    for heard in lease
        .heard
        .iter()
        .filter(|heard| heard.renewed && heard.asked > since)
    {
        let text = format!(
            "the token {} of {} was renewed by a heartbeat of {}, and {newer} was given at {since}",
            lease.token, heard.worker, heard.asked
        );
        violated(found, Rule::NoStaleWrite, job, text);
    }
}
