//! `cargo xtask servers` leaves nothing behind, however it ends.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail like the test")]

use std::{
    fs::{self, Permissions},
    io::{BufRead, BufReader},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const GONE_WITHIN: Duration = Duration::from_secs(20);

/// Starts the servers with their files below `folder`, and returns the ports that they tell.
fn start(folder: &TempDir) -> (Child, Vec<u16>) {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("servers")
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let printed = BufReader::new(xtask.stdout.take().unwrap());
    let ports = printed
        .lines()
        .take(2)
        .map(|line| port_of(&line.unwrap()))
        .collect();
    (xtask, ports)
}

/// From `export OQRON_TEST_REDIS_URL=redis://127.0.0.1:4711`, with a database perhaps.
fn port_of(line: &str) -> u16 {
    let (_, after) = line
        .rsplit_once("127.0.0.1:")
        .unwrap_or_else(|| panic!("no port in {line:?}"));
    after.split('/').next().unwrap().parse().unwrap()
}

/// A folder into which other users may look: PostgreSQL runs as one of them if we are root.
fn folder() -> TempDir {
    let open = Permissions::from_mode(0o755);
    tempfile::Builder::new().permissions(open).tempdir().unwrap()
}

fn left_in(folder: &TempDir) -> usize {
    fs::read_dir(folder.path()).unwrap().count()
}

fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn wait_until_gone(ports: &[u16]) {
    let started = Instant::now();
    while ports.iter().any(|port| answers(*port)) {
        assert!(started.elapsed() < GONE_WITHIN, "still there: {ports:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_servers_stop_in_order_on_ctrl_c() {
    let folder = folder();
    let (mut xtask, ports) = start(&folder);
    assert_eq!(ports.len(), 2);
    assert!(ports.iter().all(|port| answers(*port)));

    kill_process(Pid::from_child(&xtask), Signal::INT).unwrap();

    assert!(xtask.wait().unwrap().success());
    assert!(
        !ports.iter().any(|port| answers(*port)),
        "it ended before its servers"
    );
}

/// By `setpriv`, which only Linux has.
#[cfg(target_os = "linux")]
#[test]
fn the_servers_end_when_the_tool_is_killed() {
    let folder = folder();
    let (mut xtask, ports) = start(&folder);
    assert!(ports.iter().all(|port| answers(*port)));

    xtask.kill().unwrap();
    xtask.wait().unwrap();

    wait_until_gone(&ports);
    assert_eq!(left_in(&folder), 2);
    // Nobody was left to remove the files, so the next one does.
    let (mut next, _) = start(&folder);
    kill_process(Pid::from_child(&next), Signal::TERM).unwrap();
    next.wait().unwrap();
    assert_eq!(left_in(&folder), 0);
}
