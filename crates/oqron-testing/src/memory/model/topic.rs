//! The jobs of one topic, and their order in each state.

use std::collections::{BTreeMap, HashMap, VecDeque};

use oqron_core::{JobId, JobRecord, JobState, Timestamp, TopicName, WorkerId};

use super::Hint;
use super::job::{Job, Place};
use super::turn::Answered;
use super::waiters::Waiter;

/// One topic.
///
/// Invariants: `lines` holds every job of `jobs` once, at its state and place, because both are changed in
/// [`change`](Self::change), [`insert`](Self::insert) and [`take`](Self::take) only; a job has terms exactly while it is
/// active; an id in `known_until` has no record.
#[derive(Debug)]
pub(in crate::memory) struct Topic {
    name: TopicName,
    jobs: HashMap<JobId, Job>,
    lines: BTreeMap<(JobState, Place), JobId>,
    /// Ids whose record is gone, and until when they are remembered.
    pub(super) known_until: HashMap<JobId, Timestamp>,
    pub(super) adds: u64,
    pub(super) tokens: u64,
    pub(super) ends: u64,
    /// The `max_count` of the job that ended last, of those that are kept.
    pub(super) max_count: Option<u32>,
    pub(super) paused: bool,
    /// The last turn of each worker, for its repetition.
    pub(super) answered: HashMap<(WorkerId, u8), Answered>,
    pub(super) waiters: VecDeque<Waiter>,
    pub(super) hints: Vec<Hint>,
}

impl Topic {
    pub(super) fn new(name: TopicName) -> Self {
        Self {
            name,
            jobs: HashMap::new(),
            lines: BTreeMap::new(),
            known_until: HashMap::new(),
            adds: 0,
            tokens: 0,
            ends: 0,
            max_count: None,
            paused: false,
            answered: HashMap::new(),
            waiters: VecDeque::new(),
            hints: Vec::new(),
        }
    }

    pub(super) fn name(&self) -> &TopicName {
        &self.name
    }

    pub(super) fn has_ever_had_a_job(&self) -> bool {
        self.adds > 0
    }

    pub(super) fn take_hints(&mut self) -> impl Iterator<Item = Hint> {
        self.hints.drain(..)
    }

    pub(in crate::memory) fn find(&self, id: &JobId) -> Option<&JobRecord> {
        self.jobs.get(id).map(|job| &job.record)
    }

    pub(super) fn job(&self, id: &JobId) -> Option<&Job> {
        self.jobs.get(id)
    }

    pub(super) fn insert(&mut self, job: Job) {
        let id = job.record.id.clone();
        self.lines.insert((job.state(), job.place()), id.clone());
        self.jobs.insert(id, job);
    }

    /// The only way to change a job. Nothing happens if there is none.
    pub(super) fn change(&mut self, id: &JobId, change: impl FnOnce(&mut Job)) {
        if let Some(mut job) = self.take(id) {
            change(&mut job);
            self.insert(job);
        }
    }

    pub(super) fn take(&mut self, id: &JobId) -> Option<Job> {
        let job = self.jobs.remove(id)?;
        self.lines.remove(&(job.state(), job.place()));
        Some(job)
    }

    /// The jobs in a state, the first first.
    pub(super) fn line(&self, state: JobState) -> impl DoubleEndedIterator<Item = &Job> {
        self.line_after(state, None)
    }

    /// The jobs in a state that come after a place.
    pub(super) fn line_after(
        &self,
        state: JobState,
        after: Option<Place>,
    ) -> impl DoubleEndedIterator<Item = &Job> {
        use std::ops::Bound::{Excluded, Included};
        let start = match after {
            None => Included((state, Place::FIRST)),
            Some(place) => Excluded((state, place)),
        };
        let ids = self.lines.range((start, Included((state, Place::LAST))));
        ids.map(|(_, id)| &self.jobs[id])
    }

    /// The ids of the first jobs in a state, as long as they are of a kind.
    pub(super) fn first_ids(&self, state: JobState, max: usize, kind: impl Fn(&Job) -> bool) -> Vec<JobId> {
        let first = self.line(state).take_while(|job| kind(job)).take(max);
        first.map(|job| job.record.id.clone()).collect()
    }

    pub(super) fn is_empty(&self, state: JobState) -> bool {
        self.line(state).next().is_none()
    }
}
