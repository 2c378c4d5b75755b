//! A server's process: started so that it cannot outlive us, waited for, and ended.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{LazyLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::ServerError;

const READY_WITHIN: Duration = Duration::from_secs(60);
const ENDED_WITHIN: Duration = Duration::from_secs(20);
/// How often a condition is looked at. Servers are ready in tens of milliseconds; nobody waits for this in a loop.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const LOG_LINES_SHOWN: usize = 20;

#[derive(Debug)]
pub(super) struct ServerProcess {
    server: &'static str,
    child: Child,
    log: PathBuf,
}

impl ServerProcess {
    /// Starts `command`, with everything that it prints in the file `log`.
    pub(super) fn start(server: &'static str, mut command: Command, log: &Path) -> Result<Self, ServerError> {
        let file = File::create(log).map_err(ServerError::io(format!("write {}", log.display())))?;
        let both = file
            .try_clone()
            .map_err(ServerError::io("share the log between stdout and stderr"))?;
        // In a process group of its own, a Ctrl-C at the terminal reaches the owner only, who then stops it in order.
        command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(both)
            .process_group(0);
        let child = spawn_from_lasting_thread(command).map_err(ServerError::io(format!("start {server}")))?;
        Ok(Self {
            server,
            child,
            log: log.to_path_buf(),
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `is_ready` holds, and sees it when the server ends instead.
    pub(super) fn wait_until(&mut self, mut is_ready: impl FnMut() -> bool) -> Result<(), ServerError> {
        let started = Instant::now();
        loop {
            if is_ready() {
                return Ok(());
            }
            if let Some(status) = self.ended()? {
                return Err(ServerError::Ended {
                    server: self.server,
                    status,
                    log: self.end_of_log(),
                });
            }
            if started.elapsed() > READY_WITHIN {
                let log = self.end_of_log();
                return Err(ServerError::NotReady {
                    server: self.server,
                    waited: READY_WITHIN,
                    log,
                });
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Sends `signal` to the process, and then to its children: the first cannot start more of them meanwhile if it stops.
    pub(super) fn signal_all(&self, signal: Signal) -> Result<(), ServerError> {
        let send = |pid: Pid| {
            // One that has ended needs no signal.
            let _ = kill_process(pid, signal);
        };
        send(Pid::from_child(&self.child));
        let listed = Command::new("ps")
            .args(["-A", "-o", "pid=,ppid="])
            .output()
            .map_err(ServerError::io("list the processes with ps"))?;
        for line in String::from_utf8_lossy(&listed.stdout).lines() {
            let mut numbers = line.split_whitespace().map(str::parse::<i32>);
            if let (Some(Ok(child)), Some(Ok(parent))) = (numbers.next(), numbers.next())
                && u32::try_from(parent) == Ok(self.pid())
                && let Some(child) = Pid::from_raw(child)
            {
                send(child);
            }
        }
        Ok(())
    }

    /// Sends `signal` and waits for the end; kills what does not listen.
    pub(super) fn end(mut self, signal: Signal) -> Result<(), ServerError> {
        let asked = Instant::now();
        // It fails only if the process is gone already, which the loop sees.
        let _ = kill_process(Pid::from_child(&self.child), signal);
        while self.ended()?.is_none() {
            if asked.elapsed() > ENDED_WITHIN {
                let action = format!("kill {} (process {})", self.server, self.pid());
                self.child
                    .kill()
                    .and_then(|()| self.child.wait())
                    .map_err(ServerError::io(action))?;
                return Ok(());
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, ServerError> {
        self.child
            .try_wait()
            .map_err(ServerError::io(format!("ask whether {} still runs", self.server)))
    }

    fn end_of_log(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

/// A command whose process gets `signal` (a name such as `KILL`) when the thread that starts it ends, however that
/// happens. Where `setpriv` is missing (it is Linux only) the process is on its own after a hard death of its owner.
#[must_use]
pub fn tied_to_this_thread(program: impl AsRef<OsStr>, signal: &str) -> Command {
    static SETPRIV: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        let places = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&places)
            .map(|folder| folder.join("setpriv"))
            .find(|path| path.is_file())
    });
    match SETPRIV.as_deref() {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", signal, "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// The kernel sends the death signal when the *thread* that started the process ends. Every test has a thread of its
/// own, and a server may be shared by many: so one thread that never ends starts them all.
fn spawn_from_lasting_thread(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::SyncSender<io::Result<Child>>);
    static ORDERS: LazyLock<mpsc::SyncSender<Order>> = LazyLock::new(|| {
        let (orders, to_start) = mpsc::sync_channel::<Order>(1);
        thread::spawn(move || {
            for (mut command, answer) in to_start {
                // Nobody is left to tell if the asking thread has ended; the child is reaped with us.
                let _ = answer.send(command.spawn());
            }
        });
        orders
    });
    let (answer, child) = mpsc::sync_channel(1);
    let ended = || io::Error::other("the thread that starts servers has ended");
    ORDERS.send((command, answer)).map_err(|_| ended())?;
    child.recv().map_err(|_| ended())?
}
