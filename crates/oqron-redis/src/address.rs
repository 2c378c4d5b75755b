//! The URL: `redis://[user[:password]@]host[:port][/db]`, or `rediss://` for TLS, with options behind `?`.

use deadpool_redis::redis::{Client, ConnectionInfo, IntoConnectionInfo, TlsCertificates};
use oqron_core::{BackendUrl, Error};
use url::Url;

/// Options that a URL may carry.
const OPTIONS: &str = "ca";

/// Reads the URL; of TLS the certificates as well.
pub(crate) fn read_url(url: &BackendUrl) -> Result<ConnectionInfo, Error> {
    let mut parsed = Url::parse(url.expose()).map_err(|error| invalid(url, &error.to_string()))?;
    let mut ca = None;
    for (name, value) in parsed.query_pairs() {
        match name.as_ref() {
            "ca" => ca = Some(value.into_owned()),
            _ => {
                return Err(invalid(
                    url,
                    &format!("{name:?} is no option of a Redis URL; the options are: {OPTIONS}"),
                ));
            }
        }
    }
    if parsed.host_str().is_none_or(str::is_empty) {
        return Err(invalid(url, "the host is missing; write redis://localhost:6379"));
    }
    let database = parsed.path().trim_start_matches('/');
    if !database.is_empty() && database.parse::<u32>().is_err() {
        return Err(invalid(
            url,
            &format!("{database:?} is no database number; write redis://host:6379/0"),
        ));
    }
    parsed.set_query(None);
    parsed.set_fragment(None);
    let encrypted = parsed.scheme() == "rediss";
    let info = parsed
        .as_str()
        .into_connection_info()
        .map_err(|error| invalid(url, &error.to_string()))?;
    if !encrypted {
        return match ca {
            None => Ok(info),
            Some(_) => Err(invalid(
                url,
                "ca is for TLS only; write rediss:// before the host",
            )),
        };
    }
    // The driver takes the process's provider, and panics where there is none; one that is set already stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let root_cert = ca
        .map(|path| {
            std::fs::read(&path)
                .map_err(|error| invalid(url, &format!("ca {path:?} cannot be read: {error}")))
        })
        .transpose()?;
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert,
    };
    let client = Client::build_with_tls(info, certificates)
        .map_err(|error| invalid(url, &format!("ca does not hold certificates in PEM: {error}")))?;
    Ok(client.get_connection_info().clone())
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
        let error = read_url(&BackendUrl::new(url).unwrap()).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        error
    }

    #[test]
    fn a_whole_url_is_read() {
        let info = read_url(&BackendUrl::new("redis://me:hunter2@h:7000/3").unwrap()).unwrap();
        assert_eq!(info.addr().to_string(), "h:7000");
        assert_eq!(info.redis_settings().db(), 3);
        assert_eq!(info.redis_settings().username(), Some("me"));
        assert_eq!(info.redis_settings().password(), Some("hunter2"));
        assert!(read_url(&BackendUrl::new("rediss://h").unwrap()).is_ok());
    }

    #[test]
    fn what_is_wrong_is_named_without_credentials() {
        assert!(problem("redis://:hunter2@h/?wait=3").contains("\"wait\""));
        assert!(problem("redis://:hunter2@h/jobs").contains("\"jobs\""));
        assert!(problem("redis://:hunter2@h:port").contains("port"));
        assert!(problem("redis://:hunter2@h?ca=/x.pem").contains("rediss://"));
        assert!(problem("rediss://:hunter2@h?ca=/no/such.pem").contains("/no/such.pem"));
        assert!(problem("rediss://:hunter2@h?ca=/dev/null&ca2=").contains("ca2"));
    }
}
