//! What the peers' programs print, read into values under our names for the same work.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A value of a peer, which may be one of several ways to run it.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) source: String,
    pub(crate) figure: String,
    pub(crate) unit: &'static str,
    /// Or what it said instead.
    pub(crate) value: Result<f64, String>,
}

#[derive(Deserialize)]
struct Line {
    enqueue_1: f64,
    enqueue_bulk1000: f64,
    drain: Map<String, Value>,
    pickup_p50: f64,
    pickup_p99: f64,
    rss_mb: f64,
}

/// The JSON line that most of them print at their end.
pub(crate) fn json(source: &str, output: &str) -> Vec<Found> {
    let line = output
        .lines()
        .find_map(|line| serde_json::from_str::<Line>(line).ok());
    let Some(line) = line else {
        return Vec::new();
    };
    let mut found = vec![
        rate(source, "add one by one, one task", line.enqueue_1),
        rate(source, "add in bulk of 1,000", line.enqueue_bulk1000),
    ];
    for (way, value) in &line.drain {
        let (concurrency, source) = match way.split_once('+') {
            Some((concurrency, _)) => (concurrency, format!("{source}, local queue")),
            None => (way.as_str(), source.to_owned()),
        };
        let (concurrency, source) = match concurrency.strip_prefix("fetch(") {
            Some(rest) => (rest.trim_end_matches(')'), format!("{source}, fetch by hand")),
            None => (concurrency, source),
        };
        found.push(Found {
            source,
            figure: format!("drain at {concurrency}"),
            unit: "jobs/s",
            value: value.as_f64().ok_or_else(|| value.to_string()),
        });
    }
    found.push(figure(source, "pickup p50", "ms", line.pickup_p50));
    found.push(figure(source, "pickup p99", "ms", line.pickup_p99));
    found.push(figure(
        source,
        "memory of publisher and worker together",
        "MB",
        line.rss_mb,
    ));
    found
}

/// The lines of the Rust graphile_worker, which it prints as it goes.
pub(crate) fn graphile_rust(source: &str, output: &str) -> Vec<Found> {
    let mut found = Vec::new();
    for line in output.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["enqueue1", value] => found.extend(parsed(source, "add one by one, one task", value)),
            // The first of several.
            ["bulk", value] if !found.iter().any(|other: &Found| other.figure.contains("bulk")) => {
                found.extend(parsed(source, "add in bulk of 1,000", value));
            }
            ["drain", concurrency, local, batch, _, _, _, "gone", value] => {
                let concurrency = concurrency.trim_start_matches('c');
                let way = match (local, batch) {
                    ("local=true", _) => ", local queue",
                    (_, "batch=true:") => ", batched completion",
                    _ => "",
                };
                let figure = format!("drain at {concurrency}");
                found.extend(parsed(
                    &format!("{source}{way}"),
                    &figure,
                    value.trim_end_matches("/s"),
                ));
            }
            ["pickup", "p50", p50, "p99", p99, "us"] => {
                for (name, value) in [("pickup p50", p50), ("pickup p99", p99)] {
                    let ms = value.parse::<f64>().map(|us| us / 1_000.0);
                    found.extend(ms.ok().map(|ms| figure(source, name, "ms", ms)));
                }
            }
            ["rss", value, "MB"] => {
                let mb = value.parse::<f64>().ok();
                found
                    .extend(mb.map(|mb| figure(source, "memory of publisher and worker together", "MB", mb)));
            }
            _ => {}
        }
    }
    found
}

fn parsed(source: &str, name: &str, value: &str) -> Option<Found> {
    value.parse().ok().map(|value| rate(source, name, value))
}

fn rate(source: &str, name: &str, value: f64) -> Found {
    figure(source, name, "jobs/s", value)
}

fn figure(source: &str, name: &str, unit: &'static str, value: f64) -> Found {
    Found {
        source: source.into(),
        figure: name.into(),
        unit,
        value: Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(found: &[Found]) -> Vec<String> {
        let shown = |found: &Found| format!("{} | {} | {:?}", found.source, found.figure, found.value);
        found.iter().map(shown).collect()
    }

    #[test]
    fn each_way_to_run_a_peer_is_a_source_of_its_own() {
        let output = r#"a warning
{"system":"x","enqueue_1":10,"enqueue_bulk1000":20,"drain":{"1":30,"10+localQueue":40,"7":"only 3","fetch(100)":50},"pickup_p50":1.5,"pickup_p99":2,"rss_mb":60}"#;
        assert_eq!(
            shown(&json("X", output)),
            [
                "X | add one by one, one task | Ok(10.0)",
                "X | add in bulk of 1,000 | Ok(20.0)",
                "X | drain at 1 | Ok(30.0)",
                "X, local queue | drain at 10 | Ok(40.0)",
                "X | drain at 7 | Err(\"\\\"only 3\\\"\")",
                "X, fetch by hand | drain at 100 | Ok(50.0)",
                "X | pickup p50 | Ok(1.5)",
                "X | pickup p99 | Ok(2.0)",
                "X | memory of publisher and worker together | Ok(60.0)",
            ]
        );
        assert!(json("X", "no JSON").is_empty());
    }

    #[test]
    fn the_rows_of_the_rust_graphile_worker_count_when_they_are_gone() {
        let output = "enqueue1 900\nbulk 5000\ndrain c1 local=false batch=false: handlers 700/s, rows gone 600/s\n\
                      bulk 6000\ndrain c100 local=false batch=true: handlers 9/s, rows gone 8/s\n\
                      drain c500 local=true batch=true: handlers 70/s, rows gone 60/s\npickup p50 1500 p99 2500 us\nrss 21 MB\n";
        assert_eq!(
            shown(&graphile_rust("G", output)),
            [
                "G | add one by one, one task | Ok(900.0)",
                "G | add in bulk of 1,000 | Ok(5000.0)",
                "G | drain at 1 | Ok(600.0)",
                "G, batched completion | drain at 100 | Ok(8.0)",
                "G, local queue | drain at 500 | Ok(60.0)",
                "G | pickup p50 | Ok(1.5)",
                "G | pickup p99 | Ok(2.5)",
                "G | memory of publisher and worker together | Ok(21.0)",
            ]
        );
    }
}
