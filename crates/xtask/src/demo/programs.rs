//! The processes of the demo: each with its log in a file, none of them outliving the demo.

use std::{
    env,
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use oqron_testing::servers::tied_to_this_thread;
use rustix::process::{Pid, Signal, kill_process};

use crate::{error::Error, interrupt::Interrupt};

const LISTENS_WITHIN: Duration = Duration::from_secs(20);
const ENDS_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOG_LINES_SHOWN: usize = 15;

/// A running program. Dropped, it is killed.
pub(super) struct Program {
    pub(super) name: String,
    child: Child,
    printed: PathBuf,
    log: PathBuf,
}

impl Program {
    /// Starts the program with its standard output in `<folder>/<name>.out` and its log in `<folder>/<name>.log`.
    pub(super) fn start(
        name: &str,
        program: &Path,
        variables: &[(&str, String)],
        folder: &Path,
    ) -> Result<Self, Error> {
        let (printed, log) = (
            folder.join(format!("{name}.out")),
            folder.join(format!("{name}.log")),
        );
        let create = |path: &Path| File::create(path).map_err(Error::io(format!("write {}", path.display())));
        let mut command: Command = tied_to_this_thread(program, "KILL");
        // An oqron.toml or a variable of the person in front of the demo is for other programs.
        command.current_dir(folder);
        for (variable, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"OQRON_"))
        {
            command.env_remove(variable);
        }
        command.envs(variables.iter().map(|(variable, value)| (variable, value)));
        command
            .stdin(Stdio::null())
            .stdout(create(&printed)?)
            .stderr(create(&log)?);
        // A Ctrl-C at the terminal is for the demo, which then ends its programs.
        let child = command
            .process_group(0)
            .spawn()
            .map_err(Error::io(format!("start {}", program.display())))?;
        Ok(Self {
            name: name.to_string(),
            child,
            printed,
            log,
        })
    }

    /// Waits for the line in which a server tells its address.
    pub(super) fn address(&mut self, interrupt: &Interrupt) -> Result<String, Error> {
        let started = Instant::now();
        loop {
            let printed = fs::read_to_string(&self.printed).unwrap_or_default();
            // Only a line with its end has been written as a whole.
            let lines = printed
                .split_inclusive('\n')
                .filter_map(|line| line.strip_suffix('\n'));
            if let Some(address) = lines.filter_map(|line| line.strip_prefix("listening on ")).next() {
                return Ok(address.to_string());
            }
            self.must_run()?;
            if started.elapsed() > LISTENS_WITHIN {
                let limit = LISTENS_WITHIN.as_secs();
                return Err(self.complaint(&format!("did not say where it listens within {limit} s")));
            }
            interrupt.pause(LOOK_EVERY)?;
        }
    }

    /// Fails with the end of its log if the program has ended by itself.
    pub(super) fn must_run(&mut self) -> Result<(), Error> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => Err(self.complaint(&format!("ended by itself ({status})"))),
        }
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<(), Error> {
        kill_process(Pid::from_child(&self.child), signal)
            .map_err(|error| Error::io(format!("send a signal to {}", self.name))(error.into()))
    }

    /// SIGKILL: no handler runs, nothing is flushed, no connection is closed in order.
    pub(super) fn kill(mut self) -> Result<(), Error> {
        let action = format!("kill {}", self.name);
        self.child
            .kill()
            .and_then(|()| self.child.wait())
            .map_err(Error::io(action))
            .map(drop)
    }

    /// SIGTERM, and the program must end in order.
    pub(super) fn stop(mut self, interrupt: &Interrupt) -> Result<(), Error> {
        self.signal(Signal::TERM)?;
        let asked = Instant::now();
        loop {
            match self.ended()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.complaint(&format!("did not end in order ({status})"))),
                None if asked.elapsed() > ENDS_WITHIN => {
                    let limit = ENDS_WITHIN.as_secs();
                    return Err(self.complaint(&format!("did not end within {limit} s after SIGTERM")));
                }
                None => interrupt.pause(LOOK_EVERY)?,
            }
        }
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.child
            .try_wait()
            .map_err(Error::io(format!("ask whether {} still runs", self.name)))
    }

    fn complaint(&self, what: &str) -> Error {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n");
        Error::found(format!(
            "{} {what}; the end of {}:\n{end}",
            self.name,
            self.log.display()
        ))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only if it has ended and was waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
