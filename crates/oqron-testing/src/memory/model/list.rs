//! Looking at many jobs.

use oqron_core::{Counts, Cursor, Error, JobRecord, JobState, ListQuery, Page};

use super::Topic;
use super::job::{Job, Place};

impl Topic {
    pub(in crate::memory) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for state in JobState::ALL {
            *counts.of_mut(state) = self.line(state).count() as u64;
        }
        counts.paused = self.paused;
        counts
    }

    /// One page, and where it ended if there is another one.
    pub(in crate::memory) fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        let after = query.after.as_ref().map(parse_cursor).transpose()?;
        let limit = query.limit as usize;
        // One more than the page holds shows whether it is the last.
        let mut jobs: Vec<&Job> = if query.state == JobState::Active {
            self.active_by_start(after).into_iter().take(limit + 1).collect()
        } else {
            self.line_after(query.state, after).take(limit + 1).collect()
        };
        let next = (jobs.len() > limit).then(|| cursor_of(list_place(jobs[limit - 1])));
        jobs.truncate(limit);
        let records: Vec<JobRecord> = jobs.into_iter().map(|job| job.record.clone()).collect();
        Ok(Page::new(records, next))
    }

    fn active_by_start(&self, after: Option<Place>) -> Vec<&Job> {
        let mut active: Vec<&Job> = self
            .line(JobState::Active)
            .filter(|job| after.is_none_or(|after| list_place(job) > after))
            .collect();
        active.sort_by_key(|job| list_place(job));
        active
    }
}

/// Active jobs stand by their expiry, and are listed by their start: the order of tokens.
fn list_place(job: &Job) -> Place {
    match (job.state(), job.record.token) {
        (JobState::Active, Some(token)) => Place {
            by: 0,
            then: token.0,
            ..job.place()
        },
        _ => job.place(),
    }
}

fn cursor_of(place: Place) -> Cursor {
    Cursor(format!(
        "{}.{}.{}",
        u8::from(place.behind_the_stalled),
        place.by,
        place.then
    ))
}

fn parse_cursor(cursor: &Cursor) -> Result<Place, Error> {
    let parse = || {
        let mut parts = cursor.0.split('.');
        let place = Place {
            behind_the_stalled: parts.next()? == "1",
            by: parts.next()?.parse().ok()?,
            then: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(place)
    };
    parse().ok_or_else(|| Error::Invalid {
        what: "cursor",
        problem: format!("{:?} is not what a page of this backend ended with", cursor.0),
    })
}
