//! What to do after a failed attempt: a pure function of policy, attempt and error.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::DURATION_MAX;
use crate::{Error, JobError, JobFailure, Reaction};

/// How often a failed job is tried again, and when.
///
/// `max` counts the retries after the first attempt: `Retries::fixed(1, …)` means two attempts at most.
/// The default is no retries.
///
/// ```
/// use oqron_core::Retries;
/// use std::time::Duration;
///
/// let policy = Retries::exponential(5).base_delay(Duration::from_secs(1)).jitter(0.0);
/// let delays: Vec<u64> = (1..=5).map(|attempt| policy.delay_after(attempt, None, 0.5).as_secs()).collect();
/// assert_eq!(delays, [1, 2, 4, 8, 16]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Retries {
    max: u32,
    backoff: Backoff,
    max_delay: Duration,
    jitter: f64,
}

/// The delay of a custom policy: from the number of the failed attempt and the failure.
pub type DelayFn = dyn Fn(u32, &JobFailure) -> Duration + Send + Sync;

#[derive(Clone)]
enum Backoff {
    Fixed(Duration),
    Exponential(Duration),
    Custom(Arc<DelayFn>),
}

impl Retries {
    /// The first delay of an exponential policy, unless it is given.
    pub const BASE_DELAY: Duration = Duration::from_secs(2);
    /// The longest delay of an exponential policy, unless it is given.
    pub const MAX_DELAY: Duration = Duration::from_secs(60);
    /// The part of an exponential delay that is random, unless it is given.
    pub const JITTER: f64 = 0.2;

    /// Every failure is final.
    pub const fn none() -> Self {
        Self {
            max: 0,
            backoff: Backoff::Fixed(Duration::ZERO),
            max_delay: DURATION_MAX,
            jitter: 0.0,
        }
    }

    /// The same delay before each retry, without jitter.
    pub const fn fixed(max: u32, delay: Duration) -> Self {
        Self {
            max,
            backoff: Backoff::Fixed(delay),
            max_delay: DURATION_MAX,
            jitter: 0.0,
        }
    }

    /// Doubling delays: 2 s, 4 s, 8 s … up to 60 s, each up to 20 % shorter or longer by chance.
    pub const fn exponential(max: u32) -> Self {
        Self {
            max,
            backoff: Backoff::Exponential(Self::BASE_DELAY),
            max_delay: Self::MAX_DELAY,
            jitter: Self::JITTER,
        }
    }

    /// The delay that `delay_after` gives, from the number of the failed attempt (from 1) and the failure.
    /// Without jitter. Only a worker can have one: a function does not travel with a job.
    pub fn custom(
        max: u32,
        delay_after: impl Fn(u32, &JobFailure) -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self {
            max,
            backoff: Backoff::Custom(Arc::new(delay_after)),
            max_delay: DURATION_MAX,
            jitter: 0.0,
        }
    }

    /// The delay of a fixed policy, or the first one of an exponential policy. A custom policy has none.
    #[must_use]
    pub fn base_delay(mut self, delay: Duration) -> Self {
        match &mut self.backoff {
            Backoff::Fixed(base) | Backoff::Exponential(base) => *base = delay,
            Backoff::Custom(_) => {}
        }
        self
    }

