//! The URL. One server: `redis://[user[:password]@]host[:port][/db]`. The master that sentinels name:
//! `redis+sentinel://[user[:password]@]host[:port],host[:port]…[/db]?master=name`. A cluster:
//! `redis+cluster://[user[:password]@]host[:port],host[:port]…`. With `rediss` in the place of `redis` all connections are
//! encrypted. Options stand behind `?`.

use deadpool_redis::redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use deadpool_redis::redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult, TlsCertificates, TlsMode,
};
use oqron_core::{BackendUrl, Error};
use url::Url;

/// What a URL names.
pub(crate) struct Address {
    pub(crate) place: Place,
    /// Of TLS; `None` for connections that are not encrypted.
    pub(crate) certificates: Option<TlsCertificates>,
    /// An add is acknowledged when so many replicas have it; 0 waits for none.
    #[cfg_attr(not(feature = "publish"), allow(dead_code, reason = "only adds wait"))]
    pub(crate) wait_replicas: u32,
}

pub(crate) enum Place {
    /// One server.
    One(ConnectionInfo),
    /// The master that these sentinels name.
    Sentinel(Sentinels),
    /// Some nodes of a cluster, which know the others.
    Cluster(Vec<ConnectionInfo>),
}

pub(crate) struct Sentinels {
    addresses: Vec<ConnectionAddr>,
    master: String,
    /// User, password and database of the servers.
    servers: ConnectionInfo,
    user: Option<String>,
    password: Option<String>,
}

/// The parts of a URL that are told apart before the driver reads them.
struct Parts<'a> {
    url: &'a BackendUrl,
    scheme: &'static str,
    userinfo: &'a str,
    hosts: Vec<&'a str>,
    database: &'a str,
    options: Options,
}

const OPTIONS: &[&str] = &["ca", "wait_replicas"];
const SENTINEL_OPTIONS: &[&str] = &[
    "ca",
    "master",
    "sentinel_user",
    "sentinel_password",
    "wait_replicas",
];
const CLUSTER_OPTIONS: &[&str] = &["ca"];

#[derive(Default)]
struct Options {
    ca: Option<String>,
    master: Option<String>,
    sentinel_user: Option<String>,
    sentinel_password: Option<String>,
    wait_replicas: u32,
}

/// Reads the URL; of TLS the certificates as well.
pub(crate) fn read_url(url: &BackendUrl) -> Result<Address, Error> {
    let (scheme, _) = url.expose().split_once(':').unwrap_or_default();
    match scheme.to_ascii_lowercase().as_str() {
        "redis+sentinel" => Parts::read(url, "redis", SENTINEL_OPTIONS)?.sentinel(),
        "rediss+sentinel" => Parts::read(url, "rediss", SENTINEL_OPTIONS)?.sentinel(),
        "redis+cluster" => Parts::read(url, "redis", CLUSTER_OPTIONS)?.cluster(),
        "rediss+cluster" => Parts::read(url, "rediss", CLUSTER_OPTIONS)?.cluster(),
        "rediss" => Parts::read(url, "rediss", OPTIONS)?.one(),
        _ => Parts::read(url, "redis", OPTIONS)?.one(),
    }
}

impl<'a> Parts<'a> {
    fn read(url: &'a BackendUrl, scheme: &'static str, known: &[&str]) -> Result<Self, Error> {
        let (_, rest) = url
            .expose()
            .split_once("://")
            .ok_or_else(|| invalid(url, "the host is missing; write redis://localhost:6379"))?;
        let rest = rest.split('#').next().unwrap_or_default();
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (userinfo, place) = place.rsplit_once('@').unwrap_or(("", place));
        let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
        let hosts: Vec<&str> = hosts.split(',').map(str::trim).collect();
        if hosts.iter().any(|host| host.is_empty() || host.starts_with(':')) {
            return Err(invalid(url, "the host is missing; write redis://localhost:6379"));
        }
        if !database.is_empty() && database.parse::<u32>().is_err() {
            return Err(invalid(
                url,
                &format!("{database:?} is no database number; write redis://host:6379/0"),
            ));
        }
        let options = Options::read(url, query, known)?;
        if options.ca.is_some() && scheme == "redis" {
            return Err(invalid(
                url,
                "ca is for TLS only; write rediss:// before the host (rediss+sentinel://, rediss+cluster://)",
            ));
        }
        Ok(Self {
            url,
            scheme,
            userinfo,
            hosts,
            database,
            options,
        })
    }

    fn one(self) -> Result<Address, Error> {
        let [host] = self.hosts.as_slice() else {
            return Err(invalid(
                self.url,
                "several hosts need redis+sentinel://…?master=name or redis+cluster://",
            ));
        };
        let certificates = self.certificates()?;
        let place = Place::One(self.server(host, certificates.as_ref())?);
        Ok(Address {
            place,
            certificates,
            wait_replicas: self.options.wait_replicas,
        })
    }

