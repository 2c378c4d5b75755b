//! What the build tool reads: one JSON object a line, with the figures under their names; and what is read of the processes
//! that are started.

#![allow(clippy::unwrap_used, reason = "a test fails like this")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

#[test]
fn a_section_prints_its_figures_as_json_lines() {
    let folder = tempfile::tempdir().unwrap();
    let lines = lines(&measure(
        folder.path(),
        &[
            "--jobs",
            "200",
            "--samples",
            "2",
            "--only",
            "adds",
            "--only",
            "drains",
            "--only",
            "pickup",
            "--only",
            "proof",
        ],
    ));
    let value = |figure: &str| value(&lines, figure);
    for figure in [
        "add one by one, one task",
        "add from 100 tasks",
        "add in bulk of 1,000",
        "drain at 1, history kept",
        "drain at 10, history kept",
        "drain at 100, history removed",
        "pickup p50",
        "pickup max",
    ] {
        assert!(value(figure) > 0.0, "{figure}");
    }
    assert_eq!(value("jobs whose history was checked"), 20.0);
    assert_eq!(value("promises that it broke"), 0.0);
}

#[test]
fn the_memory_of_processes_is_what_the_given_program_says() {
    let folder = tempfile::tempdir().unwrap();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/process.sh");
    let lines = lines(&measure(
        folder.path(),
        &["--jobs", "200", "--only", "memory", "--process", program],
    ));
    assert_eq!(value(&lines, "memory of an idle publisher"), 2.048);
    assert_eq!(value(&lines, "memory of a worker at 100"), 2.048);
}

#[test]
fn a_missing_program_is_told_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["--only", "adds", "--only", "processes"][..],
        &["--only", "memory", "--process", "nowhere"],
    ] {
        let output = measure(folder.path(), arguments);
        assert!(!output.status.success());
        assert!(output.stdout.is_empty(), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("--package oqron-bench-process"), "{said}");
    }
}

fn measure(folder: &Path, arguments: &[&str]) -> Output {
    let url = format!("sqlite:{}", folder.join("jobs.db").display());
    Command::new(env!("CARGO_BIN_EXE_oqron-bench"))
        .args(["measure", "--lines", "--url", &url])
        .args(arguments)
        .output()
        .unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = str::from_utf8(&output.stdout).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn value(lines: &[Value], figure: &str) -> f64 {
    let line = lines.iter().find(|line| line["figure"] == figure);
    let line = line.unwrap_or_else(|| panic!("no {figure:?} in {lines:?}"));
    line["value"].as_f64().unwrap()
}
