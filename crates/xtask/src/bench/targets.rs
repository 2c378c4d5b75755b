//! What is to be reached, in one table, and whether it was.

use super::{
    Backend,
    sample::{LIMIT, OURS, Samples, without_history},
};

pub(crate) struct Target {
    pub(crate) backend: Backend,
    pub(crate) figure: &'static str,
    pub(crate) goal: Goal,
}

#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// So many times the best of these peers; with none named, of all.
    Times(f64, &'static [&'static str]),
    /// Such a part of the limit.
    OfLimit(f64),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) to_reach: String,
    /// `None`: what it needs was not measured.
    pub(crate) is_reached: Option<bool>,
    /// A ratio, where the goal is one.
    pub(crate) measured: Option<f64>,
}

const BULLMQ: &[&str] = &["BullMQ"];
const GRAPHILE: &[&str] = &["graphile-worker", "graphile_worker (Rust)"];
const GRAPHILE_LOCAL: &[&str] = &[
    "graphile-worker, local queue",
    "graphile_worker (Rust), local queue",
];

const ONE: &str = "add one by one, one task";
const TASKS: &str = "add from 100 tasks";
const BULK: &str = "add in bulk of 1,000";
const KEPT: [&str; 3] = [
    "drain at 1, history kept",
    "drain at 10, history kept",
    "drain at 100, history kept",
];
const REMOVED_100: &str = "drain at 100, history removed";
const P50: &str = "pickup p50";
const P99: &str = "pickup p99";
const MILLION: &str = "part of the rate that a million leaves";

#[rustfmt::skip]
pub(crate) const TARGETS: [Target; 44] = {
    use Backend::{Postgres as P, Redis as R, Sqlite as S};
    use Goal::{AtLeast, AtMost, OfLimit, Times};
    [
        to(R, ONE, Times(2.5, BULLMQ)),
        to(R, ONE, OfLimit(0.8)),
        to(R, TASKS, AtLeast(60_000.0)),
        to(R, BULK, Times(7.0, BULLMQ)),
        to(R, BULK, OfLimit(0.8)),
        to(R, KEPT[0], Times(2.5, BULLMQ)),
        to(R, KEPT[1], Times(3.5, BULLMQ)),
        to(R, KEPT[2], Times(6.0, BULLMQ)),
        to(R, KEPT[2], OfLimit(0.7)),
        to(R, P50, AtMost(0.5)),
        to(R, P99, AtMost(1.2)),
        to(R, "bytes of a waiting job", AtMost(380.0)),
        to(P, ONE, Times(3.5, GRAPHILE)),
        to(P, TASKS, AtLeast(30_000.0)),
        to(P, BULK, Times(3.0, &[])),
        to(P, KEPT[0], Times(2.0, GRAPHILE)),
        to(P, KEPT[1], Times(5.0, GRAPHILE)),
        to(P, KEPT[2], Times(1.1, GRAPHILE_LOCAL)),
        to(P, REMOVED_100, Times(1.6, GRAPHILE_LOCAL)),
        to(P, P50, AtMost(1.5)),
        to(P, P99, AtMost(4.0)),
        to(P, "a reading transaction, last fifth to first", AtLeast(0.9)),
        to(P, "a writing transaction, last fifth to first", AtLeast(0.9)),
        to(S, BULK, AtLeast(100_000.0)),
        to(S, KEPT[2], AtLeast(20_000.0)),
        to(S, P50, AtMost(2.0)),
        to(R, MILLION, AtLeast(0.9)),
        to(P, MILLION, AtLeast(0.9)),
        to(S, MILLION, AtLeast(0.9)),
        to(R, "backend calls of an idle worker", AtMost(6.0)),
        to(P, "backend calls of an idle worker", AtMost(6.0)),
        to(S, "backend calls of an idle worker", AtMost(6.0)),
        to(R, "backend calls of an idle publisher", AtMost(0.0)),
        to(P, "backend calls of an idle publisher", AtMost(0.0)),
        to(S, "backend calls of an idle publisher", AtMost(0.0)),
        to(R, "memory of an idle publisher", AtMost(8.0)),
        to(P, "memory of an idle publisher", AtMost(8.0)),
        to(S, "memory of an idle publisher", AtMost(8.0)),
        to(R, "memory of a worker at 100", AtMost(12.0)),
        to(P, "memory of a worker at 100", AtMost(12.0)),
        to(S, "memory of a worker at 100", AtMost(12.0)),
        to(R, "promises that it broke", AtMost(0.0)),
        to(P, "promises that it broke", AtMost(0.0)),
        to(S, "promises that it broke", AtMost(0.0)),
    ]
};

const fn to(backend: Backend, figure: &'static str, goal: Goal) -> Target {
    Target {
        backend,
        figure,
        goal,
    }
}

/// The verdicts on one figure.
pub(crate) fn verdicts(samples: &Samples, backend: Backend, figure: &str) -> Vec<Verdict> {
    let of_it = TARGETS
        .iter()
        .filter(|target| target.backend == backend && target.figure == figure);
    of_it.map(|target| target.judge(samples)).collect()
}

