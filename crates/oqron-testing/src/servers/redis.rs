use std::{
    fmt::Write as _,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::PathBuf,
    time::Duration,
};

use super::{
    ServerError,
    credentials::percent_encoded,
    folder::ServerFolder,
    port::{PORTS_TRIED, free_loopback_port},
    process::{ServerProcess, tied_to_this_thread},
    program::find_redis,
};
use rustix::process::Signal;

/// Enough for tests that flush a database of their own.
const DATABASES: u32 = 1024;
const PING_WITHIN: Duration = Duration::from_millis(500);

/// How to start a [`RedisServer`]: by default without a password and without persistence.
#[derive(Debug, Clone, Default)]
pub struct RedisOptions {
    password: Option<String>,
    settings: Vec<(String, String)>,
}

impl RedisOptions {
    /// No password, no persistence.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The password of the default user; [`RedisServer::url`] carries it.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// A line of `redis.conf`, for example `("appendonly", "yes")`. Later ones win over earlier ones and over the defaults.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }
}

/// A private `redis-server`. Dropped, it is killed and its folder removed.
#[derive(Debug)]
pub struct RedisServer {
    program: PathBuf,
    options: RedisOptions,
    port: u16,
    process: Option<ServerProcess>,
    // Last, so that the server has ended when its folder goes.
    folder: ServerFolder,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    /// The program is missing or too old, or the server did not come up; the end of its log is in the error.
    pub fn start(options: RedisOptions) -> Result<Self, ServerError> {
        let program = find_redis()?;
        let folder = ServerFolder::make()?;
        let mut server = Self {
            program,
            options,
            port: 0,
            process: None,
            folder,
        };
        for _ in 1..PORTS_TRIED {
            server.port = free_loopback_port()?;
            match server.run() {
                Err(ServerError::Ended { log, .. }) if log.contains("Address already in use") => {}
                result => return result.map(|()| server),
            }
        }
        server.port = free_loopback_port()?;
        server.run().map(|()| server)
    }

    /// `redis://127.0.0.1:PORT`, with the password if there is one.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.options.password {
            Some(password) => format!("redis://:{}@127.0.0.1:{}", percent_encoded(password), self.port),
            None => format!("redis://127.0.0.1:{}", self.port),
        }
    }

    /// The port; it stays the same over a restart.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process, if the server runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(ServerProcess::pid)
    }

    /// Stops the server in order. It can be started again with [`restart`](Self::restart).
    ///
    /// # Errors
    /// The operating system refused to tell how the process ended.
    pub fn stop(&mut self) -> Result<(), ServerError> {
        self.end(Signal::TERM)
    }

    /// Kills the server, as a failing machine would.
    ///
    /// # Errors
    /// The operating system refused to tell how the process ended.
    pub fn crash(&mut self) -> Result<(), ServerError> {
        self.end(Signal::KILL)
    }

    /// Stops the server if it runs, and starts it on the same port and folder. Without persistence all data is gone.
    ///
    /// # Errors
    /// The server did not come up; the end of its log is in the error.
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.stop()?;
        self.run()
    }

    fn run(&mut self) -> Result<(), ServerError> {
        let config = self.folder.path().join("redis.conf");
        std::fs::write(&config, self.config())
            .map_err(ServerError::io(format!("write {}", config.display())))?;
        let mut command = tied_to_this_thread(&self.program, "KILL");
        command.arg(&config).current_dir(self.folder.path());
        let mut process = ServerProcess::start("Redis", command, &self.folder.path().join("redis.log"))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        process.wait_until(|| answers(address))?;
        self.process = Some(process);
        Ok(())
    }

    fn end(&mut self, signal: Signal) -> Result<(), ServerError> {
        self.process.take().map_or(Ok(()), |process| process.end(signal))
    }

    /// In a file and not in the arguments, which everybody on the machine can read.
    fn config(&self) -> String {
        let mut config = format!(
            "bind 127.0.0.1\nport {}\ndir \"{}\"\ndatabases {DATABASES}\nsave \"\"\nappendonly no\n",
            self.port,
            self.folder.path().display(),
        );
        if let Some(password) = &self.options.password {
            let quoted = password.replace('\\', "\\\\").replace('"', "\\\"");
            let _ = writeln!(config, "requirepass \"{quoted}\"");
        }
        for (name, value) in &self.options.settings {
            let _ = writeln!(config, "{name} {value}");
        }
        config
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Its data is removed next, so there is nothing to save; and a drop has nobody to tell of an error.
        let _ = self.end(Signal::KILL);
    }
}

/// Whether a server is up behind `address`. One that asks for a password is; one that still loads its data is not.
fn answers(address: SocketAddr) -> bool {
    let ping = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, PING_WITHIN)?;
        stream.set_read_timeout(Some(PING_WITHIN))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(matches!(&answer, b"+PONG" | b"-NOAU"))
    };
    ping().unwrap_or(false)
}
