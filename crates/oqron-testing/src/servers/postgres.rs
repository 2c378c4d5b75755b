use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    ServerError,
    account::Account,
    credentials::percent_encoded,
    folder::ServerFolder,
    port::{PORTS_TRIED, free_loopback_port},
    process::{ServerProcess, tied_to_this_thread},
    program::find_postgres,
};
use rustix::process::Signal;

const USER: &str = "oqron";
/// Many tests, each with a pool of its own, run on one server.
const MAX_CONNECTIONS: u32 = 300;

/// How to start a [`PostgresServer`]: by default everybody on this machine may connect, and every commit is durable.
#[derive(Debug, Clone, Default)]
pub struct PostgresOptions {
    password: Option<String>,
    settings: Vec<(String, String)>,
    /// Certificate and key, in PEM.
    tls: Option<(String, String)>,
}

impl PostgresOptions {
    /// No password, and PostgreSQL's own defaults for durability.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Does not wait for the disk: for tests, which lose nothing when the machine fails. Never for measuring.
    #[must_use]
    pub fn without_durability(self) -> Self {
        self.setting("fsync", "off")
            .setting("full_page_writes", "off")
            .setting("synchronous_commit", "off")
    }

    /// The password of the superuser, asked for by SCRAM; [`PostgresServer::url`] carries it.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Offers TLS with this certificate and its key, both in PEM. Who does not ask for TLS still gets in.
    #[must_use]
    pub fn tls(mut self, certificate: impl Into<String>, key: impl Into<String>) -> Self {
        self.tls = Some((certificate.into(), key.into()));
        self.setting("ssl", "on")
    }

    /// A line of `postgresql.conf`, for example `("work_mem", "64MB")`. Later ones win over earlier ones and over the
    /// defaults.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }
}

/// A private PostgreSQL server with a cluster of its own. Dropped, it is ended and its folder removed.
#[derive(Debug)]
pub struct PostgresServer {
    programs: PathBuf,
    options: PostgresOptions,
    account: Account,
    port: u16,
    process: Option<ServerProcess>,
    // Last, so that the server has ended when its folder goes.
    folder: ServerFolder,
}

impl PostgresServer {
    /// Makes a cluster, starts a server on it and waits until it takes connections. As root, it runs as the user
    /// `postgres` or `nobody`.
    ///
    /// # Errors
    /// The programs are missing or too old, or the server did not come up; the end of its log is in the error.
    pub fn start(options: PostgresOptions) -> Result<Self, ServerError> {
        let programs = find_postgres()?;
        let account = Account::for_postgres()?;
        let folder = ServerFolder::make()?;
        account.take_over(folder.path())?;
        let mut server = Self {
            programs,
            options,
            account,
            port: 0,
            process: None,
            folder,
        };
        server.make_cluster()?;
        server.run_on_a_free_port()?;
        Ok(server)
    }