    fn sentinel(mut self) -> Result<Address, Error> {
        const SENTINEL_PORT: &str = "26379";
        let Some(master) = self.options.master.take().filter(|master| !master.is_empty()) else {
            return Err(invalid(
                self.url,
                "the name of the master is missing; write it behind the hosts: ?master=mymaster",
            ));
        };
        let certificates = self.certificates()?;
        let servers = self.server(self.hosts[0], certificates.as_ref())?;
        let mut addresses = Vec::new();
        for host in &self.hosts {
            let host = match has_port(host) {
                true => (*host).to_owned(),
                false => format!("{host}:{SENTINEL_PORT}"),
            };
            addresses.push(self.server(&host, certificates.as_ref())?.addr().clone());
        }
        let place = Place::Sentinel(Sentinels {
            addresses,
            master,
            servers,
            user: self.options.sentinel_user.take(),
            password: self.options.sentinel_password.take(),
        });
        Ok(Address {
            place,
            certificates,
            wait_replicas: self.options.wait_replicas,
        })
    }

    fn cluster(self) -> Result<Address, Error> {
        if !matches!(self.database, "" | "0") {
            return Err(invalid(
                self.url,
                "a cluster has no databases but 0; leave the number out",
            ));
        }
        let certificates = self.certificates()?;
        let nodes: Result<Vec<_>, _> = self
            .hosts
            .iter()
            .map(|host| self.server(host, certificates.as_ref()))
            .collect();
        let place = Place::Cluster(nodes?);
        Ok(Address {
            place,
            certificates,
            wait_replicas: self.options.wait_replicas,
        })
    }

    fn certificates(&self) -> Result<Option<TlsCertificates>, Error> {
        if self.scheme != "rediss" {
            return Ok(None);
        }
        // The driver takes the process's provider, and panics where there is none; one that is set already stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let read = |path: &String| {
            std::fs::read(path)
                .map_err(|error| invalid(self.url, &format!("ca {path:?} cannot be read: {error}")))
        };
        Ok(Some(TlsCertificates {
            client_tls: None,
            root_cert: self.options.ca.as_ref().map(read).transpose()?,
        }))
    }

    /// How one of the hosts is connected to.
    fn server(&self, host: &str, certificates: Option<&TlsCertificates>) -> Result<ConnectionInfo, Error> {
        let at = if self.userinfo.is_empty() { "" } else { "@" };
        let text = format!("{}://{}{at}{host}/{}", self.scheme, self.userinfo, self.database);
        let parsed = Url::parse(&text).map_err(|error| invalid(self.url, &error.to_string()))?;
        let info = parsed
            .as_str()
            .into_connection_info()
            .map_err(|error| invalid(self.url, &error.to_string()))?;
        with_certificates(info, certificates).map_err(|error| {
            invalid(
                self.url,
                &format!("ca does not hold certificates in PEM: {error}"),
            )
        })
    }
}

impl Options {
    fn read(url: &BackendUrl, query: &str, known: &[&str]) -> Result<Self, Error> {
        let mut options = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match name.as_ref() {
                name if !known.contains(&name) => {
                    return Err(invalid(
                        url,
                        &format!(
                            "{name:?} is no option of this kind of Redis URL; the options are: {}",
                            known.join(", ")
                        ),
                    ));
                }
                "ca" => options.ca = Some(value),
                "master" => options.master = Some(value),
                "sentinel_user" => options.sentinel_user = Some(value),
                "wait_replicas" => {
                    options.wait_replicas = value.parse().map_err(|_| {
                        invalid(url, &format!("wait_replicas={value} is no number of replicas"))
                    })?;
                }
                _ => options.sentinel_password = Some(value),
            }
        }
        Ok(options)
    }
}

/// An IPv6 address has colons of its own, within brackets.
fn has_port(host: &str) -> bool {
    let behind = host.rsplit_once(']').map_or(host, |(_, behind)| behind);
    behind.contains(':')
}

/// Puts the certificates into a connection that is encrypted.
pub(crate) fn with_certificates(
    info: ConnectionInfo,
    certificates: Option<&TlsCertificates>,
) -> RedisResult<ConnectionInfo> {
    let Some(certificates) = certificates else {
        return Ok(info);
    };
    let client = Client::build_with_tls(info, certificates.clone())?;
    Ok(client.get_connection_info().clone())
}

impl Sentinels {
    /// A client that has asked nobody yet.
    pub(crate) fn client(&self, certificates: Option<&TlsCertificates>) -> RedisResult<SentinelClient> {
        let settings = self.servers.redis_settings();
        let mut builder =
            SentinelClientBuilder::new(self.addresses.clone(), &self.master, SentinelServerType::Master)?
                .set_client_to_redis_db(settings.db());
        if let Some(user) = settings.username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = settings.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(user) = &self.user {
            builder = builder.set_client_to_sentinel_username(user);
        }
        if let Some(password) = &self.password {
            builder = builder.set_client_to_sentinel_password(password);
        }
        if let Some(certificates) = certificates {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_certificates(certificates.clone());
        }
        builder.build()
    }
}

