//! The private servers: installed where that is allowed, started, kept.

use std::{env, process::Command, time::Duration};

use oqron_testing::servers::{
    POSTGRES_URL_VARIABLE, PostgresOptions, PostgresServer, REDIS_URL_VARIABLE, RedisOptions, RedisServer,
    ServerError, find_faketime, find_openssl, find_pgbouncer, find_postgres, find_redis,
};

use crate::{
    error::Error,
    interrupt::Interrupt,
    run::{run, succeeds},
};

/// One server of each kind, as the tests want them. Dropped, they stop.
pub(crate) struct Servers {
    pub(crate) redis: RedisServer,
    pub(crate) postgres: PostgresServer,
}

impl Servers {
    pub(crate) fn start(interrupt: &Interrupt) -> Result<Self, Error> {
        install_missing(&Server::ALL, interrupt)?;
        let redis = RedisServer::start(RedisOptions::new())?;
        let postgres = PostgresServer::start(PostgresOptions::new().without_durability())?;
        Ok(Self { redis, postgres })
    }

    /// The variables in which tests look for the servers.
    pub(crate) fn variables(&self) -> [(&'static str, String); 2] {
        [
            (REDIS_URL_VARIABLE, self.redis.url()),
            (POSTGRES_URL_VARIABLE, self.postgres.url()),
        ]
    }
}

/// `cargo xtask servers`: for who runs a test again and again, or wants to look inside.
pub(crate) fn keep(interrupt: &Interrupt) -> Result<(), Error> {
    let servers = Servers::start(interrupt)?;
    for (variable, url) in servers.variables() {
        println!("export {variable}={url}");
    }
    eprintln!("Set these in the shell in which you run cargo test; Ctrl-C here stops the servers.");
    loop {
        match interrupt.pause(Duration::from_secs(3600)) {
            Ok(()) => {}
            Err(_) => return Ok(()),
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Server {
    Redis,
    Postgres,
    PgBouncer,
    /// No servers, but programs that tests need.
    Faketime,
    OpenSsl,
}

impl Server {
    const ALL: [Self; 5] = [
        Self::Redis,
        Self::Postgres,
        Self::PgBouncer,
        Self::Faketime,
        Self::OpenSsl,
    ];

    fn find(self) -> Result<(), ServerError> {
        match self {
            Self::Redis => find_redis().map(drop),
            Self::Postgres => find_postgres().map(drop),
            Self::PgBouncer => find_pgbouncer().map(drop),
            Self::Faketime => find_faketime().map(drop),
            Self::OpenSsl => find_openssl().map(drop),
        }
    }
}

/// Installs what is missing with apt where that needs no question: as root, or on a CI machine with free sudo. Elsewhere
/// the error says what to install.
pub(crate) fn install_missing(wanted: &[Server], interrupt: &Interrupt) -> Result<(), Error> {
    let mut packages = Vec::new();
    for server in wanted {
        match server.find() {
            Ok(()) => {}
            Err(error) => match error.missing_package() {
                Some(package) if may_install() => packages.push(package),
                _ => return Err(error.into()),
            },
        }
    }
    if packages.is_empty() {
        return Ok(());
    }
    eprintln!("Installing {} with apt-get", packages.join(" and "));
    run(apt_get().arg("update"), interrupt)?;
    run(
        apt_get()
            .args(["install", "--yes", "--no-install-recommends"])
            .args(packages),
        interrupt,
    )?;
    for server in wanted {
        server.find()?;
    }
    Ok(())
}

fn may_install() -> bool {
    succeeds(Command::new("apt-get").arg("--version")) && (is_root() || has_free_sudo())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn has_free_sudo() -> bool {
    env::var_os("CI").is_some() && succeeds(Command::new("sudo").args(["--non-interactive", "true"]))
}

fn apt_get() -> Command {
    // RUNLEVEL keeps Debian's packages from starting servers of their own, which nobody here would use or stop.
    let variables = ["DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"];
    let mut command = match is_root() {
        true => Command::new("env"),
        false => {
            let mut sudo = Command::new("sudo");
            sudo.args(["--non-interactive", "env"]);
            sudo
        }
    };
    command.args(variables).args(["apt-get", "--quiet"]);
    command
}