    /// Copies this server, which must be running, and starts the copy as a standby that follows it. Asked by
    /// `pg_promote()`, it becomes a primary of its own.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_standby(&self) -> Result<Self, ServerError> {
        let folder = ServerFolder::make()?;
        self.account.take_over(folder.path())?;
        let mut standby = Self {
            programs: self.programs.clone(),
            options: self.options.clone(),
            account: self.account,
            port: 0,
            process: None,
            folder,
        };
        let mut copy = Command::new(self.programs.join("pg_basebackup"));
        copy.arg("--pgdata").arg(standby.data());
        copy.args(["--write-recovery-conf", "--no-sync", "--checkpoint=fast"]);
        copy.args(["--host=127.0.0.1", "--username", USER, "--port"])
            .arg(self.port.to_string());
        if let Some(password) = &self.options.password {
            copy.env("PGPASSWORD", password);
        }
        standby.succeed(copy)?;
        standby.run_on_a_free_port()?;
        Ok(standby)
    }

    /// `postgres://oqron@127.0.0.1:PORT/postgres`, with the password if there is one. The user may do everything.
    #[must_use]
    pub fn url(&self) -> String {
        let password = self
            .options
            .password
            .as_deref()
            .map(|password| format!(":{}", percent_encoded(password)));
        format!(
            "postgres://{USER}{}@127.0.0.1:{}/postgres",
            password.unwrap_or_default(),
            self.port
        )
    }

    /// The port; it stays the same over a restart.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The postmaster's process, if the server runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(ServerProcess::pid)
    }

    /// Ends all sessions and stops the server in order. It can be started again with [`restart`](Self::restart).
    ///
    /// # Errors
    /// The operating system refused to tell how the process ended.
    pub fn stop(&mut self) -> Result<(), ServerError> {
        self.end(Signal::INT)
    }

    /// Ends the server at once, with everything left to recovery.
    ///
    /// # Errors
    /// The operating system refused to tell how the process ended.
    pub fn crash(&mut self) -> Result<(), ServerError> {
        // PostgreSQL's own "immediate shutdown": for the data it is a crash. A SIGKILL would leave its shared memory and
        // its children behind.
        self.end(Signal::QUIT)
    }

    /// SIGSTOP to every process of the server: it takes connections, and answers nothing until it is thawed.
    ///
    /// # Errors
    /// The operating system does not tell which processes there are.
    pub fn freeze(&self) -> Result<(), ServerError> {
        self.signal_all(Signal::STOP)
    }

    /// SIGCONT to every process of the server.
    ///
    /// # Errors
    /// The operating system does not tell which processes there are.
    pub fn thaw(&self) -> Result<(), ServerError> {
        self.signal_all(Signal::CONT)
    }

    fn signal_all(&self, signal: Signal) -> Result<(), ServerError> {
        self.process
            .as_ref()
            .map_or(Ok(()), |process| process.signal_all(signal))
    }

    /// Stops the server if it runs, and starts it on the same port and data.
    ///
    /// # Errors
    /// The server did not come up; the end of its log is in the error.
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.stop()?;
        self.run()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn make_cluster(&self) -> Result<(), ServerError> {
        let mut initdb = Command::new(self.programs.join("initdb"));
        initdb.arg("--pgdata").arg(self.data()).args(["--username", USER]);
        // Nothing in it has to survive the machine, and Oqron's tables must not depend on a locale.
        initdb.args(["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C"]);
        match &self.options.password {
            Some(password) => {
                let file = self.folder.path().join("password");
                write_private(&file, password)?;
                self.account.take_over(&file)?;
                initdb.arg("--pwfile").arg(&file).arg("--auth=scram-sha-256");
            }
            None => {
                initdb.arg("--auth=trust");
            }
        }
        self.succeed(initdb)?;
        if let Some((certificate, key)) = &self.options.tls {
            for (name, content) in [("server.crt", certificate), ("server.key", key)] {
                let file = self.data().join(name);
                write_private(&file, content)?;
                self.account.take_over(&file)?;
            }
        }
        let config = self.data().join("postgresql.conf");
        OpenOptions::new()
            .append(true)
            .open(&config)
            .and_then(|mut file| file.write_all(self.config().as_bytes()))
            .map_err(ServerError::io(format!("write {}", config.display())))
    }

    /// Runs a program of PostgreSQL's to its end.
    fn succeed(&self, mut command: Command) -> Result<(), ServerError> {
        command.stdin(Stdio::null()).current_dir(self.folder.path());
        self.account.apply_to(&mut command);
        let shown = format!(
            "{} --pgdata {}",
            command.get_program().display(),
            self.data().display()
        );
        let output = command
            .output()
            .map_err(ServerError::io(format!("run {shown}")))?;
        if output.status.success() {
            return Ok(());
        }
        Err(ServerError::Failed {
            command: shown,
            status: output.status,
            output: format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ),
        })
    }

    fn config(&self) -> String {
        // No socket in the file system: its path would be too long under some temporary folders.
        let mut config = format!(
            "\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = {MAX_CONNECTIONS}\n"
        );
        for (name, value) in &self.options.settings {
            let _ = writeln!(config, "{name} = '{}'", value.replace('\'', "''"));
        }
        config
    }

    fn run_on_a_free_port(&mut self) -> Result<(), ServerError> {
        for _ in 1..PORTS_TRIED {
            self.port = free_loopback_port()?;
            match self.run() {
                Err(ServerError::Ended { log, .. }) if log.contains("Address already in use") => {}
                result => return result,
            }
        }
        self.port = free_loopback_port()?;
        self.run()
    }

    fn run(&mut self) -> Result<(), ServerError> {
        // SIGQUIT, because a killed postmaster would leave its shared memory behind.
        let mut command = tied_to_this_thread(self.programs.join("postgres"), "QUIT");
        command
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string()])
            .current_dir(self.folder.path());
        self.account.apply_to(&mut command);
        let mut process =
            ServerProcess::start("PostgreSQL", command, &self.folder.path().join("postgres.log"))?;
        let status = self.data().join("postmaster.pid");
        let pid = process.pid();
        process.wait_until(|| takes_connections(&status, pid))?;
        self.process = Some(process);
        Ok(())
    }

    fn end(&mut self, signal: Signal) -> Result<(), ServerError> {
        self.process.take().map_or(Ok(()), |process| process.end(signal))
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // Its data is removed next, so there is nothing to save; and a drop has nobody to tell of an error.
        let _ = self.end(Signal::QUIT);
    }
}

/// The postmaster writes its state into the eighth line of its lock file; `pg_ctl --wait` reads it there too. The first
/// line tells this run of the server from one that crashed before.
fn takes_connections(status: &Path, pid: u32) -> bool {
    let content = fs::read_to_string(status).unwrap_or_default();
    let mut lines = content.lines();
    let is_of_this_run = lines.next().is_some_and(|line| line.trim() == pid.to_string());
    is_of_this_run && lines.nth(6).is_some_and(|line| line.trim() == "ready")
}

fn write_private(path: &Path, content: &str) -> Result<(), ServerError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| writeln!(file, "{content}"))
        .map_err(ServerError::io(format!("write {}", path.display())))
}
