//! What must hold of every job when all has come to rest.

use oqron_core::{FailureKind, JobRecord, JobState, TimelineKind};

use crate::plan::{Planned, Terms};
use crate::seen::Seen;
use crate::task::{Done, Kind};

/// More events than this, and the oldest may be gone.
const TIMELINE_FULL: usize = oqron_core::limits::TIMELINE_EVENTS_MAX;

/// What is wrong with a job.
pub(crate) fn judge(number: u32, seen: &Seen, record: Option<&JobRecord>, terms: &Terms) -> Vec<String> {
    let Some(planned) = &seen.planned else {
        return vec![format!("job-{number} was never planned")];
    };
    let mut problems = Vec::new();
    let mut must = |holds: bool, problem: String| {
        if !holds {
            problems.push(format!("job-{number}: {problem}"));
        }
    };
    must(
        seen.runs.len() <= seen.claims.len(),
        format!("{} runs of {} leases", seen.runs.len(), seen.claims.len()),
    );
    must(
        seen.runs.iter().all(|run| run.has_ended),
        "a handler still runs".into(),
    );
    let Some(record) = record else {
        let may_be_gone = seen.acknowledged_at.is_none() || planned.is_not_kept || seen.discarded;
        must(
            may_be_gone,
            "it was acknowledged, and there is no record of it".into(),
        );
        return problems;
    };
    must(
        record.state.is_finished(),
        format!("it has not ended: {record:?}"),
    );
    if !record.state.is_finished() {
        return problems;
    }
    let ends = seen.ends_of_life(record);
    must(ends <= 1, format!("{ends} ends were accepted"));
    for problem in end(seen, planned, record, terms) {
        must(false, problem);
    }
    for problem in counts(seen, planned, record, terms) {
        must(false, problem);
    }
    if !seen.retried_by_operator && !seen.discarded {
        let told = told(record);
        for heard in &seen.told {
            must(
                *heard == told,
                format!("its publisher was told that it {heard}, and it {told}"),
            );
        }
    }
    problems
}

/// What a publisher is told of a record.
fn told(record: &JobRecord) -> String {
    match record.state {
        JobState::Completed => format!("completed by #{}", token_of_result(record).unwrap_or(0)),
        JobState::Failed => "failed".into(),
        _ => "cancelled".into(),
    }
}

fn token_of_result(record: &JobRecord) -> Option<u64> {
    let result = record.result.as_ref()?;
    let done: Done = oqron_core::Codec::Json.decode(result).ok()?;
    Some(done.token)
}

/// Whether it ended as its handler decided, or for a reason that there was.
fn end(seen: &Seen, planned: &Planned, record: &JobRecord, terms: &Terms) -> Vec<String> {
    let mut problems = Vec::new();
    let retries = planned.retries(terms);
    let wins = match planned.task.kind {
        Kind::Fails { times } | Kind::Panics { times } => times <= retries,
        Kind::FailsForGood | Kind::Discards | Kind::TimesOut | Kind::TimesOutDeaf | Kind::Kills => false,
        Kind::Works | Kind::Deaf | Kind::Snoozes { .. } => true,
    };
    match record.state {
        JobState::Completed => {
            if !wins {
                problems.push("it completed, and it cannot".into());
            }
            let token = token_of_result(record);
            if token.is_none() || token != record.token.map(|token| token.0) {
                problems.push(format!(
                    "its result is of #{token:?}, and its last token {:?}",
                    record.token
                ));
            }
        }
        JobState::Failed => {
            let kind = record.error.as_ref().map(|error| error.kind);
            let is_right = match kind {
                Some(FailureKind::Stalled) => record.stalls > terms.max_stalls,
                Some(FailureKind::WorkerLost) => planned.at_most_once,
                Some(FailureKind::Timeout) => planned.timeout.is_some(),
                Some(FailureKind::Panic) => matches!(planned.task.kind, Kind::Panics { .. }),
                Some(FailureKind::Error) => {
                    matches!(planned.task.kind, Kind::FailsForGood | Kind::Fails { .. })
                }
                _ => false,
            };
            let is_by_handler = matches!(
                kind,
                Some(FailureKind::Error | FailureKind::Panic | FailureKind::Timeout)
            );
            if !is_right || (is_by_handler && wins) {
                problems.push(format!("it failed with {:?}, and it should not", record.error));
            }
        }
        _ => {
            if !seen.cancel_tried && planned.task.kind != Kind::Discards {
                problems.push("it was cancelled, and nobody wanted that".into());
            }
        }
    }
    problems
}

/// Runs are never more than its attempts and what does not count as one.
fn counts(seen: &Seen, planned: &Planned, record: &JobRecord, terms: &Terms) -> Vec<String> {
    let mut problems = Vec::new();
    let most = planned.retries(terms) + 1;
    if record.attempts > most {
        problems.push(format!("{} attempts, and {most} at most", record.attempts));
    }
    if record.timeline.len() >= TIMELINE_FULL {
        return problems;
    }
    let of_life = record
        .timeline
        .iter()
        .rev()
        .take_while(|event| event.kind != TimelineKind::RetriedByOperator);
    let not_counted = of_life
        .filter(|event| matches!(event.kind, TimelineKind::Snoozed | TimelineKind::Released))
        .count();
    let runs = seen.runs.len() - seen.earlier_runs.min(seen.runs.len());
    let allowed = record.attempts as usize + record.stalls as usize + not_counted;
    if runs > allowed {
        problems.push(format!(
            "{runs} runs, with {} attempts, {} stalls and {not_counted} that were snoozed or released",
            record.attempts, record.stalls
        ));
    }
    problems
}
