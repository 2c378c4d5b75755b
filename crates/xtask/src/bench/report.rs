//! What comes out of a benchmark: the tables, all values as JSON, a plot.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use serde::Serialize;

use super::{Backend, machine::Machine, plot, sample::Samples, table};
use crate::error::Error;

const BEGIN: &str = "<!-- written by `cargo xtask bench --write`: begin -->";
const END: &str = "<!-- end -->";

pub(crate) struct Report<'a> {
    pub(crate) samples: &'a Samples,
    pub(crate) machine: &'a Machine,
    pub(crate) rounds: u32,
    pub(crate) took: Duration,
    /// Where values are from that were not measured now.
    pub(crate) earlier: Vec<String>,
}

#[derive(Serialize)]
struct Json<'a> {
    machine: &'a Machine,
    rounds: u32,
    seconds: u64,
    #[serde(flatten)]
    samples: &'a Samples,
}

impl Report<'_> {
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "{} rounds in {} minutes at commit {}: medians, the least and the most. {}. {}.\n\n",
            self.rounds,
            self.took.as_secs().div_ceil(60),
            self.machine.commit,
            self.machine.shown(),
            self.machine.versions_shown(),
        );
        if !self.earlier.is_empty() {
            text += &(self.earlier.join(" ") + "\n\n");
        }
        for backend in Backend::ALL {
            text += &table::of_backend(self.samples, backend);
        }
        let failures = table::failures(self.samples);
        if !failures.is_empty() {
            let _ = write!(text, "What gave no value:\n\n{failures}\n");
        }
        text
    }

    pub(crate) fn save(&self, json: Option<&Path>, svg: Option<&Path>) -> Result<(), Error> {
        if let Some(path) = json {
            let json = Json {
                machine: self.machine,
                rounds: self.rounds,
                seconds: self.took.as_secs(),
                samples: self.samples,
            };
            let text = serde_json::to_string_pretty(&json)
                .map_err(|error| Error::found(format!("the values cannot be written as JSON: {error}")))?;
            write(path, &(text + "\n"))?;
        }
        match svg {
            Some(path) => write(path, &plot::draw(self.samples, self.machine)?),
            None => Ok(()),
        }
    }

    /// Into `benchmarks.md` and `benchmarks/`.
    pub(crate) fn write_into(&self, docs: &Path) -> Result<(), Error> {
        let folder = docs.join("benchmarks");
        fs::create_dir_all(&folder).map_err(Error::io(format!("make the folder {}", folder.display())))?;
        self.save(Some(&folder.join("speed.json")), Some(&folder.join("speed.svg")))?;
        let page = docs.join("benchmarks.md");
        let text = fs::read_to_string(&page).map_err(Error::io(format!("read {}", page.display())))?;
        write(&page, &between_markers(&text, &self.markdown())?)
    }
}

fn between_markers(page: &str, tables: &str) -> Result<String, Error> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let (before, after) =
        parts.ok_or_else(|| Error::found(format!("the page has no place between `{BEGIN}` and `{END}`")))?;
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", tables.trim()))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::io(format!("write {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_is_written_anew() {
        let page = format!("# Title\n{BEGIN}\nold\n{END}\nthe rest\n");
        let written = between_markers(&page, "new\n").unwrap();
        assert_eq!(written, format!("# Title\n{BEGIN}\n\nnew\n\n{END}\nthe rest\n"));
        assert_eq!(between_markers(&written, "new\n").unwrap(), written);
        assert!(between_markers("# Title\n", "new").is_err());
    }
}
