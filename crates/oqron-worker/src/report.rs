//! What a handler reports, on its way to the backend: it never waits, and what comes together goes together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oqron_core::limits::LOG_LINES_MAX;
use oqron_core::{LogLine, Progress};
use tokio::sync::Notify;
use tokio::time::timeout;

/// How long an ended attempt waits for the answer to a report of it that is under way, before it is settled.
const IN_FLIGHT_WAIT: Duration = Duration::from_secs(1);

/// Rung when any attempt of the process has something new to report. Many rings before the heart listens are one.
#[derive(Default)]
pub(crate) struct Bell(Notify);

impl Bell {
    fn ring(&self) {
        self.0.notify_one();
    }

    pub(crate) async fn rung(&self) {
        self.0.notified().await;
    }
}

/// Progress and log lines, coalesced.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Report {
    pub(crate) progress: Option<Progress>,
    pub(crate) logs: Vec<LogLine>,
}

impl Report {
    fn push(&mut self, line: LogLine) {
        if self.logs.len() == LOG_LINES_MAX {
            self.logs.remove(0);
        }
        self.logs.push(line);
    }

    /// Puts what is newer behind this.
    fn followed_by(mut self, newer: Self) -> Self {
        self.progress = newer.progress.or(self.progress);
        self.logs.extend(newer.logs);
        let over = self.logs.len().saturating_sub(LOG_LINES_MAX);
        self.logs.drain(..over);
        self
    }
}

/// The reports of one attempt.
#[derive(Default)]
pub(crate) struct ReportCell {
    /// Spares the heart the lock of those that have nothing to say.
    is_new: AtomicBool,
    state: Mutex<State>,
    answered: Notify,
}

#[derive(Default)]
struct State {
    waiting: Report,
    /// In a heartbeat that is not answered yet.
    in_flight: Option<Report>,
}

impl ReportCell {
    pub(crate) fn progress(&self, progress: Progress, bell: &Bell) {
        self.lock().waiting.progress = Some(progress);
        self.mark(bell);
    }

    pub(crate) fn log(&self, line: LogLine, bell: &Bell) {
        self.lock().waiting.push(line);
        self.mark(bell);
    }

    fn mark(&self, bell: &Bell) {
        if !self.is_new.swap(true, Ordering::AcqRel) {
            bell.ring();
        }
    }

    pub(crate) fn has_news(&self) -> bool {
        self.is_new.load(Ordering::Acquire)
    }

    /// For a heartbeat. It must be followed by [`delivered`](Self::delivered) or [`put_back`](Self::put_back).
    pub(crate) fn send(&self) -> Report {
        if !self.is_new.swap(false, Ordering::AcqRel) {
            return Report::default();
        }
        let mut state = self.lock();
        let report = std::mem::take(&mut state.waiting);
        state.in_flight = Some(report.clone());
        report
    }

    /// The heartbeat was answered.
    pub(crate) fn delivered(&self) {
        if self.lock().in_flight.take().is_some() {
            self.answered.notify_one();
        }
    }

    /// The heartbeat failed: what it carried waits again, before what is newer.
    pub(crate) fn put_back(&self) {
        let mut state = self.lock();
        if let Some(older) = state.in_flight.take() {
            let newer = std::mem::take(&mut state.waiting);
            state.waiting = older.followed_by(newer);
            self.is_new.store(true, Ordering::Release);
            self.answered.notify_one();
        }
    }

    /// For the settlement: waits for the answer to a heartbeat that carries a report of this attempt, because one that
    /// comes after the settlement would be refused, and its lines would be lost.
    pub(crate) async fn last(&self) -> Report {
        let answered = async {
            // A permit may be left from an answer that nobody waited for.
            while self.lock().in_flight.is_some() {
                self.answered.notified().await;
            }
        };
        // Without an answer the lines under way are left to the heartbeat.
        let _ = timeout(IN_FLIGHT_WAIT, answered).await;
        let mut state = self.lock();
        self.is_new.store(false, Ordering::Release);
        std::mem::take(&mut state.waiting)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use oqron_core::Timestamp;

    use super::*;

    fn line(text: &str) -> LogLine {
        LogLine::new(Timestamp::from_millis(1), text)
    }

    #[tokio::test]
    async fn what_a_failed_heartbeat_carried_goes_before_what_is_newer() {
        let (cell, bell) = (ReportCell::default(), Bell::default());
        cell.log(line("1"), &bell);
        cell.progress(Progress::new(1, "old"), &bell);
        assert_eq!(cell.send().logs, [line("1")]);
        assert!(!cell.has_news());
        cell.log(line("2"), &bell);
        cell.progress(Progress::new(2, "new"), &bell);
        cell.put_back();
        assert!(cell.has_news());
        let last = cell.last().await;
        assert_eq!(last.logs, [line("1"), line("2")]);
        assert_eq!(last.progress, Some(Progress::new(2, "new")));
        assert_eq!(cell.last().await, Report::default());
    }

    #[tokio::test]
    async fn the_newest_lines_are_kept() {
        let (cell, bell) = (ReportCell::default(), Bell::default());
        for number in 0..LOG_LINES_MAX + 5 {
            cell.log(line(&number.to_string()), &bell);
        }
        let logs = cell.last().await.logs;
        assert_eq!(logs.len(), LOG_LINES_MAX);
        assert_eq!(logs[0], line("5"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_settlement_waits_for_the_report_under_way_but_not_for_ever() {
        let (cell, bell) = (ReportCell::default(), Bell::default());
        cell.log(line("1"), &bell);
        let sent = cell.send();
        assert_eq!(sent.logs, [line("1")]);
        let start = tokio::time::Instant::now();
        assert_eq!(cell.last().await, Report::default());
        assert_eq!(start.elapsed(), IN_FLIGHT_WAIT);
        let (last, ()) = tokio::join!(cell.last(), async { cell.put_back() });
        assert_eq!(last.logs, [line("1")]);
    }
}