    /// The longest delay, before jitter.
    #[must_use]
    pub const fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// The part of each delay that is random, from 0 (none) to 1: 0.2 makes a delay up to 20 % shorter or longer.
    #[must_use]
    pub const fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = jitter;
        self
    }

    /// Retries after the first attempt.
    pub const fn max(&self) -> u32 {
        self.max
    }

    /// Attempts at most: one more than the retries.
    pub const fn max_attempts(&self) -> u32 {
        self.max.saturating_add(1)
    }

    /// The delay after the failed attempt number `attempt` (from 1). `chance` in 0..1 decides the jitter.
    pub fn delay_after(&self, attempt: u32, failure: Option<&JobFailure>, chance: f64) -> Duration {
        let delay = match &self.backoff {
            Backoff::Fixed(delay) => *delay,
            Backoff::Exponential(base) => base.saturating_mul(2u32.saturating_pow(attempt.saturating_sub(1))),
            Backoff::Custom(delay_after) => match failure {
                Some(failure) => delay_after(attempt, failure),
                None => Duration::ZERO,
            },
        };
        let delay = delay.min(self.max_delay).min(DURATION_MAX);
        let factor = 1.0 + self.jitter.clamp(0.0, 1.0) * (2.0 * chance.clamp(0.0, 1.0) - 1.0);
        if factor.is_finite() {
            delay.mul_f64(factor)
        } else {
            delay
        }
    }

    /// What is wrong with the policy, in words for the user.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if !(0.0..=1.0).contains(&self.jitter) {
            complaints.push(format!(
                "retries.jitter is {}; give a number from 0 (none) to 1",
                self.jitter
            ));
        }
        if let Backoff::Exponential(base) = self.backoff {
            if base.is_zero() {
                complaints
                    .push("retries.base_delay is 0s; an exponential policy needs more than that".into());
            }
            if base > self.max_delay {
                complaints.push(format!(
                    "retries.base_delay ({}) is longer than retries.max_delay ({})",
                    humantime::format_duration(base),
                    humantime::format_duration(self.max_delay)
                ));
            }
        }
        complaints
    }

    /// The policy as data, to travel with a job.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a custom policy, and for one with [`complaints`](Self::complaints).
    pub fn to_settings(&self) -> Result<RetrySettings, Error> {
        if let Some(problem) = self.complaints().into_iter().next() {
            return Err(Error::Invalid {
                what: "retries",
                problem,
            });
        }
        let (policy, base_delay) = match self.backoff {
            Backoff::Fixed(delay) => (RetryPolicy::Fixed, delay),
            Backoff::Exponential(base) => (RetryPolicy::Exponential, base),
            Backoff::Custom(_) => {
                return Err(Error::Invalid {
                    what: "retries",
                    problem:
                        "a custom policy is a function and cannot travel with a job; give a fixed or an \
                              exponential one, or set the custom one at the worker"
                            .into(),
                });
            }
        };
        Ok(RetrySettings {
            policy,
            max: self.max,
            base_delay: Some(base_delay),
            max_delay: (self.max_delay != DURATION_MAX).then_some(self.max_delay),
            jitter: Some(self.jitter),
        })
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self::none()
    }
}

impl fmt::Debug for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(delay) => write!(f, "fixed {delay:?}"),
            Self::Exponential(base) => write!(f, "exponential from {base:?}"),
            Self::Custom(_) => write!(f, "custom"),
        }
    }
}

impl PartialEq for Backoff {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fixed(a), Self::Fixed(b)) | (Self::Exponential(a), Self::Exponential(b)) => a == b,
            (Self::Custom(a), Self::Custom(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// Which policy a [`RetrySettings`] means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetryPolicy {
    /// See [`Retries::fixed`].
    Fixed,
    /// See [`Retries::exponential`].
    #[default]
    Exponential,
}

/// A retry policy as data: in TOML, `retries = { policy = "fixed", max = 3, base_delay = "10s" }`; in a job, an
/// override of the worker's policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySettings {
    /// `fixed` or `exponential` (the default).
    #[serde(default)]
    pub policy: RetryPolicy,
    /// Retries after the first attempt.
    pub max: u32,
    /// The delay, or the first one. Default 2 s.
    #[serde(default, with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    pub base_delay: Option<Duration>,
    /// The longest delay. Default 60 s for an exponential policy.
    #[serde(default, with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    pub max_delay: Option<Duration>,
    /// The random part, 0 to 1. Default 0.2 for an exponential policy, none for a fixed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<f64>,
}

impl From<&RetrySettings> for Retries {
    fn from(settings: &RetrySettings) -> Self {
        let mut policy = match settings.policy {
            RetryPolicy::Fixed => Self::fixed(settings.max, Self::BASE_DELAY),
            RetryPolicy::Exponential => Self::exponential(settings.max),
        };
        policy = policy.base_delay(settings.base_delay.unwrap_or(Self::BASE_DELAY));
        policy.max_delay = settings.max_delay.unwrap_or(policy.max_delay);
        policy.jitter = settings.jitter.unwrap_or(policy.jitter);
        policy
    }
}

