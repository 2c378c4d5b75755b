//! The older job goes first, where one worker claims one at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use oqron_core::{TopicName, WorkerId};

use super::violated;
use crate::history::job::{Added, Job, Jobs};
use crate::history::lease::Given;
use crate::history::{Ask, Event, Rule, Violation, What};

/// A job that was added once, to start at once, and when it was first given to a worker.
struct First<'a> {
    job: &'a Job,
    added: &'a Added,
    given: &'a Given,
}

/// Answers how many jobs the order was looked at for.
pub(super) fn check(events: &[Event], jobs: &Jobs, found: &mut Vec<Violation>) -> usize {
    let mut looked_at = 0;
    for topic in topics_of_one_worker(events) {
        let mut by_priority: BTreeMap<u32, Vec<First<'_>>> = BTreeMap::new();
        for job in jobs.jobs.values().filter(|job| job.topic == topic) {
            // A repeated add may have had its effect at either time, and a claim without an answer may have gone before.
            let ([added], Some(lease)) = (&job.added[..], job.leases.values().next()) else {
                continue;
            };
            let (Some(given), false) = (lease.first_given(), added.asked.delayed) else {
                continue;
            };
            let same = by_priority.entry(added.asked.priority).or_default();
            same.push(First { job, added, given });
        }
        for same in by_priority.into_values() {
            looked_at += same.len();
            in_order(same, found);
        }
    }
    looked_at
}

fn topics_of_one_worker(events: &[Event]) -> BTreeSet<TopicName> {
    let mut claimers: BTreeMap<&TopicName, BTreeSet<&WorkerId>> = BTreeMap::new();
    let mut one_at_a_time: BTreeMap<&TopicName, bool> = BTreeMap::new();
    for event in events {
        if let What::Asked {
            ask:
                Ask::Turn {
                    worker,
                    topic,
                    claim: Some(claim),
                    ..
                },
            ..
        } = &event.what
        {
            claimers.entry(topic).or_default().insert(worker);
            *one_at_a_time.entry(topic).or_insert(true) &= claim.max <= 1;
        }
    }
    let alone = claimers.into_iter().filter(|(_, workers)| workers.len() == 1);
    let alone = alone.filter(|(topic, _)| one_at_a_time.get(topic) == Some(&true));
    alone.map(|(topic, _)| topic.clone()).collect()
}

/// Goes back from the last claim: whoever is claimed later must not have been added certainly before.
fn in_order(mut jobs: Vec<First<'_>>, found: &mut Vec<Violation>) {
    jobs.sort_by_key(|first| first.given.answered);
    let mut oldest_later: Option<&First<'_>> = None;
    let mut place_later: BTreeMap<&(Arc<str>, u64), &First<'_>> = BTreeMap::new();
    for first in jobs.iter().rev() {
        let older = oldest_later.filter(|later| {
            let acknowledged = later.added.span.answered;
            acknowledged.is_some_and(|acknowledged| acknowledged < first.added.span.asked)
        });
        let same_call = place_later.get(&first.added.call).copied();
        let older = older.or(same_call.filter(|later| later.added.place < first.added.place));
        if let Some(older) = older {
            let text = format!(
                "it was added at {} and given at {}, before {} of the same priority, which was added at {} and given at {}",
                first.added.span.asked,
                first.given.answered,
                older.job.id,
                older.added.span.asked,
                older.given.answered
            );
            violated(found, Rule::InOrder, first.job, text);
        }
        let answered = |first: &First<'_>| first.added.span.answered;
        let is_oldest =
            answered(first).is_some() && oldest_later.is_none_or(|oldest| answered(first) < answered(oldest));
        if is_oldest {
            oldest_later = Some(first);
        }
        let place = place_later.entry(&first.added.call).or_insert(first);
        if first.added.place < place.added.place {
            *place = first;
        }
    }
}
