//! A job in the model: its record, and what no record shows.

use oqron_core::limits::{ERROR_BYTES_MAX, LOG_LINES_MAX, TIMELINE_EVENTS_MAX, clip};
use oqron_core::{
    Delivery, JobRecord, JobState, LogLine, Progress, TimelineEvent, TimelineKind, Timestamp, Token, WorkerId,
};

#[derive(Debug)]
pub(super) struct Job {
    pub(super) record: JobRecord,
    /// The number of its add in the topic: its age, which it keeps through all states.
    pub(super) add_number: u64,
    /// The number of its end in the topic, if it has ended.
    pub(super) end_number: u64,
    /// It waits because a lease ran out, and so goes before all others.
    pub(super) stalled: bool,
    /// Its last lease was ended by a settlement. Repeating that settlement is a success.
    pub(super) settled: bool,
    /// There exactly while it is active.
    pub(super) terms: Option<Terms>,
}

/// The terms of the current lease. Who holds it, and its token, are in the record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// The worker's request that it was given for.
    pub(super) request: u64,
    pub(super) expires_at: Timestamp,
    pub(super) delivery: Delivery,
    pub(super) max_stalls: u32,
}

/// Where a job stands among those in its state: the smallest is the first to be claimed, due, reclaimed or listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) behind_the_stalled: bool,
    pub(super) by: i64,
    pub(super) then: u64,
}

impl Place {
    pub(super) const FIRST: Self = Self {
        behind_the_stalled: false,
        by: i64::MIN,
        then: 0,
    };
    pub(super) const LAST: Self = Self {
        behind_the_stalled: true,
        by: i64::MAX,
        then: u64::MAX,
    };
}

impl Job {
    pub(super) fn new(record: JobRecord, add_number: u64) -> Self {
        Self {
            record,
            add_number,
            end_number: 0,
            stalled: false,
            settled: false,
            terms: None,
        }
    }

    pub(super) fn state(&self) -> JobState {
        self.record.state
    }

    /// Waiting: stalled first, then priority, then age. Scheduled: by time. Active: by expiry. Finished: newest first.
    pub(super) fn place(&self) -> Place {
        let by = match self.record.state {
            JobState::Scheduled => self.record.run_at.as_millis(),
            JobState::Waiting => i64::from(self.record.options.priority),
            JobState::Active => self.terms.map_or(0, |terms| terms.expires_at.as_millis()),
            JobState::Completed | JobState::Failed | JobState::Cancelled => {
                -i64::try_from(self.end_number).unwrap_or(i64::MAX)
            }
        };
        Place {
            behind_the_stalled: !self.stalled,
            by,
            then: self.add_number,
        }
    }

    /// Which of two jobs in the same state is older: finished ones by their end, the others by their add.
    pub(super) fn age_in_state(&self) -> u64 {
        if self.state().is_finished() {
            self.end_number
        } else {
            self.add_number
        }
    }

    /// Whether the worker had the last lease, under this token.
    pub(super) fn was_leased_to(&self, worker: &WorkerId, token: Token) -> bool {
        self.record.worker.as_ref() == Some(worker) && self.record.token == Some(token)
    }

    /// Whether the worker holds the current lease, under this token.
    pub(super) fn is_leased_to(&self, worker: &WorkerId, token: Token) -> bool {
        self.terms.is_some() && self.was_leased_to(worker, token)
    }

    /// Appends to the timeline.
    pub(super) fn note(&mut self, at: Timestamp, kind: TimelineKind, worker: Option<WorkerId>, reason: &str) {
        let reason = clip(reason, ERROR_BYTES_MAX);
        let timeline = &mut self.record.timeline;
        timeline.push(TimelineEvent::new(at, kind, worker, reason));
        let surplus = timeline.len().saturating_sub(TIMELINE_EVENTS_MAX);
        timeline.drain(..surplus);
    }

    /// Appends to the timeline what concerns the worker of the last lease.
    pub(super) fn note_of_worker(&mut self, at: Timestamp, kind: TimelineKind, reason: &str) {
        self.note(at, kind, self.record.worker.clone(), reason);
    }

    /// Stores what the handler reported.
    pub(super) fn report(&mut self, progress: Option<&Progress>, lines: &[LogLine]) {
        if let Some(progress) = progress {
            self.record.progress = Some(progress.clone());
        }
        let logs = &mut self.record.logs;
        logs.extend_from_slice(lines);
        let surplus = logs.len().saturating_sub(LOG_LINES_MAX);
        logs.drain(..surplus);
    }
}
