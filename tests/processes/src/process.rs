//! A program under test: started, sent signals to, and killed when the test is over, however that ends.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};

use oqron_testing::servers::tied_to_this_thread;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::world::eventually;

/// A program to be started.
pub struct Builder {
    program: Vec<OsString>,
    environment: Vec<(String, Option<OsString>)>,
    memory_kib: Option<u64>,
    folder: PathBuf,
    label: String,
}

impl Builder {
    /// A program with its first arguments. It runs in the folder, and its log stands there.
    pub fn new(program: impl IntoIterator<Item = impl Into<OsString>>, folder: &Path, label: &str) -> Self {
        Self {
            program: program.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
            memory_kib: None,
            folder: folder.to_owned(),
            label: label.to_owned(),
        }
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let value = Some(value.as_ref().to_owned());
        self.environment.push((name.to_owned(), value));
        self
    }

    /// Takes a variable away.
    pub fn without(mut self, name: &str) -> Self {
        self.environment.push((name.to_owned(), None));
        self
    }

    /// One more argument.
    pub fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.program.push(argument.as_ref().to_owned());
        self
    }

    /// The process may have no more addresses than that.
    pub fn memory_kib(mut self, limit: u64) -> Self {
        self.memory_kib = Some(limit);
        self
    }

    /// Starts it. If the test itself is killed, so is the process.
    pub fn start(self) -> Process {
        let (program, arguments) = self.program.split_first().expect("it has a program");
        let mut command = match self.memory_kib {
            None => tied_to_this_thread(program, "KILL"),
            Some(limit) => {
                let mut shell = tied_to_this_thread("sh", "KILL");
                let script = format!("ulimit -v {limit} && exec \"$0\" \"$@\"");
                shell.arg("-c").arg(script).arg(program);
                shell
            }
        };
        // No oqron.toml of the folder in which the tests run, and no variables of who runs them.
        command.args(arguments).current_dir(&self.folder);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("OQRON_") {
                command.env_remove(name);
            }
        }
        command.env("PROCESSES_LABEL", &self.label);
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let (log_path, log) = new_log(&self.folder, &self.label);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Process {
            child: command.spawn().unwrap(),
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

/// A program that runs.
pub struct Process {
    child: Child,
    label: String,
    log: PathBuf,
}

impl Process {
    /// Its number on this machine.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its name in this test.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// SIGKILL, and the end of it.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGSTOP; returns when every thread stands. Answers `false` if the process has ended instead.
    pub fn freeze(&self) -> bool {
        self.signal(Signal::STOP);
        // Its end, if it came to that, is for `end` to find.
        let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(Pid::from_child(&self.child)), options);
        status.unwrap().expect("it waits").stopped()
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGTERM, and an end in order.
    pub async fn stop(&mut self) {
        self.terminate();
        self.ended_in_order().await;
    }

    /// Waits for the end, which is one in order.
    pub async fn ended_in_order(&mut self) {
        let status = self.ended().await;
        assert!(
            status.success(),
            "{} ended with {status}\n{}",
            self.label,
            self.log()
        );
    }

    /// Waits for the end.
    pub async fn ended(&mut self) -> ExitStatus {
        let what = format!("the end of {}", self.label);
        eventually(&what, async || self.end()).await
    }

    /// How it ended, if it has.
    pub fn end(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// What it wrote to its standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it has written this.
    pub async fn says(&self, text: &str) {
        let what = format!("{:?} in the log of {}", text, self.label);
        eventually(&what, async || self.log().contains(text).then_some(())).await;
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

/// The number of the signal that ended a process.
pub fn killed_by(status: ExitStatus) -> Option<Signal> {
    status.signal().and_then(Signal::from_named_raw)
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended before; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
