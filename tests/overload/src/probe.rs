//! Jobs of another topic, one after the other, for as long as a flood lasts: each must be picked up, and how long each
//! waited is noted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oqron::Queue;
use tokio::task::JoinHandle;

use crate::load::{OTHER, now_micros};
use crate::place::{PATIENCE, Place};

/// From the end of one job to the add of the next.
const PAUSE: Duration = Duration::from_millis(25);

/// A task that adds and waits.
pub struct Probe {
    over: Arc<AtomicBool>,
    task: JoinHandle<Latencies>,
}

/// From each add to the start of its handler, shortest first.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Probe {
    /// Starts, with a worker of the topic running somewhere.
    pub fn start(place: &Place) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let queue = place.publisher.queue(OTHER);
        let task = tokio::spawn(probe(queue, Arc::clone(&over)));
        Self { over, task }
    }

    /// Ends after the job that is under way.
    ///
    /// # Panics
    /// When a job was not picked up or gave another answer.
    pub async fn stop(self) -> Latencies {
        self.over.store(true, Ordering::Relaxed);
        self.task.await.expect("every job of the other topic is done")
    }
}

async fn probe(queue: Queue<u64, u64>, over: Arc<AtomicBool>) -> Latencies {
    let mut latencies = Vec::new();
    // At least one, however short the flood is.
    while latencies.is_empty() || !over.load(Ordering::Relaxed) {
        let added_at = now_micros();
        let job = queue.add(&added_at).await.unwrap();
        let started_at = job.result(PATIENCE).await.unwrap();
        latencies.push(Duration::from_micros(started_at.saturating_sub(added_at)));
        tokio::time::sleep(PAUSE).await;
    }
    latencies.sort_unstable();
    Latencies(latencies)
}

impl Latencies {
    /// How many jobs there were.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Which this part of them did not exceed.
    pub fn percentile(&self, part: f64) -> Duration {
        let last = self.0.len().saturating_sub(1);
        let place = (part * last as f64).ceil() as usize;
        self.0.get(place).copied().unwrap_or_default()
    }
}
