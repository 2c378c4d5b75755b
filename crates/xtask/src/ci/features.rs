//! Every library has to build without its features, with each of them alone, and in the sets that users choose. All of
//! them together is what the other steps build.

use super::in_root;
use crate::{
    cargo::{Package, Workspace, cargo},
    error::Error,
    interrupt::Interrupt,
};

/// The crate that users depend on: one side or both, with a backend.
const FACADE: &str = "oqron";
const SIDES: [&str; 3] = ["publisher", "worker", "operate"];
const BACKENDS: [&str; 3] = ["redis", "postgres", "sqlite"];

pub(super) fn check(workspace: &Workspace, interrupt: &Interrupt) -> Result<(), Error> {
    let mut failed = Vec::new();
    for package in workspace.packages.iter().filter(|package| package.is_library()) {
        for set in sets_of(package)? {
            let list = set.join(",");
            eprintln!("    {} with [{list}]", package.name);
            let mut command = cargo();
            command.args([
                "clippy",
                "--quiet",
                "--package",
                &package.name,
                "--lib",
                "--no-default-features",
            ]);
            if !set.is_empty() {
                command.args(["--features", &list]);
            }
            command.args(["--", "--deny=warnings"]);
            match in_root(workspace, &mut command, interrupt) {
                Ok(()) => {}
                Err(error @ Error::Failed { .. }) => failed.push(error.to_string()),
                Err(error) => return Err(error),
            }
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Error::found(failed.join("\n    "))),
    }
}

/// The sets of features to try; a package without features is covered by the step clippy.
fn sets_of(package: &Package) -> Result<Vec<Vec<&str>>, Error> {
    let features: Vec<&str> = package
        .features
        .keys()
        .map(String::as_str)
        .filter(|feature| *feature != "default")
        .collect();
    if features.is_empty() {
        return Ok(Vec::new());
    }
    let mut sets = vec![Vec::new()];
    sets.extend(features.iter().map(|feature| vec![*feature]));
    if package.name == FACADE {
        if let Some(missing) = SIDES
            .iter()
            .chain(&BACKENDS)
            .find(|feature| !features.contains(feature))
        {
            return Err(Error::found(format!(
                "the crate `{FACADE}` has no feature `{missing}` any more: fix features.rs"
            )));
        }
        for backend in BACKENDS {
            sets.extend(SIDES.map(|side| vec![side, backend]));
            sets.push(vec!["publisher", "worker", backend]);
        }
        sets.extend(SIDES.map(|side| [&[side], &BACKENDS[..]].concat()));
    } else if package.features.contains_key("consume") {
        // What a process that both publishes and works compiles, without the statements of operators.
        sets.push(vec!["publish", "consume"]);
    }
    Ok(sets)
}
