//! Cargo run by a program that cargo runs, and what the workspace looks like.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

use crate::{error::Error, run::output_of};

/// `cargo` as it would be from a shell. Cargo tells a program that it runs about that program's package; handed on to
/// another cargo, this makes build scripts that watch these variables run again, and their crates with them.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new("cargo");
    for (name, _) in env::vars_os() {
        let of_our_package = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_")
                || matches!(
                    name,
                    "CARGO" | "CARGO_MANIFEST_DIR" | "CARGO_MANIFEST_PATH" | "CARGO_PRIMARY_PACKAGE"
                )
        });
        if of_our_package {
            command.env_remove(name);
        }
    }
    command
}

#[derive(Deserialize)]
pub(crate) struct Workspace {
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    #[serde(rename = "target_directory")]
    target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) features: BTreeMap<String, Vec<String>>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

impl Workspace {
    pub(crate) fn read() -> Result<Self, Error> {
        let metadata = output_of(cargo().args(["metadata", "--format-version=1", "--no-deps"]))?;
        serde_json::from_str(&metadata)
            .map_err(|error| Error::found(format!("cargo metadata has an unexpected form: {error}")))
    }

    /// Where cargo puts the programs of the profile `dev`.
    pub(crate) fn built(&self, program: &str) -> PathBuf {
        self.target.join("debug").join(program)
    }

    /// Where cargo puts the programs of the profile `release`.
    pub(crate) fn built_for_release(&self, program: &str) -> PathBuf {
        self.target.join("release").join(program)
    }

    /// A folder for what a task makes; nothing in it is worth keeping.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.target.join("xtask").join(name)
    }

    /// The target folder itself, for a build of another workspace that shares what both have in common.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }
}

impl Package {
    pub(crate) fn is_library(&self) -> bool {
        self.targets
            .iter()
            .any(|target| target.kind.iter().any(|kind| kind == "lib"))
    }
}
