//! Pages of jobs. A cursor holds the order's value and the age of the last record, so that a page goes on behind it
//! whatever has happened to the records before.

use oqron_core::limits::{PAGE_JOBS_MAX, at_most};
use oqron_core::{Cursor, Error, JobState, ListQuery, Page};
use rusqlite::params;

use crate::file::Handle;
use crate::record::read_record;

pub(super) async fn list(handle: &Handle, query: &ListQuery) -> Result<Page, Error> {
    at_most("records on one page", query.limit as usize, PAGE_JOBS_MAX)?;
    if query.limit == 0 {
        return Err(Error::Invalid {
            what: "limit",
            problem: format!("0 records make no page; ask for 1 to {PAGE_JOBS_MAX}"),
        });
    }
    let after = match &query.after {
        None => first_position(query.state),
        Some(cursor) => position(cursor)?,
    };
    let (namespace, query) = (handle.namespace.clone(), query.clone());
    handle
        .read("list jobs", move |step| {
            let Some(topic) = step.known_topic(&namespace, &query.topic)? else {
                return Ok(Page::default());
            };
            let mut statement = step.connection.prepare_cached(statement(query.state))?;
            // One more than asked for tells whether this is the last page.
            let mut rows = statement.query(params![topic.number, after.0, after.1, query.limit + 1])?;
            let (mut jobs, mut last, mut next) = (Vec::new(), after, None);
            while let Some(row) = rows.next()? {
                if jobs.len() == query.limit as usize {
                    next = Some(Cursor(format!("{}.{}", last.0, last.1)));
                    break;
                }
                last = (row.get("position")?, row.get("seq")?);
                jobs.push(read_record(row, &query.topic)?);
            }
            Ok(Page::new(jobs, next))
        })
        .await
}

fn statement(state: JobState) -> &'static str {
    match state {
        JobState::Scheduled => include_str!("../sql/operate/list_scheduled.sql"),
        JobState::Waiting => include_str!("../sql/operate/list_waiting.sql"),
        JobState::Active => include_str!("../sql/operate/list_active.sql"),
        JobState::Completed => include_str!("../sql/operate/list_completed.sql"),
        JobState::Failed => include_str!("../sql/operate/list_failed.sql"),
        JobState::Cancelled => include_str!("../sql/operate/list_cancelled.sql"),
    }
}

/// Before every record: finished ones run backwards.
fn first_position(state: JobState) -> (i64, i64) {
    match state.is_finished() {
        true => (i64::MAX, i64::MAX),
        false => (i64::MIN, i64::MIN),
    }
}

fn position(cursor: &Cursor) -> Result<(i64, i64), Error> {
    let parse = || {
        let (position, seq) = cursor.0.split_once('.')?;
        Some((position.parse().ok()?, seq.parse().ok()?))
    };
    parse().ok_or_else(|| Error::Invalid {
        what: "cursor",
        problem: format!("{:?} was given out by no page; start without one", cursor.0),
    })
}
