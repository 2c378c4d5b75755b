//! Worker processes that can be killed.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::error::Error;

/// Whatever is measured, it does not take longer.
const PATIENCE: Duration = Duration::from_secs(120);
const LINES_MAX: usize = 1_000;

/// Some workers of one namespace. Dropped, they are killed.
pub(crate) struct Fleet {
    variables: Vec<(&'static str, String)>,
    workers: Vec<WorkerProcess>,
    started: u64,
    said: mpsc::Receiver<Said>,
    say: mpsc::Sender<Said>,
}

struct WorkerProcess {
    number: u64,
    child: Child,
    input: ChildStdin,
}

/// A line that a worker printed.
struct Said {
    worker: u64,
    line: String,
    at: Instant,
}

/// A worker that has begun an attempt.
pub(crate) struct Started {
    pub(crate) worker: u64,
    pub(crate) at: Instant,
}

impl Fleet {
    pub(crate) fn new(variables: Vec<(&'static str, String)>) -> Self {
        let (say, said) = mpsc::channel(LINES_MAX);
        Self {
            variables,
            workers: Vec::new(),
            started: 0,
            said,
            say,
        }
    }

    /// Starts one more worker, and waits until it is connected.
    pub(crate) async fn start_worker(&mut self) -> Result<(), Error> {
        self.started += 1;
        let number = self.started;
        let mut child = Command::new(std::env::current_exe()?)
            .arg("worker")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env("OQRON_WORKER_NAME", format!("worker-{number}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::Found("a worker was started without pipes".into()));
        };
        let say = self.say.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let at = Instant::now();
                let said = Said {
                    worker: number,
                    line,
                    at,
                };
                if say.send(said).await.is_err() {
                    return;
                }
            }
        });
        self.workers.push(WorkerProcess { number, child, input });
        self.wait_for("up").await.map(drop)
    }

    /// Waits until a worker has begun an attempt of the job.
    pub(crate) async fn started(&mut self, job: u64) -> Result<Started, Error> {
        let said = self.wait_for(&format!("started {job}")).await?;
        Ok(Started {
            worker: said.worker,
            at: said.at,
        })
    }

    async fn wait_for(&mut self, line: &str) -> Result<Said, Error> {
        let wait = async {
            loop {
                match self.said.recv().await {
                    Some(said) if said.line == line => return Some(said),
                    Some(_) => {}
                    None => return None,
                }
            }
        };
        let said = timeout(PATIENCE, wait).await.ok().flatten();
        said.ok_or_else(|| Error::Found(format!("no worker said {line:?} within {PATIENCE:?}")))
    }

    /// SIGKILL. Answers the time just before it.
    pub(crate) async fn kill(&mut self, worker: u64) -> Result<Instant, Error> {
        let place = self.workers.iter().position(|process| process.number == worker);
        let Some(place) = place else {
            return Err(Error::Found(format!("worker {worker} is not running")));
        };
        let mut process = self.workers.swap_remove(place);
        let at = Instant::now();
        process.child.start_kill()?;
        process.child.wait().await?;
        Ok(at)
    }

    /// Lets the jobs of all workers end.
    pub(crate) async fn end_jobs(&mut self) -> Result<(), Error> {
        for process in &mut self.workers {
            process.input.write_all(b"end\n").await?;
        }
        Ok(())
    }
}
