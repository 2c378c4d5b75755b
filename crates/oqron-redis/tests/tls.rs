//! Encrypted connections: who may be talked to.

#![allow(clippy::unwrap_used, reason = "a test ends where its set-up fails")]

mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use oqron_core::{Config, Error};
use oqron_redis::{RedisConsume, RedisPublish};
use oqron_testing::servers::{RedisOptions, RedisServer};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use support::{Bench, smoke};

/// A folder of its own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Self {
        let name = format!("oqron-tls-{}", oqron_core::JobId::generate());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(Path::new(&self.0));
    }
}

/// Who signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }
}

/// A server whose certificate is for this name; the port for encrypted connections.
fn start(folder: &Folder, authority: &Authority, name: &str) -> (RedisServer, u16) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority.issuer).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .port();
    let options = RedisOptions::new()
        .setting("tls-port", port.to_string())
        .setting("tls-cert-file", folder.write("server.pem", &certificate.pem()))
        .setting("tls-key-file", folder.write("server.key", &key.serialize_pem()))
        .setting("tls-ca-cert-file", folder.write("ca.pem", &authority.pem))
        .setting("tls-auth-clients", "no");
    (RedisServer::start(options).unwrap(), port)
}

async fn refused(url: &str) -> String {
    let error = RedisPublish::connect(&Config::new(url).unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::AccessDenied { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("certificate") && !text.contains("hunter2"),
        "{text}"
    );
    text
}

#[tokio::test]
async fn everything_works_over_tls_with_the_authority_that_signed() {
    let (folder, authority) = (Folder::make(), Authority::new());
    let (_server, port) = start(&folder, &authority, "127.0.0.1");
    let url = format!("rediss://127.0.0.1:{port}/0?ca={}/ca.pem", folder.0.display());
    smoke::everything_works(&Bench::at(&url).await).await;
}

#[tokio::test]
async fn a_server_that_another_authority_has_signed_for_is_refused() {
    let (folder, authority) = (Folder::make(), Authority::new());
    let (_server, port) = start(&folder, &authority, "127.0.0.1");
    let other = folder.write("other.pem", &Authority::new().pem);
    refused(&format!("rediss://:hunter2@127.0.0.1:{port}/0?ca={other}")).await;
    // Nor do the authorities of the web vouch for it.
    let hint = refused(&format!("rediss://:hunter2@127.0.0.1:{port}")).await;
    assert!(hint.contains("?ca="), "{hint}");
}

#[tokio::test]
async fn a_server_with_a_certificate_for_another_name_is_refused() {
    let (folder, authority) = (Folder::make(), Authority::new());
    let (_server, port) = start(&folder, &authority, "other.example");
    let ca = format!("{}/ca.pem", folder.0.display());
    refused(&format!("rediss://:hunter2@127.0.0.1:{port}?ca={ca}")).await;
}

#[tokio::test]
async fn a_server_that_does_not_encrypt_is_not_talked_to() {
    let server = RedisServer::start(RedisOptions::new()).unwrap();
    let mut config = Config::new(format!("rediss://:hunter2@127.0.0.1:{}", server.port())).unwrap();
    config.call_timeout = Duration::from_millis(500);
    let error = RedisConsume::connect(&config).await.unwrap_err();
    assert!(
        matches!(error, Error::Timeout { .. } | Error::Unavailable { .. }),
        "{error}"
    );
    assert!(!error.to_string().contains("hunter2"), "{error}");
}
