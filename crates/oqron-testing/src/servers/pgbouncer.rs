use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
};

use super::{
    PostgresServer, ServerError,
    account::Account,
    folder::ServerFolder,
    port::{PORTS_TRIED, free_loopback_port},
    process::{ServerProcess, tied_to_this_thread},
    program::find_pgbouncer,
};
use rustix::process::Signal;

/// A private PgBouncer before a [`PostgresServer`] without a password, in transaction mode: a client has a connection of
/// the server for as long as its transaction lasts. Dropped, it is ended.
#[derive(Debug)]
pub struct PgBouncer {
    port: u16,
    process: Option<ServerProcess>,
    // Last, so that the process has ended when its folder goes.
    _folder: ServerFolder,
}

impl PgBouncer {
    /// Starts it and waits until it takes connections.
    ///
    /// # Errors
    /// The program is missing, or did not come up; the end of its log is in the error.
    pub fn start(server: &PostgresServer) -> Result<Self, ServerError> {
        let program = find_pgbouncer()?;
        // It refuses to run as root, as PostgreSQL does.
        let account = Account::for_postgres()?;
        let folder = ServerFolder::make()?;
        account.take_over(folder.path())?;
        let file = folder.path().join("pgbouncer.ini");
        for attempt in 1.. {
            let port = free_loopback_port()?;
            fs::write(&file, config(server.port(), port))
                .map_err(ServerError::io(format!("write {}", file.display())))?;
            let mut command = tied_to_this_thread(&program, "KILL");
            command.arg(&file).current_dir(folder.path());
            account.apply_to(&mut command);
            let mut process =
                ServerProcess::start("PgBouncer", command, &folder.path().join("pgbouncer.log"))?;
            let is_ready = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
            match process.wait_until(is_ready) {
                Err(ServerError::Ended { log, .. }) if log.contains("in use") && attempt < PORTS_TRIED => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    return Ok(Self {
                        port,
                        process: Some(process),
                        _folder: folder,
                    });
                }
            }
        }
        unreachable!("the last attempt has returned")
    }

    /// `postgres://oqron@127.0.0.1:PORT/postgres`
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://oqron@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // A drop has nobody to tell of an error.
        if let Some(process) = self.process.take() {
            let _ = process.end(Signal::TERM);
        }
    }
}

/// Fewer connections of the server than the tests have clients, so that they change hands all the time.
fn config(server: u16, port: u16) -> String {
    format!(
        "[databases]\n* = host=127.0.0.1 port={server} user=oqron\n\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
         pool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 200\n"
    )
}
