//! What the build tool reads: one JSON object a line, with the figures under their names.

#![allow(clippy::unwrap_used, reason = "a test fails like this")]

use std::process::Command;

use serde_json::Value;

#[test]
fn a_section_prints_its_figures_as_json_lines() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("jobs.db").display());
    let output = Command::new(env!("CARGO_BIN_EXE_oqron-bench"))
        .args([
            "measure",
            "--lines",
            "--url",
            &url,
            "--jobs",
            "200",
            "--samples",
            "2",
        ])
        .args([
            "--only", "adds", "--only", "drains", "--only", "pickup", "--only", "proof",
        ])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let value = |figure: &str| {
        let line = lines.iter().find(|line| line["figure"] == figure);
        line.unwrap_or_else(|| panic!("no {figure:?} in {lines:?}"))["value"]
            .as_f64()
            .unwrap()
    };
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
