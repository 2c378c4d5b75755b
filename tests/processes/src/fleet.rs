//! Several workers that are killed and started again.

use std::process::ExitStatus;

use crate::process::{Builder, Process};

/// Workers by number; each can be started again as it was.
pub struct Fleet<'a> {
    start: Box<dyn Fn(usize) -> Builder + 'a>,
    workers: Vec<Process>,
}

impl<'a> Fleet<'a> {
    /// Starts so many.
    pub fn start(count: usize, start: impl Fn(usize) -> Builder + 'a) -> Self {
        let workers = (0..count).map(|number| start(number).start()).collect();
        Self {
            start: Box::new(start),
            workers,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.workers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    /// One of them.
    pub fn worker(&self, number: usize) -> &Process {
        &self.workers[number]
    }

    /// One of them, to be ended.
    pub fn worker_mut(&mut self, number: usize) -> &mut Process {
        &mut self.workers[number]
    }

    /// SIGKILL, and another one in its place.
    pub fn replace(&mut self, number: usize) {
        self.workers[number].kill();
        self.restart(number);
    }

    /// Starts another one in the place of one that has ended.
    pub fn restart(&mut self, number: usize) {
        self.workers[number] = (self.start)(number).start();
    }

    /// What systemd or Kubernetes do: starts again who has ended by itself. Answers how they ended, with their logs.
    pub fn revive(&mut self) -> Vec<(ExitStatus, String)> {
        let mut ended = Vec::new();
        for number in 0..self.workers.len() {
            if let Some(status) = self.workers[number].end() {
                ended.push((status, self.workers[number].log()));
                self.restart(number);
            }
        }
        ended
    }

    /// SIGTERM to all, and an end in order. Whoever has just been started is told once it listens.
    pub async fn stop(&mut self) {
        for worker in &self.workers {
            worker.says("working").await;
            worker.terminate();
        }
        for worker in &mut self.workers {
            worker.ended_in_order().await;
        }
    }
}
