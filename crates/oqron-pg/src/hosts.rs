//! Several hosts in one URL: each is tried for its share of the time, so that one that takes a connection and says nothing (a
//! frozen machine, a pair of servers in the middle of a failover) leaves time for the next. The driver alone would wait for it.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use deadpool_postgres::Connect;
use futures::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, LoadBalanceHosts};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Error, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

type TlsStream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// Opens connections for the pool.
pub(crate) struct EachHost {
    pub(crate) tls: MakeRustlsConnect,
    pub(crate) call_timeout: Duration,
}

impl Connect for EachHost {
    fn connect(&self, config: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        let config = config.clone();
        Box::pin(async move {
            let (client, connection) = connect(&config, &self.tls, self.call_timeout).await?;
            let task = tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection has ended");
                }
            });
            Ok((client, task))
        })
    }
}

/// Connects to the first host that answers as the URL wants it.
///
/// # Errors
/// Those of the last host that was tried.
pub(crate) async fn connect(
    config: &Config,
    tls: &MakeRustlsConnect,
    call_timeout: Duration,
) -> Result<(Client, Connection<Socket, TlsStream>), Error> {
    let mut hosts = each_alone(config);
    if config.get_load_balance_hosts() == LoadBalanceHosts::Random {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let first = now.subsec_nanos() as usize % hosts.len().max(1);
        hosts.rotate_left(first);
    }
    let Some(last) = hosts.pop() else {
        return config.connect(tls.clone()).await;
    };
    let share = call_timeout / (hosts.len() as u32 + 2);
    for host in hosts {
        match tokio::time::timeout(share, host.connect(tls.clone())).await {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(error)) => tracing::debug!(%error, "a host of the URL does not do"),
            Err(_) => tracing::debug!(?share, "a host of the URL does not answer"),
        }
    }
    last.connect(tls.clone()).await
}

/// The configuration once for each of its hosts; none if it does not name several.
fn each_alone(config: &Config) -> Vec<Config> {
    let (names, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let count = names.len().max(addresses.len());
    let count = if count > 1 { count } else { 0 };
    (0..count)
        .map(|place| {
            let port = ports.get(place).or_else(|| ports.first());
            only(config, names.get(place), addresses.get(place), port)
        })
        .collect()
}

/// The same with one host. The driver has no way to take hosts out of a configuration.
fn only(config: &Config, name: Option<&Host>, address: Option<&IpAddr>, port: Option<&u16>) -> Config {
    let mut alone = Config::new();
    match name {
        Some(Host::Tcp(name)) => drop(alone.host(name)),
        #[cfg(unix)]
        Some(Host::Unix(path)) => drop(alone.host_path(path)),
        None => {}
    }
    if let Some(address) = address {
        alone.hostaddr(*address);
    }
    if let Some(port) = port {
        alone.port(*port);
    }
    if let Some(user) = config.get_user() {
        alone.user(user);
    }
    if let Some(password) = config.get_password() {
        alone.password(password);
    }
    if let Some(name) = config.get_dbname() {
        alone.dbname(name);
    }
    if let Some(options) = config.get_options() {
        alone.options(options);
    }
    if let Some(name) = config.get_application_name() {
        alone.application_name(name);
    }
    if let Some(timeout) = config.get_connect_timeout() {
        alone.connect_timeout(*timeout);
    }
    if let Some(timeout) = config.get_tcp_user_timeout() {
        alone.tcp_user_timeout(*timeout);
    }
    if let Some(interval) = config.get_keepalives_interval() {
        alone.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        alone.keepalives_retries(retries);
    }
    alone
        .keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .target_session_attrs(config.get_target_session_attrs())
        .channel_binding(config.get_channel_binding());
    alone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> Config {
        url.parse().unwrap()
    }

    #[test]
    fn each_host_has_its_port_and_everything_else_is_the_same() {
        let hosts = each_alone(&config(
            "postgres://u:p@a:1,b:2/db?target_session_attrs=read-write&options=-cx%3D1&connect_timeout=3&keepalives=0",
        ));
        assert_eq!(
            hosts,
            [
                config(
                    "postgres://u:p@a:1/db?target_session_attrs=read-write&options=-cx%3D1&connect_timeout=3&keepalives=0"
                ),
                config(
                    "postgres://u:p@b:2/db?target_session_attrs=read-write&options=-cx%3D1&connect_timeout=3&keepalives=0"
                ),
            ]
        );
        let shared = each_alone(&config("host=a,b port=7 user=u"));
        assert_eq!(
            shared,
            [config("host=a port=7 user=u"), config("host=b port=7 user=u")]
        );
        let addresses = each_alone(&config("hostaddr=127.0.0.1,127.0.0.2 user=u"));
        assert_eq!(addresses[1], config("hostaddr=127.0.0.2 user=u"));
        assert!(each_alone(&config("postgres://u@a:1/db")).is_empty());
    }
}
