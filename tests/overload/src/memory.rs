//! How much memory a process took, as the kernel counts it.

use std::fs;

/// The most that this process ever had in memory, in MiB.
pub fn own_peak_mib() -> f64 {
    peak_mib("self").expect("a process can read its own status")
}

/// The same of a process that runs; `None` when it has ended.
pub fn peak_of(pid: u32) -> Option<f64> {
    peak_mib(&pid.to_string())
}

fn peak_mib(process: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    kib(&status, "VmHWM:")
}

/// What a process and its children have in memory now, pages that they share counted once, in MiB.
pub fn family_mib(parent: u32) -> f64 {
    let children = fs::read_dir("/proc").into_iter().flatten().flatten();
    let children = children
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| parent_of(*pid) == Some(parent));
    children.chain([parent]).filter_map(share_mib).sum()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program stands in brackets and may contain spaces.
    let after_name = &stat[stat.rfind(')')? + 1..];
    after_name.split_whitespace().nth(1)?.parse().ok()
}

fn share_mib(pid: u32) -> Option<f64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    kib(&rollup, "Pss:")
}

fn kib(text: &str, field: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}
