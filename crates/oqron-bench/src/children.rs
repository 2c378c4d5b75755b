//! Starts the program `oqron-bench-process`, which is built apart with one backend, counts what it has done, and ends it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::error::Error;

/// Nothing that they do takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// One process. Dropped, it is killed.
pub(crate) struct Process {
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    /// Its last line of this kind.
    done: u64,
    _child: Child,
}

impl Process {
    /// Starts one and waits until it is up.
    pub(crate) async fn start(
        program: &Path,
        arguments: &[&str],
        variables: &[(&'static str, String)],
    ) -> Result<Self, Error> {
        let mut child = Command::new(program)
            .args(arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::Found("a process was started without pipes".into()));
        };
        let mut process = Self {
            input: Some(input),
            output: BufReader::new(output).lines(),
            done: 0,
            _child: child,
        };
        while process.line().await? != "up" {}
        Ok(process)
    }

    /// Waits until it has done more, and answers how much in all.
    pub(crate) async fn done_more(&mut self) -> Result<u64, Error> {
        let line = self.line().await?;
        self.done = line.parse().unwrap_or(self.done);
        Ok(self.done)
    }

    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    /// Lets it end, and answers the memory that it had just before, in MB (millions of bytes).
    pub(crate) async fn stop(&mut self) -> Result<f64, Error> {
        self.input = None;
        loop {
            let line = self.line().await?;
            if let Some(kb) = line
                .strip_prefix("stopped ")
                .and_then(|kb| kb.parse::<f64>().ok())
            {
                return Ok(kb * 1024.0 / 1e6);
            }
        }
    }

    async fn line(&mut self) -> Result<String, Error> {
        let line = timeout(PATIENCE, self.output.next_line()).await;
        line.map_err(|_| Error::Found(format!("a process said nothing for {PATIENCE:?}")))??
            .ok_or_else(|| Error::Found("a process has ended early; what it said stands above".into()))
    }
}