fn invalid(url: &BackendUrl, problem: &str) -> Error {
    Error::Invalid {
        what: "url",
        problem: format!("{url}: {problem}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(url: &str) -> String {
        let error = BackendUrl::new(url)
            .and_then(|url| read_url(&url))
            .err()
            .unwrap()
            .to_string();
        assert!(!error.contains("hunter2"), "{error}");
        error
    }

    fn read(url: &str) -> Address {
        read_url(&BackendUrl::new(url).unwrap()).unwrap()
    }

    #[test]
    fn a_whole_url_is_read() {
        let Place::One(info) = read("redis://me:hunter2@h:7000/3").place else {
            panic!("one server");
        };
        assert_eq!(info.addr().to_string(), "h:7000");
        assert_eq!(info.redis_settings().db(), 3);
        assert_eq!(info.redis_settings().username(), Some("me"));
        assert_eq!(info.redis_settings().password(), Some("hunter2"));
        assert!(read("rediss://h").certificates.is_some());
        assert_eq!(read("redis://h").wait_replicas, 0);
        assert_eq!(read("redis://h?wait_replicas=2").wait_replicas, 2);
    }

    #[test]
    fn sentinels_and_their_master_are_read() {
        let url = "redis+sentinel://me:hunter2@a:1,b,[::1]:3,[::1]/2?master=main&sentinel_password=s";
        let Place::Sentinel(sentinels) = read(url).place else {
            panic!("sentinels");
        };
        let addresses: Vec<String> = sentinels.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses[..2], ["a:1", "b:26379"]);
        assert!(
            addresses[2].ends_with(":3") && addresses[3].ends_with(":26379"),
            "{addresses:?}"
        );
        assert_eq!(sentinels.master, "main");
        assert_eq!(sentinels.password.as_deref(), Some("s"));
        assert_eq!(sentinels.servers.redis_settings().db(), 2);
        assert_eq!(sentinels.servers.redis_settings().password(), Some("hunter2"));
        assert!(sentinels.client(None).is_ok());
        let encrypted = read("rediss+sentinel://a?master=main");
        let Place::Sentinel(sentinels) = &encrypted.place else {
            panic!("sentinels");
        };
        assert!(sentinels.client(encrypted.certificates.as_ref()).is_ok());
    }

    #[test]
    fn the_nodes_of_a_cluster_are_read() {
        let Place::Cluster(nodes) = read("redis+cluster://:hunter2@a:7000,b:7001").place else {
            panic!("a cluster");
        };
        let addresses: Vec<String> = nodes.iter().map(|node| node.addr().to_string()).collect();
        assert_eq!(addresses, ["a:7000", "b:7001"]);
        assert!(
            nodes
                .iter()
                .all(|node| node.redis_settings().password() == Some("hunter2"))
        );
    }

    #[test]
    fn what_is_wrong_is_named_without_credentials() {
        assert!(problem("redis://:hunter2@h/?wait=3").contains("\"wait\""));
        assert!(problem("redis://:hunter2@h/jobs").contains("\"jobs\""));
        assert!(problem("redis://:hunter2@h:port").contains("port"));
        assert!(problem("redis://:hunter2@h?ca=/x.pem").contains("rediss://"));
        assert!(problem("rediss://:hunter2@h?ca=/no/such.pem").contains("/no/such.pem"));
        assert!(problem("rediss://:hunter2@h?ca=/dev/null&ca2=").contains("ca2"));
        assert!(problem("redis://:hunter2@a,b").contains("redis+sentinel"));
        assert!(problem("redis://:hunter2@h?master=m").contains("\"master\""));
        assert!(problem("redis+sentinel://:hunter2@a,b/0").contains("?master="));
        assert!(problem("redis+sentinel://:hunter2@a,,b?master=m").contains("host is missing"));
        assert!(
            problem("redis+sentinel://:hunter2@a?master=m&sentinel_password=hunter2&x=1").contains("\"x\"")
        );
        assert!(problem("redis+cluster://:hunter2@a/1").contains("no databases"));
        assert!(problem("redis+cluster://:hunter2@a?master=m").contains("\"master\""));
        assert!(problem("redis+cluster://:hunter2@a?ca=/x").contains("rediss+cluster"));
        assert!(problem("redis://:hunter2@a?wait_replicas=all").contains("wait_replicas=all"));
        assert!(problem("redis+cluster://:hunter2@a?wait_replicas=1").contains("\"wait_replicas\""));
        assert!(problem("redis+raft://:hunter2@a").contains("redis+cluster"));
    }
}
