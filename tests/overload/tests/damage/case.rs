//! A job in some state, edits of its record, and the calls that then meet it.

use oqron::JobState;
use proptest::prelude::*;

use crate::edit::{Change, Edit, edit};

#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Where the job is when it is edited.
    pub(crate) state: JobState,
    /// It was tried before, and has a log, a timeline and an error.
    pub(crate) has_past: bool,
    /// Of an active one: its worker died, and its lease is over.
    pub(crate) is_orphan: bool,
    pub(crate) edits: Vec<Edit>,
    /// In this order.
    pub(crate) calls: Vec<Call>,
}

/// What meets the job before the others are looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Find,
    Counts,
    List,
    Look,
    Heartbeat,
    Settle,
    Claim,
    Sweep,
    Cancel,
    Retry,
    Discard,
    AddAgain,
    Finished,
    Purge,
}

const CALLS: [Call; 14] = [
    Call::Find,
    Call::Counts,
    Call::List,
    Call::Look,
    Call::Heartbeat,
    Call::Settle,
    Call::Claim,
    Call::Sweep,
    Call::Cancel,
    Call::Retry,
    Call::Discard,
    Call::AddAgain,
    Call::Finished,
    Call::Purge,
];

pub(crate) fn case() -> impl Strategy<Value = Case> {
    let state = prop::sample::select(JobState::ALL.to_vec());
    let calls = (Just(CALLS.to_vec()).prop_shuffle(), 0..=CALLS.len()).prop_map(|(mut calls, count)| {
        calls.truncate(count);
        calls
    });
    let edits = prop::collection::vec(edit(), 1..4);
    (state, any::<bool>(), any::<bool>(), edits, calls).prop_map(
        |(state, has_past, is_orphan, edits, calls)| Case {
            state,
            has_past,
            is_orphan,
            edits,
            calls,
        },
    )
}

/// Each of so many fields at the limits of a number, in a job that waits and in one that runs.
pub(crate) fn at_the_limits(fields: usize) -> impl Iterator<Item = Case> {
    (0..fields).flat_map(|field| {
        let limits = [i64::MAX, -i64::MAX];
        limits.into_iter().flat_map(move |limit| {
            let change = Change::Number(limit);
            let (waits, runs) = (JobState::Waiting, JobState::Active);
            [(waits, false), (runs, false), (runs, true)].map(|(state, is_orphan)| Case {
                state,
                has_past: false,
                is_orphan,
                edits: vec![Edit {
                    field,
                    change: change.clone(),
                }],
                calls: vec![
                    Call::Heartbeat,
                    Call::Claim,
                    Call::Settle,
                    Call::Find,
                    Call::Sweep,
                ],
            })
        })
    })
}
