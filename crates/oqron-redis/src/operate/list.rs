//! Pages of jobs.

use oqron_core::limits::{PAGE_JOBS_MAX, at_most};
use oqron_core::{Cursor, Error, ListQuery, Page};

use crate::error::corrupt;
use crate::job::job_id;
use crate::record::read_record;
use crate::reply;
use crate::script::{Call, LazyScript, script};
use crate::server::Server;

static LIST: LazyScript = script!(" flags=no-writes,allow-oom", "topic", "run", "read", "list");

pub(super) async fn list(server: &Server, query: &ListQuery) -> Result<Page, Error> {
    at_most("jobs on a page", query.limit as usize, PAGE_JOBS_MAX)?;
    if query.limit == 0 {
        return Err(Error::Invalid {
            what: "limit",
            problem: format!("it is 0; 1 to {PAGE_JOBS_MAX} jobs fit on a page"),
        });
    }
    let mut call = Call::new(&LIST, &[&server.keys.topic(&query.topic)])
        .arg(query.state as u8)
        .arg(query.limit);
    if let Some(cursor) = &query.after {
        let (score, member) = read_cursor(cursor)?;
        call.push(score);
        call.push(member);
    }
    let mut answer = reply::list(server.run("list jobs", call).await?)?.into_iter();
    let (Some(more), Some(score), Some(member)) = (answer.next(), answer.next(), answer.next()) else {
        return Err(corrupt("an answer", "a page begins with three fields"));
    };
    let mut jobs = Vec::new();
    while let (Some(id), Some(record)) = (answer.next(), answer.next()) {
        let id = job_id(&reply::bytes(id)?.unwrap_or_default())?;
        jobs.extend(read_record(&query.topic, &id, record)?);
    }
    let next = if reply::number(&more)? == 1 {
        Some(write_cursor(
            &reply::text(score)?,
            &reply::bytes(member)?.unwrap_or_default(),
        ))
    } else {
        None
    };
    Ok(Page::new(jobs, next))
}

/// The score, and the member in hexadecimal digits: members are not all text.
fn write_cursor(score: &str, member: &[u8]) -> Cursor {
    use std::fmt::Write as _;
    let mut text = format!("{score}:");
    for byte in member {
        let _ = write!(text, "{byte:02x}");
    }
    Cursor(text)
}

fn read_cursor(cursor: &Cursor) -> Result<(&str, Vec<u8>), Error> {
    let invalid = || Error::Invalid {
        what: "cursor",
        problem: format!("{:?} is none that a page of this backend ended with", cursor.0),
    };
    let (score, digits) = cursor.0.split_once(':').ok_or_else(invalid)?;
    if score.parse::<f64>().is_err() || digits.len() % 2 != 0 || !digits.is_ascii() {
        return Err(invalid());
    }
    let member = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16))
        .collect::<Result<_, _>>();
    Ok((score, member.map_err(|_| invalid())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_nonsense_is_an_error() {
        let cursor = write_cursor("-12", &[0, 255, b'a']);
        assert_eq!(read_cursor(&cursor).unwrap(), ("-12", vec![0, 255, b'a']));
        for text in ["", "x", ":", "1:0", "1:zz", "1:ää", "a:00"] {
            assert!(read_cursor(&Cursor(text.into())).is_err(), "{text}");
        }
    }
}
