//! Ctrl-C, SIGTERM and a closed terminal as a condition that every wait looks at, so that what was started is ended by
//! the ordinary way out.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::error::Error;

#[derive(Clone, Default)]
pub(crate) struct Interrupt {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    signal: Mutex<Option<i32>>,
    arrived: Condvar,
}

impl Interrupt {
    /// From now on the first signal is noticed, and the second one ends the process at once.
    pub(crate) fn watch() -> Result<Self, Error> {
        let interrupt = Self::default();
        let mut signals =
            Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(Error::io("watch for Ctrl-C and SIGTERM"))?;
        let noticed = interrupt.clone();
        thread::spawn(move || {
            for signal in signals.forever() {
                if noticed.notice(signal).is_some() {
                    std::process::exit(128 + signal);
                }
            }
        });
        Ok(interrupt)
    }

    /// Waits for `at_most`, or fails as soon as somebody wants to end this.
    pub(crate) fn pause(&self, at_most: Duration) -> Result<(), Error> {
        let signal = self.shared.signal.lock().unwrap_or_else(PoisonError::into_inner);
        let (signal, _) = self
            .shared
            .arrived
            .wait_timeout_while(signal, at_most, |signal| signal.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        signal.map_or(Ok(()), |signal| Err(Error::Interrupted(signal)))
    }

    /// Notes the signal, and returns the one that had come before.
    fn notice(&self, signal: i32) -> Option<i32> {
        let before = self
            .shared
            .signal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(signal);
        self.shared.arrived.notify_all();
        before
    }
}
