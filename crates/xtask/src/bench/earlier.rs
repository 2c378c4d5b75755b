//! Values of a run before, to stand in the same tables: what takes long can be measured by itself.

use std::{fs, path::Path};

use serde::Deserialize;

use super::sample::Samples;
use crate::error::Error;

/// What a run has written with `--json`.
#[derive(Deserialize)]
pub(crate) struct Earlier {
    machine: Machine,
    rounds: u32,
    #[serde(flatten)]
    samples: Samples,
}

#[derive(Deserialize)]
struct Machine {
    commit: String,
    versions: Vec<(String, String)>,
}

impl Earlier {
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(Error::io(format!("read {}", path.display())))?;
        serde_json::from_str(&text).map_err(|error| {
            Error::found(format!(
                "{} is not what `cargo xtask bench --json` writes: {error}",
                path.display()
            ))
        })
    }

    /// Adds its values, and the versions of what does not run this time, and says where they are from. What was measured now counts
    /// more than what was before.
    pub(crate) fn add_to(self, samples: &mut Samples, versions: &mut Vec<(String, String)>) -> String {
        for (name, version) in self.machine.versions {
            if !versions.iter().any(|(known, _)| *known == name) {
                versions.push((name, version));
            }
        }
        let measured_now: Vec<_> = samples
            .values
            .iter()
            .map(|sample| (sample.backend, sample.source.clone(), sample.figure.clone()))
            .collect();
        let is_new = |sample: &super::sample::Sample| {
            !measured_now.iter().any(|(backend, source, figure)| {
                *backend == sample.backend && *source == sample.source && *figure == sample.figure
            })
        };
        let before = samples.values.len();
        samples
            .values
            .extend(self.samples.values.into_iter().filter(is_new));
        samples.failures.extend(self.samples.failures);
        format!(
            "{} of the values are of {} rounds at commit {}.",
            samples.values.len() - before,
            self.rounds,
            self.machine.commit
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Backend;

    fn earlier(figure: &str) -> Earlier {
        let value = format!(
            r#"{{"machine": {{"commit": "abc", "versions": [["Redis", "6"], ["bullmq", "5"]]}}, "rounds": 2, "seconds": 3, "failures": [], "values":
               [{{"backend": "redis", "source": "Oqron", "figure": "{figure}", "unit": "", "round": 1, "value": 7.5}}]}}"#
        );
        serde_json::from_str(&value).unwrap()
    }

    #[test]
    fn what_was_measured_now_is_not_replaced() {
        let mut samples = Samples::default();
        let mut versions = vec![("Redis".to_owned(), "7".to_owned())];
        assert_eq!(
            earlier("old").add_to(&mut samples, &mut versions),
            "1 of the values are of 2 rounds at commit abc."
        );
        assert!(
            earlier("old")
                .add_to(&mut samples, &mut versions)
                .starts_with("0 of")
        );
        assert!(
            earlier("other")
                .add_to(&mut samples, &mut versions)
                .starts_with("1 of")
        );
        assert_eq!(samples.figures(Backend::Redis, "Oqron").len(), 2);
        let shown: Vec<String> = versions
            .iter()
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        assert_eq!(shown, ["Redis 7", "bullmq 5"]);
    }
}
