//! What is kept of every job, without what may differ from backend to backend.

use futures::future::join_all;
use oqron_core::{JobRecord, TimelineEvent};

use crate::side::{Member, Side, job_id};
use crate::step::IDS;

impl Side {
    /// All records, and how many there are in each state.
    pub(crate) async fn records(&mut self) -> String {
        let counts = self.handles.operate.counts(&self.topic).await.unwrap();
        let jobs: Vec<_> = (0..IDS).map(|id| self.job_ref(id)).collect();
        let found = join_all(jobs.iter().map(|job| self.handles.publish.find(job))).await;
        let mut texts = vec![format!("{counts:?}")];
        for (id, found) in found.into_iter().enumerate() {
            match found.unwrap() {
                Some(record) => texts.push(text(&record, &self.crew)),
                None => *self.gone.entry(job_id(id)).or_default() += 1,
            }
        }
        texts.join("\n")
    }
}

fn text(record: &JobRecord, crew: &[Member]) -> String {
    let holder = crew
        .iter()
        .position(|member| Some(&member.id) == record.worker.as_ref());
    let error = record.error.as_ref().map(|error| (error.kind, &error.message));
    let result = record.result.as_ref().map(|result| &result.bytes);
    let logs: Vec<&str> = record.logs.iter().map(|line| line.text.as_str()).collect();
    format!(
        "{}: {} priority {} attempts {} stalls {} flagged {} error {error:?} result {result:?} progress {:?} logs {logs:?} \
         worker {holder:?} started {} finished {} {:?}",
        record.id,
        record.state,
        record.options.priority,
        record.attempts,
        record.stalls,
        record.cancel_requested,
        record.progress,
        record.started_at.is_some(),
        record.finished_at.is_some(),
        told(&record.timeline),
    )
}

fn told(timeline: &[TimelineEvent]) -> Vec<String> {
    let text = |event: &TimelineEvent| format!("{:?} {}", event.kind, event.reason);
    timeline.iter().map(text).collect()
}
