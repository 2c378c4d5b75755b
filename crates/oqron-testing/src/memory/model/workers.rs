//! Who works here.

use std::collections::BTreeMap;
use std::time::Duration;

use oqron_core::{Timestamp, WorkerId, WorkerInfo, WorkerRecord};

/// A worker that died is listed this long after it was last seen.
const LISTED_AFTER_DEATH: Duration = Duration::from_secs(90);

#[derive(Debug, Default)]
pub(in crate::memory) struct Workers {
    by_id: BTreeMap<WorkerId, Known>,
}

#[derive(Debug)]
struct Known {
    record: WorkerRecord,
    present: bool,
}

impl Workers {
    pub(in crate::memory) fn join(&mut self, info: &WorkerInfo, now: Timestamp) {
        let known = Known {
            record: WorkerRecord::new(info.clone(), now),
            present: true,
        };
        self.by_id.insert(info.id.clone(), known);
    }

    pub(in crate::memory) fn leave(&mut self, worker: &WorkerId) {
        self.by_id.remove(worker);
    }

    pub(in crate::memory) fn die(&mut self, worker: &WorkerId) {
        if let Some(known) = self.by_id.get_mut(worker) {
            known.present = false;
        }
    }

    pub(super) fn seen(&mut self, worker: &WorkerId, now: Timestamp) {
        if let Some(known) = self.by_id.get_mut(worker) {
            known.record.seen_at = now;
        }
    }

    pub(super) fn is_present(&self, worker: &WorkerId) -> bool {
        self.by_id.get(worker).is_some_and(|known| known.present)
    }

    /// It has joined, its presence is over, and it did not say goodbye.
    pub(super) fn is_absent(&self, worker: &WorkerId) -> bool {
        self.by_id.get(worker).is_some_and(|known| !known.present)
    }

    /// Those that are present or were seen lately; the others are forgotten.
    pub(in crate::memory) fn list(&mut self, now: Timestamp) -> Vec<WorkerRecord> {
        self.by_id
            .retain(|_, known| known.present || now.since(known.record.seen_at) <= LISTED_AFTER_DEATH);
        self.by_id.values().map(|known| known.record.clone()).collect()
    }
}