/// What becomes of an attempt that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disposition {
    /// Another attempt after the delay.
    Retry(Duration),
    /// No more attempts: a dead letter.
    DeadLetter,
    /// Come back after the delay; the attempt does not count.
    Snooze(Duration),
    /// The job ends as Cancelled.
    Cancel,
}

/// Decides what follows the failed attempt number `attempt` (from 1). `chance` in 0..1 decides the jitter.
pub fn after_failure(policy: &Retries, attempt: u32, error: &JobError, chance: f64) -> Disposition {
    let retry_left = attempt <= policy.max();
    match error.reaction() {
        Reaction::Cancel => Disposition::Cancel,
        Reaction::Snooze(delay) => Disposition::Snooze((*delay).min(DURATION_MAX)),
        Reaction::RetryIn(delay) if retry_left => Disposition::Retry((*delay).min(DURATION_MAX)),
        Reaction::Policy if retry_left => {
            Disposition::Retry(policy.delay_after(attempt, Some(&error.to_failure()), chance))
        }
        Reaction::NoRetry | Reaction::RetryIn(_) | Reaction::Policy => Disposition::DeadLetter,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_follows_a_failure() {
        use Disposition::{Cancel, DeadLetter, Retry, Snooze};
        let once = Retries::fixed(1, SECOND);
        let plain = || JobError::new("x");
        let table = [
            (&once, 1, plain(), Retry(SECOND)),
            (&once, 2, plain(), DeadLetter),
            (&once, 1, plain().no_retry(), DeadLetter),
            (&once, 1, plain().retry_in(SECOND * 9), Retry(SECOND * 9)),
            (&once, 2, plain().retry_in(SECOND * 9), DeadLetter),
            (&once, 2, JobError::snooze(SECOND), Snooze(SECOND)),
            (&once, 1, JobError::cancelled("no"), Cancel),
            (&Retries::none(), 1, plain(), DeadLetter),
            (
                &Retries::custom(2, |attempt, _| SECOND * attempt * 3),
                2,
                plain(),
                Retry(SECOND * 6),
            ),
        ];
        for (policy, attempt, error, expected) in table {
            assert_eq!(
                after_failure(policy, attempt, &error, 0.5),
                expected,
                "{policy:?} {attempt} {error:?}"
            );
        }
    }

    #[test]
    fn a_policy_travels_as_data_and_a_function_does_not() {
        for policy in [
            Retries::fixed(3, SECOND),
            Retries::exponential(7)
                .base_delay(SECOND)
                .max_delay(SECOND * 9)
                .jitter(0.5),
        ] {
            let json = serde_json::to_string(&policy.to_settings().unwrap()).unwrap();
            let back: RetrySettings = serde_json::from_str(&json).unwrap();
            assert_eq!(Retries::from(&back), policy);
        }
        let error = Retries::custom(1, |_, _| SECOND)
            .to_settings()
            .unwrap_err()
            .to_string();
        assert!(error.contains("custom"), "{error}");
    }

    #[test]
    fn defaults_of_an_exponential_policy() {
        let policy = Retries::exponential(9);
        assert_eq!(policy.delay_after(1, None, 0.5), SECOND * 2);
        assert_eq!(policy.delay_after(9, None, 0.5), SECOND * 60);
        assert_eq!(policy.delay_after(1, None, 0.0), Duration::from_millis(1600));
    }

    proptest! {
        #[test]
        fn no_delay_is_over_its_cap(attempt in 1u32.., base: u64, cap: u64, jitter in 0.0..1.0, chance in 0.0..1.0) {
            let policy = Retries::exponential(1)
                .base_delay(Duration::from_millis(base))
                .max_delay(Duration::from_millis(cap))
                .jitter(jitter);
            let delay = policy.delay_after(attempt, None, chance);
            prop_assert!(delay <= Duration::from_millis(cap).min(DURATION_MAX).mul_f64(2.0));
        }
    }
}
