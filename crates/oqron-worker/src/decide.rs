//! What becomes of an attempt: a pure function of how it ended and why it was told to stop.

use std::time::Duration;

use oqron_core::{
    Delivery, Disposition, Encoded, Error, FailureKind, JobError, JobFailure, Outcome, Reaction, Retries,
    after_failure,
};

use crate::signal::Why;

/// How an attempt ended.
#[derive(Debug)]
pub(crate) enum End {
    /// With a result, encoded and within its limit.
    Succeeded(Encoded),
    /// With the handler's error, or that of `before_run`.
    Failed(JobError),
    /// With a panic, which said this.
    Panicked(String),
    /// The payload does not decode, or the result does not encode or is over its limit: no retry would change that.
    NotCoded(&'static str, Error),
    /// It did not stop within the grace, and was dropped.
    CutOff(Why),
}

/// What counts beside the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) retries: &'a Retries,
    /// The number of the attempt, from 1.
    pub(crate) attempt: u32,
    pub(crate) delivery: Delivery,
    pub(crate) timeout: Option<Duration>,
    /// Why the signal fired first.
    pub(crate) why: Option<Why>,
    /// In 0..1: decides the jitter.
    pub(crate) chance: f64,
}

/// `None`: there is nothing to settle, because the lease is known to be lost and the handler stopped for it.
pub(crate) fn decide(end: End, terms: &Terms<'_>) -> Option<Outcome> {
    Some(match end {
        End::Succeeded(result) => Outcome::Complete(result),
        End::NotCoded(what, error) => {
            Outcome::Fail(JobFailure::new(FailureKind::Codec, format!("{what}: {error}")))
        }
        End::Panicked(text) => terms.by_policy(&JobError::of_kind(FailureKind::Panic, text)),
        End::CutOff(Why::TimedOut) => terms.by_policy(&terms.timed_out(None)),
        End::CutOff(_) => terms.give_back("its worker shut down"),
        End::Failed(error) => return terms.after_error(&error),
    })
}

