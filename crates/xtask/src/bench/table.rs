//! The tables: every figure of ours with its verdicts, every figure of the peers with ours beside it, and what failed.

use std::fmt::Write as _;

use super::{
    Backend,
    sample::{LIMIT, OURS, Samples, Series, without_history},
    targets::{Verdict, best_peer, number, verdicts},
};

/// All that was measured on one backend; nothing if nothing was.
pub(crate) fn of_backend(samples: &Samples, backend: Backend) -> String {
    let figures = samples.figures(backend, OURS);
    let peers = samples.peers(backend);
    if figures.is_empty() && peers.is_empty() {
        return String::new();
    }
    let mut text = format!("### {}\n\n", backend.name());
    text += "| figure | Oqron | least – most | best peer | Oqron ÷ peer | limit | Oqron ÷ limit | to reach | reached |\n";
    text += "|---|---:|---:|---|---:|---:|---:|---|---|\n";
    for (figure, unit) in figures {
        let ours = samples.series(backend, OURS, figure);
        let best = best_peer(samples, backend, figure, &[]);
        let (best, by) = match best {
            Some((name, ratio)) => {
                let series = samples.series(backend, &name, without_history(figure));
                (format!("{name}: {}", median(&series)), ratio)
            }
            None => (String::new(), None),
        };
        let limit = samples.series(backend, LIMIT, figure);
        let verdicts = verdicts(samples, backend, figure);
        let _ = writeln!(
            text,
            "| {figure} | {} {unit} | {} | {best} | {} | {} | {} | {} | {} |",
            median(&ours),
            range(&ours),
            ratio(by),
            median(&limit),
            ratio(ours.ratio_to(&limit)),
            joined(&verdicts, |verdict| verdict.to_reach.clone()),
            joined(&verdicts, reached),
        );
    }
    text.push('\n');
    if !peers.is_empty() {
        text += "| peer | figure | median | least – most | Oqron ÷ peer |\n|---|---|---:|---:|---:|\n";
        for peer in peers {
            for (figure, unit) in samples.figures(backend, peer) {
                let theirs = samples.series(backend, peer, figure);
                let same_of_ours = match figure.starts_with("drain") {
                    true => format!("{figure}, history kept"),
                    false => figure.to_owned(),
                };
                let ours = samples.series(backend, OURS, &same_of_ours);
                let _ = writeln!(
                    text,
                    "| {peer} | {figure} | {} {unit} | {} | {} |",
                    median(&theirs),
                    range(&theirs),
                    ratio(ours.ratio_to(&theirs)),
                );
            }
        }
        text.push('\n');
    }
    text
}

/// A line for each thing that gave no value.
pub(crate) fn failures(samples: &Samples) -> String {
    let mut text = String::new();
    for failure in &samples.failures {
        let _ = writeln!(
            text,
            "- {} on {}, round {}: {}",
            failure.source,
            failure.backend.name(),
            failure.round,
            failure.what.replace('|', "/"),
        );
    }
    text
}

fn median(series: &Series) -> String {
    series.median().map_or(String::new(), number)
}

fn range(series: &Series) -> String {
    match (series.min(), series.max()) {
        (Some(min), Some(max)) => format!("{} – {}", number(min), number(max)),
        _ => String::new(),
    }
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or(String::new(), number)
}

fn joined(verdicts: &[Verdict], text: impl Fn(&Verdict) -> String) -> String {
    verdicts.iter().map(text).collect::<Vec<_>>().join("; ")
}

fn reached(verdict: &Verdict) -> String {
    let word = match verdict.is_reached {
        Some(true) => "yes",
        Some(false) => "**no**",
        None => return "not measured".into(),
    };
    match verdict.measured {
        Some(ratio) => format!("{word} ({})", number(ratio)),
        None => word.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::Sample;
    use super::*;

    fn sample(source: &str, figure: &str, value: f64, round: u32) -> Sample {
        Sample {
            backend: Backend::Redis,
            source: source.into(),
            figure: figure.into(),
            unit: "jobs/s".into(),
            round,
            value,
        }
    }

    #[test]
    fn a_row_has_ours_the_best_peer_the_limit_and_the_verdicts() {
        let mut samples = Samples::default();
        let bulk = "add in bulk of 1,000";
        for (round, ours) in [(1, 100_000.0), (2, 140_000.0), (3, 120_000.0)] {
            samples.values.push(sample(OURS, bulk, ours, round));
            samples.values.push(sample("BullMQ", bulk, ours / 8.0, round));
            samples.values.push(sample(LIMIT, bulk, ours / 0.5, round));
        }
        samples.fail(Backend::Redis, "apalis", 2, "deadlock");
        let table = of_backend(&samples, Backend::Redis);
        assert!(
            table.contains(
                "| add in bulk of 1,000 | 120,000 jobs/s | 100,000 – 140,000 | BullMQ: 15,000 | 8 | 240,000 | 0.5 \
                 | ≥ 7 × BullMQ; ≥ 0.8 × the limit | yes (8); **no** (0.5) |"
            ),
            "{table}"
        );
        assert!(
            table.contains("| BullMQ | add in bulk of 1,000 | 15,000 jobs/s | 12,500 – 17,500 | 8 |"),
            "{table}"
        );
        assert_eq!(failures(&samples), "- apalis on Redis, round 2: deadlock\n");
        assert_eq!(of_backend(&samples, Backend::Postgres), "");
    }
}
