//! What all processes of a simulation share of its faults: whether they go on, and whether the backend is away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::plan::Faults;

#[derive(Debug)]
pub(crate) struct Weather {
    faults: Faults,
    is_over: AtomicBool,
    away: Mutex<Away>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Away {
    /// `Some(true)`: it does not even refuse.
    now: Option<bool>,
    came_back: Option<Instant>,
}

impl Weather {
    pub(crate) fn new(faults: Faults) -> Self {
        Self {
            faults,
            is_over: AtomicBool::new(false),
            away: Mutex::default(),
        }
    }

    /// What can happen to a call now.
    pub(crate) fn faults(&self) -> Faults {
        if self.is_over.load(Ordering::Relaxed) {
            Faults::default()
        } else {
            self.faults
        }
    }

    /// From now on nothing fails any more.
    pub(crate) fn clear(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.come_back();
    }

    /// The backend goes away: it refuses calls, or is quiet.
    pub(crate) fn go_away(&self, quiet: bool) {
        self.away_mut(|away| away.now = Some(quiet));
    }

    /// The backend is there again.
    pub(crate) fn come_back(&self) {
        self.away_mut(|away| {
            if away.now.take().is_some() {
                away.came_back = Some(Instant::now());
            }
        });
    }

    /// Whether the backend is away, and if so, whether it is quiet.
    pub(crate) fn away(&self) -> Option<bool> {
        self.away_mut(|away| away.now)
    }

    /// How long this run of the backend has lasted, if there was another one before it.
    pub(crate) fn server_up(&self) -> Option<Duration> {
        self.away_mut(|away| away.came_back.map(|at| at.elapsed()))
    }

    fn away_mut<R>(&self, change: impl FnOnce(&mut Away) -> R) -> R {
        change(&mut self.away.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
