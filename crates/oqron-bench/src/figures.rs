//! What many measured times say together.

use std::time::Duration;

use serde::Serialize;

/// Times of one kind, in seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figures {
    pub(crate) count: usize,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Figures {
    /// `None` of nothing. The p99 of fewer than a hundred is the greatest.
    pub(crate) fn of(times: &[Duration]) -> Option<Self> {
        let mut seconds: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
        seconds.sort_by(f64::total_cmp);
        let last = seconds.len().checked_sub(1)?;
        let at = |part: f64| {
            seconds[((seconds.len() as f64 * part).ceil() as usize)
                .saturating_sub(1)
                .min(last)]
        };
        Some(Self {
            count: seconds.len(),
            p50: at(0.5),
            p99: at(0.99),
            max: seconds[last],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        assert_eq!(Figures::of(&[]), None);
        let times: Vec<Duration> = (1..=200).rev().map(Duration::from_secs).collect();
        let figures = Figures::of(&times).unwrap();
        assert_eq!((figures.p50, figures.p99, figures.max), (100.0, 198.0, 200.0));
        let one = Figures::of(&[Duration::from_secs(3)]).unwrap();
        assert_eq!((one.count, one.p50, one.p99, one.max), (1, 3.0, 3.0, 3.0));
    }
}
