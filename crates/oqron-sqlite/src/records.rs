//! Looking at one job and ending it: what publishing and operating share.

use oqron_core::{
    CANCELLED_ON_REQUEST, CancelOutcome, Error, JobRecord, JobRef, JobState, TimelineEvent, TimelineKind,
};
use rusqlite::params;

use crate::end::{End, end};
use crate::error::Failed;
use crate::file::Handle;
use crate::history::with_events;
use crate::notice::{Letter, Notice};
use crate::record::read_record;
use crate::slot::Slot;
use crate::step::{Step, Topic};

impl Handle {
    pub(crate) async fn find(&self, job: &JobRef) -> Result<Option<JobRecord>, Error> {
        let (namespace, job) = (self.namespace.clone(), job.clone());
        self.read("find a job", move |step| {
            let Some(topic) = step.known_topic(&namespace, &job.topic)? else {
                return Ok(None);
            };
            let mut statement = step
                .connection
                .prepare_cached(include_str!("sql/records/find.sql"))?;
            let mut rows = statement.query(params![topic.number, job.id.as_str()])?;
            match rows.next()? {
                Some(row) => Ok(Some(read_record(row, &job.topic)?)),
                None => Ok(None),
            }
        })
        .await
    }

    pub(crate) async fn cancel(&self, job: &JobRef) -> Result<CancelOutcome, Error> {
        let (namespace, job) = (self.namespace.clone(), job.clone());
        self.write("cancel a job", move |step| {
            let Some(topic) = step.known_topic(&namespace, &job.topic)? else {
                return Ok(CancelOutcome::NotFound);
            };
            match Slot::find(step, &topic, job.id.as_str())? {
                None => Ok(CancelOutcome::NotFound),
                Some(slot) => cancel(step, &topic, &slot, &job),
            }
        })
        .await
    }
}

fn cancel(step: &Step<'_>, topic: &Topic, slot: &Slot, job: &JobRef) -> Result<CancelOutcome, Failed> {
    match slot.state {
        JobState::Completed | JobState::Failed | JobState::Cancelled => {
            Ok(CancelOutcome::AlreadyFinished(slot.state))
        }
        JobState::Scheduled | JobState::Waiting => {
            let event =
                TimelineEvent::new(step.now.wall, TimelineKind::Cancelled, None, CANCELLED_ON_REQUEST);
            let cancelled = End {
                events: vec![event],
                settled: slot.settled,
                ..End::of(slot, JobState::Cancelled)
            };
            end(step, topic, slot, cancelled)?;
            step.tell_watchers(topic, [slot.id.as_str()])?;
            Ok(CancelOutcome::Cancelled)
        }
        JobState::Active => {
            request_cancel(step, topic, slot, job)?;
            Ok(CancelOutcome::Requested)
        }
    }
}

fn request_cancel(step: &Step<'_>, topic: &Topic, slot: &Slot, job: &JobRef) -> Result<(), Failed> {
    if !slot.cancel_requested {
        let event = TimelineEvent::new(
            step.now.wall,
            TimelineKind::CancelRequested,
            slot.worker.clone(),
            "",
        );
        step.connection
            .prepare_cached(include_str!("sql/records/request_cancel.sql"))?
            .execute(params![
                slot.seq,
                with_events(slot.timeline.as_deref(), vec![event])
            ])?;
    }
    // Told again each time: the last message may have been lost.
    let worker = slot.worker.as_ref().map(oqron_core::WorkerId::as_str);
    let mailboxes: Vec<String> = step
        .connection
        .prepare_cached(include_str!("sql/records/mailbox.sql"))?
        .query_map(params![topic.namespace, worker], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for mailbox in mailboxes {
        step.post(Letter {
            mailbox,
            notice: Notice::Cancel(job.topic.clone(), job.id.clone()),
            wakes: None,
        });
    }
    Ok(())
}
