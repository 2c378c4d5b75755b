//! On what was measured: figures without it say nothing.

use std::{fs, path::Path, process::Command};

use serde::Serialize;
use serde_json::Value;

use super::{
    peers::Peers,
    stage::{Stage, beside_postgres, beside_redis},
};
use crate::{cargo::Workspace, run::output_of};

const UNKNOWN: &str = "unknown";

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) cpu: String,
    pub(crate) memory_gb: f64,
    pub(crate) kernel: String,
    pub(crate) commit: String,
    /// What runs on it, by name.
    pub(crate) versions: Vec<(String, String)>,
}

impl Machine {
    pub(crate) fn look(stage: &Stage, workspace: &Workspace, peers: Option<&Peers>) -> Self {
        let field = |path: &str, name: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':'))
                .map_or(UNKNOWN.to_owned(), |(_, value)| value.trim().to_owned())
        };
        let memory_kb = field("/proc/meminfo", "MemTotal")
            .split(' ')
            .next()
            .and_then(|kb| kb.parse::<f64>().ok())
            .unwrap_or(0.0);
        let mut git = Command::new("git");
        git.args(["rev-parse", "--short", "HEAD"])
            .current_dir(&workspace.root);
        let mut versions = vec![("rustc".into(), said(Command::new("rustc").arg("--version"), 1))];
        if let Ok(path) = beside_redis("redis-server") {
            let version = said(Command::new(path).arg("--version"), 2);
            versions.push(("Redis".into(), version.trim_start_matches("v=").into()));
        }
        if let Ok(path) = beside_postgres("postgres") {
            versions.push(("PostgreSQL".into(), said(Command::new(path).arg("--version"), 2)));
        }
        versions.push((
            "SQLite".into(),
            said(Command::new(&stage.program).arg("sqlite-version"), 0),
        ));
        if let Some(peers) = peers {
            versions.push((
                "Node.js".into(),
                said(Command::new("node").arg("--version"), 0)
                    .trim_start_matches('v')
                    .into(),
            ));
            versions.extend(peer_versions(&peers.folder));
        }
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            cpu: field("/proc/cpuinfo", "model name"),
            memory_gb: memory_kb * 1024.0 / 1e9,
            kernel: said(Command::new("uname").arg("-r"), 0),
            commit: said(&mut git, 0),
            versions,
        }
    }

    /// One line.
    pub(crate) fn shown(&self) -> String {
        format!(
            "{} cores of {}, {:.0} GB of memory, Linux {}",
            self.cores, self.cpu, self.memory_gb, self.kernel
        )
    }

    /// One line.
    pub(crate) fn versions_shown(&self) -> String {
        let versions = self
            .versions
            .iter()
            .map(|(name, version)| format!("{name} {version}"));
        versions.collect::<Vec<_>>().join(", ")
    }
}

/// One word of what a program says.
fn said(command: &mut Command, word: usize) -> String {
    let output = output_of(command).unwrap_or_default();
    let word = output.split_whitespace().nth(word);
    word.unwrap_or(UNKNOWN).to_owned()
}

/// Of what is installed, and of what is locked.
fn peer_versions(folder: &Path) -> Vec<(String, String)> {
    let mut versions = Vec::new();
    for name in ["bullmq", "graphile-worker", "pg-boss"] {
        let manifest = folder.join("node/node_modules").join(name).join("package.json");
        let manifest: Option<Value> = fs::read(manifest)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        let version = manifest.and_then(|manifest| Some(manifest.get("version")?.as_str()?.to_owned()));
        versions.extend(version.map(|version| (name.to_owned(), version)));
    }
    for (part, name) in [
        ("rust", "apalis"),
        ("rust", "apalis-redis"),
        ("rust", "apalis-postgres"),
        ("graphile-rs", "graphile_worker"),
    ] {
        let lock = fs::read_to_string(folder.join(part).join("Cargo.lock")).unwrap_or_default();
        versions.extend(locked(&lock, name).map(|version| (name.to_owned(), version)));
    }
    versions
}

fn locked(lock: &str, name: &str) -> Option<String> {
    let lock: toml::Table = lock.parse().ok()?;
    let packages = lock.get("package")?.as_array()?;
    let package = packages
        .iter()
        .find(|package| package.get("name").and_then(toml::Value::as_str) == Some(name))?;
    Some(package.get("version")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_version_is_found_by_its_whole_name() {
        let lock = "[[package]]\nname = \"apalis-core\"\nversion = \"1.0.1\"\n\n[[package]]\nname = \"apalis\"\nversion = \"1.0.0\"\n";
        assert_eq!(locked(lock, "apalis").as_deref(), Some("1.0.0"));
        assert_eq!(locked(lock, "bullmq"), None);
    }
}
