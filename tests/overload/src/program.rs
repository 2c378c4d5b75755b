//! A process under test: started, asked to end, and killed when the test is over, however that ends.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use oqron_testing::servers::tied_to_this_thread;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::memory;
use crate::place::eventually;

/// Where a process puts its [`Report`].
pub const REPORT_VARIABLE: &str = "OVERLOAD_REPORT";

/// What a process says of itself when it ends.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Jobs that it added or ran, or workers that it was.
    pub count: u64,
    /// Memory at its peak.
    pub peak_mib: f64,
}

impl Report {
    /// Of this process, now, into the file that it was told.
    ///
    /// # Panics
    /// When the file cannot be written: whoever started this waits for it.
    pub fn write(count: u64) {
        let report = Self {
            count,
            peak_mib: memory::own_peak_mib(),
        };
        let path = std::env::var(REPORT_VARIABLE).expect("whoever starts a role names its report");
        std::fs::write(path, serde_json::to_vec(&report).unwrap()).unwrap();
    }
}

/// A process that is about to be started.
pub struct Builder {
    command: Command,
    base: PathBuf,
}

impl Builder {
    /// The program in a role, with its files in this folder.
    pub fn new(program: &Path, folder: &Path, role: &str) -> Self {
        let bases = (1..).map(|number| folder.join(format!("{role}-{number}")));
        let base = bases
            .into_iter()
            .find(|base| File::create_new(base.with_extension("log")).is_ok())
            .expect("the numbers do not end");
        // If the test itself is killed, so is what it started.
        let mut command = tied_to_this_thread(program, "KILL");
        command.current_dir(folder).arg(role);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("OQRON_") {
                command.env_remove(name);
            }
        }
        command.env(REPORT_VARIABLE, base.with_extension("report"));
        Self { command, base }
    }

    /// One more variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// `--name value`.
    #[must_use]
    pub fn option(mut self, name: &str, value: impl ToString) -> Self {
        self.command.arg(format!("--{name}={}", value.to_string()));
        self
    }

    /// `--name`.
    #[must_use]
    pub fn option_alone(mut self, name: &str) -> Self {
        self.command.arg(format!("--{name}"));
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When that fails.
    pub fn start(mut self) -> Process {
        let log = File::create(self.base.with_extension("log")).unwrap();
        self.command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        Process {
            child: self.command.spawn().unwrap(),
            base: self.base,
        }
    }
}

/// A process that was started.
pub struct Process {
    child: Child,
    base: PathBuf,
}

impl Process {
    /// Waits for an end in order, and for what it has to say.
    ///
    /// # Panics
    /// When it ends with an error.
    pub async fn ended(&mut self) -> Report {
        let what = format!("the end of {}", self.base.display());
        let status = eventually(&what, async || self.child.try_wait().unwrap()).await;
        assert!(status.success(), "{status}\n{}", self.log());
        let report = std::fs::read(self.base.with_extension("report")).unwrap();
        serde_json::from_slice(&report).unwrap()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// SIGTERM, and an end in order.
    pub async fn stop(&mut self) -> Report {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.ended().await
    }

    /// SIGKILL.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has written this.
    pub async fn says(&mut self, text: &str) {
        let what = format!("{text:?} in the log of {}", self.base.display());
        eventually(&what, async || {
            let log = self.log();
            assert!(!self.has_ended(), "it ended\n{log}");
            log.contains(text).then_some(())
        })
        .await;
    }

    /// What it wrote to its standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.base.with_extension("log")).unwrap_or_default()
    }

    /// Memory at its peak until now, in MiB.
    pub fn peak_mib(&self) -> f64 {
        memory::peak_of(self.child.id()).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended before; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let end = lines[lines.len().saturating_sub(40)..].join("\n");
            eprintln!("--- {}\n{end}", self.base.display());
        }
    }
}
