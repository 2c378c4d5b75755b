//! The state machine of `docs/state-machine.md`. Every step is a method that takes the time, changes the state, and
//! leaves hints to be delivered; nothing here waits, locks or reads a clock.
//!
//! In the order of a job's life: [`add`], [`claim`], [`settle`] and [`turn`] (both of them in one step), [`heartbeat`],
//! [`cancel`], [`end`], [`operate`], [`list`]. Beside the jobs: [`waiters`], [`workers`], [`sight`], [`locks`].

mod add;
mod cancel;
mod claim;
mod end;
mod heartbeat;
mod job;
mod list;
mod locks;
mod operate;
mod settle;
mod sight;
#[cfg(test)]
mod tests;
mod topic;
mod turn;
mod waiters;
mod workers;

use std::collections::BTreeMap;

use oqron_core::{JobId, TopicName, WorkerId};

pub(super) use topic::Topic;

/// Everything that one namespace holds.
#[derive(Debug, Default)]
pub(super) struct Model {
    topics: BTreeMap<TopicName, Topic>,
    pub(super) workers: workers::Workers,
    pub(super) locks: locks::LockTable,
}

/// What somebody should learn because of a step. All of it may be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// To a worker: the topic may have work.
    Wake(WorkerId),
    /// To a worker: somebody asked to cancel the active job.
    Cancel(WorkerId, JobId),
    /// To whoever waits for it: the job has ended, or is gone.
    Ended(JobId),
}

impl Model {
    /// The topic, which begins to exist when it is first named.
    pub(super) fn topic(&mut self, name: &TopicName) -> &mut Topic {
        self.topics
            .entry(name.clone())
            .or_insert_with(|| Topic::new(name.clone()))
    }

    /// Every topic that has ever had a job, by name.
    pub(super) fn topics(&self) -> Vec<TopicName> {
        let had_a_job = self.topics.values().filter(|topic| topic.has_ever_had_a_job());
        had_a_job.map(|topic| topic.name().clone()).collect()
    }

    /// The hints that the steps since the last call have left.
    pub(super) fn take_hints(&mut self) -> Vec<(TopicName, Hint)> {
        let mut hints = Vec::new();
        for topic in self.topics.values_mut() {
            let name = topic.name().clone();
            hints.extend(topic.take_hints().map(|hint| (name.clone(), hint)));
        }
        hints
    }

    /// A worker said goodbye, or died: nobody waits for it, and it is not woken.
    pub(super) fn stop_waking(&mut self, worker: &WorkerId) {
        for topic in self.topics.values_mut() {
            topic.stop_waking(worker);
        }
    }
}
