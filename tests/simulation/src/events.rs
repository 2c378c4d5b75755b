//! What is done to the world at the times of its plan.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use oqron_core::{Operate, Operated};
use tokio::time::sleep;

use crate::line::Line;
use crate::plan::Event;
use crate::world::{World, job_ref, topic};

impl World {
    pub(crate) async fn bring(&mut self, event: Event) {
        match event {
            Event::Crash { node } => self.on(node, |process| process.crash("killed")),
            Event::Stop { node } => self.on(node, |process| process.stop()),
            Event::Freeze { node, time } => {
                let Some(process) = self.nodes[node].process() else {
                    return;
                };
                process.was_hindered.store(true, Ordering::Relaxed);
                process.line.say(format_args!("freezes for {time:?}"));
                process.line.freeze();
                self.tasks.spawn(async move {
                    sleep(time).await;
                    process.line.say(format_args!("thaws"));
                    process.line.thaw();
                });
            }
            Event::Partition { node, time, quiet } => {
                let Some(process) = self.nodes[node].process() else {
                    return;
                };
                process.was_hindered.store(true, Ordering::Relaxed);
                process.line.say(format_args!(
                    "is cut off for {time:?}{}",
                    if quiet { ", quietly" } else { "" }
                ));
                process.line.cut_off(quiet);
                break_presence(&process.line);
                self.tasks.spawn(async move {
                    sleep(time).await;
                    process.line.say(format_args!("is connected again"));
                    process.line.mend();
                });
            }
            Event::Outage { time, quiet } => self.outage(time, quiet),
            Event::BreakPresence {
                node,
                noticed_after,
                seen_after,
            } => {
                let process = self.nodes[node].process();
                let Some(link) = process.as_ref().and_then(|process| process.line.link()) else {
                    return;
                };
                self.say(format_args!(
                    "the presence of node-{} breaks; it notices after {noticed_after:?}, the others after {seen_after:?}",
                    node + 1
                ));
                link.lingers.store(seen_after > noticed_after, Ordering::Relaxed);
                self.tasks.spawn(async move {
                    let here = async {
                        sleep(noticed_after).await;
                        link.gone_here.notify_one();
                    };
                    let there = async {
                        sleep(seen_after).await;
                        link.gone_there.notify_one();
                    };
                    tokio::join!(biased; there, here);
                });
            }
            Event::PutClockForward { by } => {
                self.say(format_args!("the backend's clock is put forward by {by:?}"));
                self.operate.put_clock_forward(by);
            }
            Event::Pause { at_most_once, time } => {
                let (operate, topic) = (self.operate.clone(), topic(at_most_once));
                self.say(format_args!("{topic} is paused for {time:?}"));
                // In memory none of it fails.
                let _ = operate.pause(&topic).await;
                self.tasks.spawn(async move {
                    sleep(time).await;
                    let _ = operate.resume(&topic).await;
                });
            }
            Event::PauseHere { node, time } => {
                let Some(process) = self.nodes[node].process() else {
                    return;
                };
                process.line.say(format_args!("takes no jobs for {time:?}"));
                process.pause(true);
                self.tasks.spawn(async move {
                    sleep(time).await;
                    process.pause(false);
                });
            }
            Event::Cancel { job } => {
                let (service, job) = (Arc::clone(&self.services[0]), self.plan.jobs[job].clone());
                self.tasks.spawn(service.cancel(job));
            }
            Event::Retry { job } => self.put_back(job).await,
            Event::Discard { job } => {
                let job = &self.plan.jobs[job];
                let discarded = self.operate.discard(&[job_ref(job)]).await;
                if matches!(discarded.as_deref(), Ok([Operated::Done])) {
                    self.say(format_args!("{} is discarded", job.task.id()));
                    let number = job.task.number;
                    self.ground.history.of(number, |seen| seen.discarded = true);
                }
            }
            Event::AddAgain { job } => {
                let (service, job) = (
                    Arc::clone(&self.services[self.services.len() - 1]),
                    self.plan.jobs[job].clone(),
                );
                self.tasks.spawn(async move {
                    service.add(&job).await;
                });
            }
        }
    }

    /// The backend goes away for all, with every presence.
    fn outage(&mut self, time: Duration, quiet: bool) {
        let weather = Arc::clone(&self.ground.weather);
        self.say(format_args!(
            "the backend goes away for {time:?}{}",
            if quiet { ", quietly" } else { "" }
        ));
        weather.go_away(quiet);
        for process in self.nodes.iter().filter_map(|node| node.process()) {
            process.was_hindered.store(true, Ordering::Relaxed);
            break_presence(&process.line);
        }
        let trace = Arc::clone(&self.ground.trace);
        self.tasks.spawn(async move {
            sleep(time).await;
            trace.say(&"world", format_args!("the backend is there again"));
            weather.come_back();
        });
    }

    async fn put_back(&self, job: usize) {
        let job = &self.plan.jobs[job];
        let retried = self.operate.retry(&[job_ref(job)]).await;
        if matches!(retried.as_deref(), Ok([Operated::Done])) {
            self.say(format_args!(
                "{} is put back to waiting by an operator",
                job.task.id()
            ));
            self.ground.history.put_back(job.task.number);
        }
    }

    fn on(&self, node: usize, act: impl FnOnce(&crate::node::Process)) {
        if let Some(process) = self.nodes[node].process() {
            act(&process);
        }
    }
}

/// Both sides see at once that the connection is gone.
fn break_presence(line: &Line) {
    if let Some(link) = line.link() {
        link.gone_there.notify_one();
        link.gone_here.notify_one();
    }
}
