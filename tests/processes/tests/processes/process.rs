//! A program under test: started, sent signals to, and killed when the test is over, however that ends.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use oqron_testing::servers::tied_to_this_thread;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::world::eventually;

pub(crate) struct Builder {
    command: Command,
    folder: PathBuf,
    label: String,
}

impl Builder {
    pub(crate) fn new(program: &str, folder: &Path, label: &str) -> Self {
        // If the test itself is killed, so is what it started.
        let mut command = tied_to_this_thread(program, "KILL");
        // No oqron.toml of the folder in which the tests run, and no variables of who runs them.
        command.current_dir(folder);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("OQRON_") {
                command.env_remove(name);
            }
        }
        command.env("PROCESSES_LABEL", label);
        Self {
            command,
            folder: folder.to_owned(),
            label: label.to_owned(),
        }
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub(crate) fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn start(mut self) -> Process {
        let (log_path, log) = new_log(&self.folder, &self.label);
        self.command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        Process {
            child: self.command.spawn().unwrap(),
            label: self.label,
            log: log_path,
        }
    }
}

/// A process that is started again writes into a file of its own.
fn new_log(folder: &Path, label: &str) -> (PathBuf, File) {
    let paths = (1..).map(|number| folder.join(format!("{label}-{number}.log")));
    let opened = paths.map(|path| File::create_new(&path).map(|file| (path, file)));
    opened.flatten().next().expect("the numbers do not end")
}

pub(crate) struct Process {
    child: Child,
    label: String,
    log: PathBuf,
}

impl Process {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// SIGKILL, and the end of it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGSTOP; returns when every thread stands.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
        let stopped = waitpid(Some(Pid::from_child(&self.child)), WaitOptions::UNTRACED);
        let (_, status) = stopped.unwrap().expect("it waits");
        assert!(status.stopped(), "{} ended: {status:?}", self.label);
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGTERM, and an end in order.
    pub(crate) async fn stop(&mut self) {
        self.terminate();
        let status = self.ended().await;
        assert!(status.success(), "{} ended with {status}", self.label);
    }

    /// Waits for the end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let what = format!("the end of {}", self.label);
        eventually(&what, async || self.end()).await
    }

    /// How it ended, if it has.
    pub(crate) fn end(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// What it wrote to its standard error.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it has written this.
    pub(crate) async fn says(&self, text: &str) {
        let what = format!("{:?} in the log of {}", text, self.label);
        eventually(&what, async || self.log().contains(text).then_some(())).await;
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

/// The number of the signal that ended a process.
pub(crate) fn killed_by(status: ExitStatus) -> Option<Signal> {
    status.signal().and_then(Signal::from_named_raw)
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended before; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
