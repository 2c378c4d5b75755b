//! A web service that only publishes carries no code that consumes. Cargo unifies features over what is built together,
//! so two things are checked with the API server of the video example: built alone, outside of this workspace, it
//! *compiles* none of it; built with everything, it *links* none of it.

use std::{fs, os::unix::fs::symlink, path::Path};

use serde::Deserialize;

use super::markers::{CONSUME, PUBLISH, must_hold, must_not_hold};
use crate::{
    cargo::{Workspace, cargo},
    error::Error,
    interrupt::Interrupt,
    run::{output_of, run, run_into},
};

const PUBLISHES: &str = "video-encode-api";
const CONSUMES: &str = "video-encode-worker";
const PUBLISHES_FOLDER: &str = "examples/video-encode/api";

pub(super) fn check(workspace: &Workspace, interrupt: &Interrupt) -> Result<(), Error> {
    let (publishes, consumes) = (workspace.built(PUBLISHES), workspace.built(CONSUMES));
    no_worker_in_its_tree(workspace)?;

    eprintln!("    {PUBLISHES}, alone");
    judge_what_was_compiled(&build_alone(workspace, interrupt)?)?;
    must_hold(&publishes, PUBLISH)?;
    must_not_hold(&publishes, CONSUME)?;

    eprintln!("    {PUBLISHES}, with the whole workspace");
    let mut everything = cargo();
    everything
        .args(["build", "--quiet", "--workspace", "--all-features"])
        .current_dir(&workspace.root);
    run(&everything, interrupt)?;
    must_hold(&publishes, PUBLISH)?;
    must_hold(&consumes, CONSUME)?;
    must_not_hold(&publishes, CONSUME)
}

/// What a person would look at first.
fn no_worker_in_its_tree(workspace: &Workspace) -> Result<(), Error> {
    let mut tree = cargo();
    tree.args([
        "tree",
        "--package",
        PUBLISHES,
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    let tree = output_of(tree.current_dir(&workspace.root))?;
    match tree.lines().find(|line| line.starts_with("oqron-worker ")) {
        None => Ok(()),
        Some(_) => Err(Error::found(format!(
            "{PUBLISHES} depends on oqron-worker; who asks for it: cargo tree -p {PUBLISHES} -i oqron-worker"
        ))),
    }
}

/// One line of `cargo build --message-format=json`.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    target: Target,
    #[serde(default)]
    features: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Target {
    name: String,
}

/// Builds the program in a workspace that has no other member, and returns cargo's own list of what it compiled. The
/// sources are linked, not copied, so that a second run compiles nothing again; the target folder is shared for what both
/// workspaces have in common.
fn build_alone(workspace: &Workspace, interrupt: &Interrupt) -> Result<Vec<Message>, Error> {
    let folder = workspace.scratch("separation");
    make_workspace_of_one(&workspace.root, &folder)?;
    let mut build = cargo();
    build.args([
        "build",
        "--quiet",
        "--package",
        PUBLISHES,
        "--message-format=json-render-diagnostics",
    ]);
    build
        .arg("--target-dir")
        .arg(workspace.target())
        .current_dir(&folder);
    let messages = folder.join("messages.json");
    run_into(&messages, &build, interrupt)?;
    let messages = read(&messages)?;
    let messages = messages.lines().map(|line| {
        serde_json::from_str(line).map_err(|error| {
            Error::found(format!(
                "cargo printed a message of an unexpected form: {error}: {line}"
            ))
        })
    });
    messages.collect()
}

fn make_workspace_of_one(root: &Path, folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::io(format!("make the folder {}", folder.display())))?;
    for part in ["crates", "examples"] {
        let link = folder.join(part);
        if fs::symlink_metadata(&link).is_ok() {
            fs::remove_file(&link).map_err(Error::io(format!("remove {}", link.display())))?;
        }
        symlink(root.join(part), &link).map_err(Error::io(format!("link {}", link.display())))?;
    }
    write(
        &folder.join("Cargo.toml"),
        &with_one_member(&read(&root.join("Cargo.toml"))?)?,
    )?;
    write(&folder.join("Cargo.lock"), &read(&root.join("Cargo.lock"))?)
}

fn with_one_member(manifest: &str) -> Result<String, Error> {
    let mut manifest: toml::Table = manifest
        .parse()
        .map_err(|error| Error::found(format!("the workspace's Cargo.toml is no TOML: {error}")))?;
    let workspace = manifest.get_mut("workspace").and_then(toml::Value::as_table_mut);
    let Some(workspace) = workspace else {
        return Err(Error::found("Cargo.toml has no [workspace]"));
    };
    workspace.insert(
        "members".into(),
        toml::Value::Array(vec![PUBLISHES_FOLDER.into()]),
    );
    Ok(manifest.to_string())
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(Error::io(format!("read {}", path.display())))
}

fn write(path: &Path, content: &str) -> Result<(), Error> {
    fs::write(path, content).map_err(Error::io(format!("write {}", path.display())))
}

fn judge_what_was_compiled(messages: &[Message]) -> Result<(), Error> {
    let compiled: Vec<&Message> = messages
        .iter()
        .filter(|message| message.reason == "compiler-artifact")
        .collect();
    if compiled
        .iter()
        .any(|message| message.target.name == "oqron_worker")
    {
        return Err(Error::found(format!(
            "{PUBLISHES}, built alone, compiles oqron-worker"
        )));
    }
    if let Some(message) = compiled
        .iter()
        .find(|message| message.features.iter().any(|name| name == "consume"))
    {
        return Err(Error::found(format!(
            "{PUBLISHES}, built alone, compiles {} with the feature `consume`",
            message.target.name
        )));
    }
    // The control: this list does show crates and features.
    let publishes = |message: &&&Message| message.features.iter().any(|name| name == "publish");
    match compiled.iter().find(publishes) {
        Some(_) => Ok(()),
        None => Err(Error::found(format!(
            "{PUBLISHES}, built alone, compiles no backend with the feature `publish`: what is looked at here?"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(target: &str, features: &[&str]) -> Message {
        Message {
            reason: "compiler-artifact".into(),
            target: Target { name: target.into() },
            features: features.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn only_a_list_with_a_publishing_backend_and_without_consuming_code_passes() {
        let good = [
            compiled("oqron_publisher", &[]),
            compiled("oqron_redis", &["publish"]),
        ];
        judge_what_was_compiled(&good).unwrap();
        for (bad, reason) in [
            (
                vec![
                    compiled("oqron_redis", &["publish"]),
                    compiled("oqron_worker", &[]),
                ],
                "compiles oqron-worker",
            ),
            (
                vec![compiled("oqron_redis", &["consume", "publish"])],
                "oqron_redis with the feature `consume`",
            ),
            (vec![compiled("axum", &["http1"])], "what is looked at here"),
        ] {
            let error = judge_what_was_compiled(&bad).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn the_workspace_of_one_keeps_everything_but_the_members() {
        let manifest = "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n[workspace.package]\nedition = \"2024\"\n";
        let one: toml::Table = with_one_member(manifest).unwrap().parse().unwrap();
        assert_eq!(one["workspace"]["members"].as_array().unwrap().len(), 1);
        assert_eq!(one["workspace"]["package"]["edition"].as_str(), Some("2024"));
    }
}
