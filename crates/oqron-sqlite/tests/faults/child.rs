//! A process of its own: this test program again, in one of the [`roles`](super::roles). It tells what it does line by line.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child as Process, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rustix::process::{Pid, Signal, kill_process};

use super::world::DEADLINE;

/// Tells its lines from those of the test harness, which may stand before them.
pub(crate) const MARK: &str = "@@ ";
pub(crate) const ROLE: &str = "OQRON_TEST_ROLE";
pub(crate) const DATABASE: &str = "OQRON_TEST_DATABASE";

pub(crate) struct Child {
    process: Process,
    lines: Receiver<String>,
}

impl Child {
    pub(crate) fn start(role: &str, database: &Path) -> Self {
        Self::start_as(own_program(), role, database)
    }

    /// `program` runs this program in the end, see [`own_arguments`].
    pub(crate) fn start_as(mut program: Command, role: &str, database: &Path) -> Self {
        program
            .env(ROLE, role)
            .env(DATABASE, database)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = program.spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // A process that was killed may have written half a line; each ends with a mark of its own.
                if let Some((_, told)) = line.split_once(MARK)
                    && let Some(told) = told.strip_suffix('.')
                    && sender.send(told.to_owned()).is_err()
                {
                    return;
                }
            }
        });
        Self { process, lines }
    }

    /// What it tells next; `None` when it has ended.
    pub(crate) fn told(&self) -> Option<String> {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) => Some(line),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                panic!("the other process has told nothing for {DEADLINE:?}")
            }
        }
    }

    pub(crate) fn rest(&self) -> Vec<String> {
        std::iter::from_fn(|| self.told()).collect()
    }

    /// SIGKILL, and waits for its end.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, signal).unwrap();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn own_program() -> Command {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(own_arguments());
    program
}

pub(crate) fn own_arguments() -> [&'static str; 5] {
    [
        "--ignored",
        "--exact",
        "roles::a_process_that_other_tests_start",
        "--nocapture",
        "--test-threads=1",
    ]
}

/// This program in a mount namespace of its own, where `mount` is a shell command that prepares it. Nothing of it is left
/// when it ends.
///
/// # Panics
/// If this user may not mount anything: a test that needs it must fail, never be skipped in silence.
pub(crate) fn with_mounts(mount: &str) -> Command {
    const WAYS: [&[&str]; 3] = [
        &["unshare", "--mount"],
        &["unshare", "--user", "--map-root-user", "--mount"],
        &[
            "sudo",
            "--non-interactive",
            "--preserve-env",
            "unshare",
            "--mount",
        ],
    ];
    let works = |way: &&&[&str]| {
        let mut tried = Command::new(way[0]);
        tried.args(&way[1..]).args(["mount", "--bind", "/tmp", "/tmp"]);
        tried.output().is_ok_and(|output| output.status.success())
    };
    let way = WAYS.iter().find(works).unwrap_or_else(|| {
        panic!(
            "this test mounts a file system for itself. That takes root, or user namespaces that everybody may make, or sudo \
             without a password"
        )
    });
    let mut program = Command::new(way[0]);
    program
        .args(&way[1..])
        .args(["sh", "-c", &format!("{mount} && exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args(own_arguments());
    program
}
