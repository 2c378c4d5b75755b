//! What was measured: values by backend, source, figure and round; their medians, and ratios within a round.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Backend;

/// The source of our own values.
pub(crate) const OURS: &str = "Oqron";
/// The source of bare scripts.
pub(crate) const LIMIT: &str = "limit";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) backend: Backend,
    pub(crate) source: String,
    pub(crate) figure: String,
    pub(crate) unit: String,
    pub(crate) round: u32,
    pub(crate) value: f64,
}

/// Something that gave no value, and what it said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) backend: Backend,
    pub(crate) source: String,
    pub(crate) what: String,
    pub(crate) round: u32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Samples {
    pub(crate) values: Vec<Sample>,
    pub(crate) failures: Vec<Failure>,
}

/// The values of one figure by round.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series {
    by_round: BTreeMap<u32, f64>,
}

impl Samples {
    pub(crate) fn fail(&mut self, backend: Backend, source: &str, round: u32, what: impl Into<String>) {
        self.failures.push(Failure {
            backend,
            source: source.into(),
            what: what.into(),
            round,
        });
    }

    pub(crate) fn series(&self, backend: Backend, source: &str, figure: &str) -> Series {
        let values = self
            .values
            .iter()
            .filter(|sample| sample.backend == backend && sample.source == source && sample.figure == figure);
        Series {
            by_round: values.map(|sample| (sample.round, sample.value)).collect(),
        }
    }

    /// The figures of one source with their units, in the order in which they were first measured.
    pub(crate) fn figures(&self, backend: Backend, source: &str) -> Vec<(&str, &str)> {
        let mut figures = Vec::new();
        for sample in self.of(backend) {
            let figure = (sample.figure.as_str(), sample.unit.as_str());
            if sample.source == source && !figures.contains(&figure) {
                figures.push(figure);
            }
        }
        figures
    }

    /// All other queues that were measured on it.
    pub(crate) fn peers(&self, backend: Backend) -> Vec<&str> {
        let mut peers: Vec<&str> = Vec::new();
        for sample in self.of(backend) {
            let source = sample.source.as_str();
            if source != OURS && source != LIMIT && !peers.contains(&source) {
                peers.push(source);
            }
        }
        peers
    }

    fn of(&self, backend: Backend) -> impl Iterator<Item = &Sample> {
        self.values.iter().filter(move |sample| sample.backend == backend)
    }
}

impl Series {
    pub(crate) fn median(&self) -> Option<f64> {
        median(self.by_round.values().copied().collect())
    }

    pub(crate) fn min(&self) -> Option<f64> {
        self.by_round.values().copied().min_by(f64::total_cmp)
    }

    pub(crate) fn max(&self) -> Option<f64> {
        self.by_round.values().copied().max_by(f64::total_cmp)
    }

    /// This one divided by the other, round by round, so that both are of the same minutes; and of these the median.
    pub(crate) fn ratio_to(&self, other: &Self) -> Option<f64> {
        let ratios = self.by_round.iter().filter_map(|(round, value)| {
            let other = other.by_round.get(round)?;
            (*other > 0.0).then(|| value / other)
        });
        median(ratios.collect())
    }
}

/// What a peer or a limit calls this figure of ours: they are measured with one kind of history.
pub(crate) fn without_history(figure: &str) -> &str {
    figure.split(", history").next().unwrap_or(figure)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[(u32, f64)]) -> Series {
        Series {
            by_round: values.iter().copied().collect(),
        }
    }

    #[test]
    fn the_median_is_the_middle_value_or_between_the_two() {
        assert_eq!(series(&[]).median(), None);
        assert_eq!(series(&[(1, 9.0), (2, 1.0), (3, 5.0)]).median(), Some(5.0));
        assert_eq!(series(&[(1, 9.0), (2, 1.0)]).median(), Some(5.0));
        let three = series(&[(1, 9.0), (2, 1.0), (3, 5.0)]);
        assert_eq!((three.min(), three.max()), (Some(1.0), Some(9.0)));
    }

    #[test]
    fn a_ratio_compares_values_of_the_same_round() {
        // By medians it would be 20 / 10; round by round it is never below 3.
        let ours = series(&[(1, 20.0), (2, 3.0), (3, 90.0)]);
        let theirs = series(&[(1, 5.0), (2, 1.0), (3, 10.0), (4, 100.0)]);
        assert_eq!(ours.ratio_to(&theirs), Some(4.0));
        assert_eq!(ours.ratio_to(&series(&[(7, 1.0)])), None);
        assert_eq!(ours.ratio_to(&series(&[(1, 0.0)])), None);
    }

    #[test]
    fn peers_and_figures_stand_in_the_order_of_their_first_value() {
        let mut samples = Samples::default();
        for (source, figure) in [
            (OURS, "drain"),
            ("B", "drain"),
            (OURS, "add"),
            ("A", "add"),
            (LIMIT, "add"),
            ("B", "add"),
        ] {
            samples.values.push(Sample {
                backend: Backend::Redis,
                source: source.into(),
                figure: figure.into(),
                unit: "jobs/s".into(),
                round: 1,
                value: 1.0,
            });
        }
        assert_eq!(samples.peers(Backend::Redis), ["B", "A"]);
        assert!(samples.peers(Backend::Postgres).is_empty());
        assert_eq!(
            samples.figures(Backend::Redis, OURS),
            [("drain", "jobs/s"), ("add", "jobs/s")]
        );
    }

    #[test]
    fn a_peer_has_one_kind_of_history() {
        assert_eq!(without_history("drain at 10, history kept"), "drain at 10");
        assert_eq!(without_history("pickup p50"), "pickup p50");
    }
}