impl Terms<'_> {
    fn after_error(&self, error: &JobError) -> Option<Outcome> {
        let stopped = matches!(error.reaction(), Reaction::Cancel);
        let has_own_will = matches!(error.reaction(), Reaction::NoRetry | Reaction::Snooze(_));
        Some(match self.why {
            Some(Why::Lost) if stopped => return None,
            Some(Why::Fenced) if stopped => self.give_back("its worker could not renew the lease in time"),
            // Whatever the handler says when it is interrupted, the interruption is the cause.
            Some(Why::ShuttingDown) if !has_own_will => self.give_back("its worker shut down"),
            Some(Why::TimedOut) if !has_own_will => self.by_policy(&self.timed_out(Some(error))),
            _ => self.by_policy(error),
        })
    }

    /// Unfinished and not counted; a job that must run at most once cannot run again, so it fails.
    fn give_back(&self, reason: &str) -> Outcome {
        match self.delivery {
            Delivery::AtLeastOnce => Outcome::Release {
                reason: reason.to_owned(),
            },
            Delivery::AtMostOnce => Outcome::Fail(JobFailure::new(
                FailureKind::WorkerLost,
                format!("{}: {reason}", oqron_core::WORKER_LOST),
            )),
        }
    }

    fn by_policy(&self, error: &JobError) -> Outcome {
        match after_failure(self.retries, self.attempt, error, self.chance) {
            Disposition::Retry(delay) => Outcome::Retry {
                delay,
                failure: error.to_failure(),
            },
            Disposition::Snooze(delay) => Outcome::Snooze { delay },
            Disposition::Cancel => Outcome::Cancel {
                reason: error.message().to_owned(),
            },
            _ => Outcome::Fail(error.to_failure()),
        }
    }

    fn timed_out(&self, said: Option<&JobError>) -> JobError {
        let after = match self.timeout {
            Some(timeout) => format!("timed out after {}", humantime::format_duration(timeout)),
            None => "timed out".to_owned(),
        };
        let text = match said {
            Some(error) => format!("{after}; the handler said: {error}"),
            None => after,
        };
        let failure = JobError::of_kind(FailureKind::Timeout, text);
        match said.map(JobError::reaction) {
            Some(Reaction::RetryIn(delay)) => failure.retry_in(*delay),
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use oqron_core::Codec;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn failed(error: JobError) -> End {
        End::Failed(error)
    }

    /// A word for an outcome, so that the table is readable.
    fn word(outcome: Option<&Outcome>) -> String {
        match outcome {
            None => "nothing".into(),
            Some(Outcome::Complete(_)) => "complete".into(),
            Some(Outcome::Retry { delay, failure }) => format!("retry in {delay:?}, {:?}", failure.kind),
            Some(Outcome::Fail(failure)) => format!("fail, {:?}", failure.kind),
            Some(Outcome::Snooze { delay }) => format!("snooze {delay:?}"),
            Some(Outcome::Release { .. }) => "release".into(),
            Some(Outcome::Cancel { .. }) => "cancel".into(),
        }
    }

    #[test]
    fn every_end_with_every_reason() {
        use Delivery::{AtLeastOnce, AtMostOnce};
        let stop = || failed(JobError::cancelled("stopped"));
        let plain = || failed(JobError::new("x"));
        let ok = || End::Succeeded(Codec::Json.encode(&1).unwrap());
        let snooze = || failed(JobError::snooze(SECOND));
        let final_error = || failed(JobError::new("x").no_retry());
        let codec = || {
            let error = Codec::Json.decode::<u8>(&Codec::Json.encode(&"x").unwrap());
            End::NotCoded("the payload does not decode", error.unwrap_err())
        };
        let table = [
            (ok(), None, AtLeastOnce, "complete"),
            (ok(), Some(Why::Lost), AtLeastOnce, "complete"),
            (ok(), Some(Why::ShuttingDown), AtMostOnce, "complete"),
            (plain(), None, AtLeastOnce, "retry in 1s, Error"),
            (plain(), None, AtMostOnce, "retry in 1s, Error"),
            (plain(), Some(Why::Requested), AtLeastOnce, "retry in 1s, Error"),
            (plain(), Some(Why::Lost), AtLeastOnce, "retry in 1s, Error"),
            (plain(), Some(Why::ShuttingDown), AtLeastOnce, "release"),
            (plain(), Some(Why::ShuttingDown), AtMostOnce, "fail, WorkerLost"),
            (plain(), Some(Why::TimedOut), AtLeastOnce, "retry in 1s, Timeout"),
            (final_error(), None, AtLeastOnce, "fail, Error"),
            (final_error(), Some(Why::ShuttingDown), AtLeastOnce, "fail, Error"),
            (final_error(), Some(Why::TimedOut), AtLeastOnce, "fail, Error"),
            (snooze(), None, AtLeastOnce, "snooze 1s"),
            (snooze(), Some(Why::ShuttingDown), AtLeastOnce, "snooze 1s"),
            (stop(), None, AtLeastOnce, "cancel"),
            (stop(), Some(Why::Requested), AtMostOnce, "cancel"),
            (stop(), Some(Why::Lost), AtLeastOnce, "nothing"),
            (stop(), Some(Why::Fenced), AtLeastOnce, "release"),
            (stop(), Some(Why::Fenced), AtMostOnce, "fail, WorkerLost"),
            (stop(), Some(Why::ShuttingDown), AtLeastOnce, "release"),
            (stop(), Some(Why::ShuttingDown), AtMostOnce, "fail, WorkerLost"),
            (stop(), Some(Why::TimedOut), AtLeastOnce, "retry in 1s, Timeout"),
            (End::Panicked("p".into()), None, AtLeastOnce, "retry in 1s, Panic"),
            (codec(), None, AtLeastOnce, "fail, Codec"),
            (
                End::CutOff(Why::TimedOut),
                Some(Why::TimedOut),
                AtLeastOnce,
                "retry in 1s, Timeout",
            ),
            (
                End::CutOff(Why::ShuttingDown),
                Some(Why::Requested),
                AtLeastOnce,
                "release",
            ),
            (
                End::CutOff(Why::ShuttingDown),
                Some(Why::ShuttingDown),
                AtMostOnce,
                "fail, WorkerLost",
            ),
        ];
        for (end, why, delivery, expected) in table {
            let shown = format!("{end:?}, {why:?}, {delivery:?}");
            let terms = Terms {
                retries: &Retries::fixed(1, SECOND),
                attempt: 1,
                delivery,
                timeout: Some(SECOND),
                why,
                chance: 0.5,
            };
            assert_eq!(word(decide(end, &terms).as_ref()), expected, "{shown}");
        }
    }

    #[test]
    fn a_timeout_says_how_long_and_what_the_handler_said() {
        let terms = Terms {
            retries: &Retries::none(),
            attempt: 1,
            delivery: Delivery::AtLeastOnce,
            timeout: Some(SECOND),
            why: Some(Why::TimedOut),
            chance: 0.5,
        };
        let Some(Outcome::Fail(failure)) = decide(failed(JobError::cancelled("at frame 7")), &terms) else {
            panic!("it must fail");
        };
        assert_eq!(
            failure.message,
            "timed out after 1s; the handler said: at frame 7"
        );
    }
}