impl Target {
    pub(crate) fn judge(&self, samples: &Samples) -> Verdict {
        let ours = samples.series(self.backend, OURS, self.figure);
        match self.goal {
            Goal::AtLeast(least) => Verdict {
                to_reach: format!("≥ {}", number(least)),
                is_reached: ours.median().map(|median| median >= least),
                measured: None,
            },
            Goal::AtMost(most) => Verdict {
                to_reach: format!("≤ {}", number(most)),
                is_reached: ours.median().map(|median| median <= most),
                measured: None,
            },
            Goal::Times(factor, peers) => {
                let best = best_peer(samples, self.backend, self.figure, peers);
                let who = match (peers, &best) {
                    ([only], _) => (*only).to_owned(),
                    (_, Some((name, _))) => format!("the best ({name})"),
                    ([], None) => "the best peer".to_owned(),
                    (several, None) => format!("the best of {}", several.join(" and ")),
                };
                let ratio = best.and_then(|(_, ratio)| ratio);
                Verdict {
                    to_reach: format!("≥ {factor} × {who}"),
                    is_reached: ratio.map(|ratio| ratio >= factor),
                    measured: ratio,
                }
            }
            Goal::OfLimit(part) => {
                let limit = samples.series(self.backend, LIMIT, self.figure);
                let ratio = ours.ratio_to(&limit);
                Verdict {
                    to_reach: format!("≥ {part} × the limit"),
                    is_reached: ratio.map(|ratio| ratio >= part),
                    measured: ratio,
                }
            }
        }
    }
}

/// The peer with the highest median in this figure, and our ratio to it.
pub(crate) fn best_peer(
    samples: &Samples,
    backend: Backend,
    figure: &str,
    among: &[&str],
) -> Option<(String, Option<f64>)> {
    let ours = samples.series(backend, OURS, figure);
    let peers = samples.peers(backend).into_iter();
    let theirs = peers
        .filter(|peer| among.is_empty() || among.contains(peer))
        .filter_map(|peer| {
            let series = samples.series(backend, peer, without_history(figure));
            Some((peer, series.median()?, series))
        });
    let is_time = figure.starts_with("pickup");
    let (name, _, series) = theirs.max_by(|(_, one, _), (_, other, _)| match is_time {
        true => other.total_cmp(one),
        false => one.total_cmp(other),
    })?;
    Some((name.to_owned(), ours.ratio_to(&series)))
}

/// As people read it: thousands apart, and no more digits than say something.
pub(crate) fn number(value: f64) -> String {
    if value.abs() < 100.0 {
        let text = format!("{value:.2}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::super::sample::Sample;
    use super::*;

    fn samples(values: &[(&str, &str, f64)]) -> Samples {
        let values = values.iter().map(|(source, figure, value)| Sample {
            backend: Backend::Postgres,
            source: (*source).into(),
            figure: (*figure).into(),
            unit: "jobs/s".into(),
            round: 1,
            value: *value,
        });
        Samples {
            values: values.collect(),
            failures: Vec::new(),
        }
    }

    fn judge(figure: &'static str, goal: Goal, values: &[(&str, &str, f64)]) -> Verdict {
        to(Backend::Postgres, figure, goal).judge(&samples(values))
    }

    #[test]
    fn a_goal_is_held_against_the_median() {
        let values = [(OURS, P50, 1.5)];
        assert_eq!(judge(P50, Goal::AtMost(1.5), &values).is_reached, Some(true));
        assert_eq!(judge(P50, Goal::AtMost(1.4), &values).is_reached, Some(false));
        assert_eq!(judge(P50, Goal::AtLeast(1.6), &values).is_reached, Some(false));
        assert_eq!(judge(P99, Goal::AtMost(1.4), &values).is_reached, None);
    }

    #[test]
    fn the_strongest_of_the_named_peers_counts() {
        let values = [
            (OURS, KEPT[0], 100.0),
            ("graphile-worker", "drain at 1", 40.0),
            ("graphile_worker (Rust)", "drain at 1", 50.0),
            ("pg-boss", "drain at 1", 90.0),
        ];
        let verdict = judge(KEPT[0], Goal::Times(2.0, GRAPHILE), &values);
        assert_eq!(verdict.to_reach, "≥ 2 × the best (graphile_worker (Rust))");
        assert_eq!((verdict.is_reached, verdict.measured), (Some(true), Some(2.0)));
        let of_all = judge(KEPT[0], Goal::Times(2.0, &[]), &values);
        assert_eq!(of_all.is_reached, Some(false));
        let without = judge(KEPT[0], Goal::Times(2.0, GRAPHILE), &values[..1]);
        assert_eq!(without.is_reached, None);
    }

    #[test]
    fn a_part_of_the_limit_needs_the_limit() {
        let values = [(OURS, KEPT[2], 70.0), (LIMIT, KEPT[2], 100.0)];
        let verdict = judge(KEPT[2], Goal::OfLimit(0.7), &values);
        assert_eq!((verdict.is_reached, verdict.measured), (Some(true), Some(0.7)));
        assert_eq!(judge(KEPT[2], Goal::OfLimit(0.7), &values[..1]).is_reached, None);
    }

    #[test]
    fn the_fastest_pickup_is_the_shortest() {
        let values = [(OURS, P50, 1.0), ("A", P50, 2.0), ("B", P50, 4.0)];
        let best = best_peer(&samples(&values), Backend::Postgres, P50, &[]);
        assert_eq!(best, Some(("A".to_owned(), Some(0.5))));
    }

    #[test]
    fn numbers_are_short_and_thousands_stand_apart() {
        let cases = [
            (0.0, "0"),
            (0.256, "0.26"),
            (12.5, "12.5"),
            (99.999, "100"),
            (380.4, "380"),
            (1_234_567.0, "1,234,567"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }
}
