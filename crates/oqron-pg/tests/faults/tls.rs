//! Somebody else pretends to be the server.

use std::path::{Path, PathBuf};
use std::process::Command;

use oqron_core::Error;
use oqron_pg::PgPublish;
use oqron_testing::servers::{PostgresOptions, PostgresServer};

use crate::load::config;
use crate::{in_runtime, server};

#[test]
fn a_server_with_a_wrong_authority_or_a_wrong_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, others) = (
        Authority::new(folder.path(), "ours"),
        Authority::new(folder.path(), "others"),
    );
    let (certificate, key) = ours.sign("localhost");
    let server = server(PostgresOptions::new().tls(certificate, key));
    in_runtime(async {
        for (host, mode, authority) in [
            ("localhost", "verify-full", &ours),
            ("localhost", "verify-ca", &ours),
            ("127.0.0.1", "verify-ca", &ours),
            ("127.0.0.1", "require", &ours),
        ] {
            let url = url(&server, host, mode, Some(authority));
            PgPublish::connect(&config(&url)).await.unwrap();
        }
        PgPublish::connect(&config(&url(&server, "127.0.0.1", "require", None)))
            .await
            .unwrap();
        for (host, mode, authority) in [
            ("localhost", "verify-full", &others),
            ("localhost", "verify-ca", &others),
            // As in libpq, an authority that is named is asked.
            ("localhost", "require", &others),
            ("127.0.0.1", "verify-full", &ours),
        ] {
            let url = url(&server, host, mode, Some(authority));
            let error = PgPublish::connect(&config(&url)).await.unwrap_err();
            assert!(
                matches!(error, Error::AccessDenied { .. }),
                "{host} {mode}: {error}"
            );
            assert!(
                error.to_string().contains("certificate"),
                "{host} {mode}: {error}"
            );
        }
    });
}

#[test]
fn a_server_without_tls_is_refused_where_it_is_required() {
    let server = server(PostgresOptions::new());
    in_runtime(async {
        let error = PgPublish::connect(&config(&url(&server, "127.0.0.1", "require", None)))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::AccessDenied { .. }), "{error}");
        assert!(error.to_string().contains("sslmode"), "{error}");
    });
}

fn url(server: &PostgresServer, host: &str, mode: &str, authority: Option<&Authority>) -> String {
    let url = format!(
        "postgres://oqron@{host}:{}/postgres?sslmode={mode}",
        server.port()
    );
    match authority {
        Some(authority) => format!("{url}&sslrootcert={}", authority.certificate.display()),
        None => url,
    }
}

/// Signs certificates, by the program `openssl`.
struct Authority {
    folder: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

const NEW_KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

impl Authority {
    fn new(folder: &Path, name: &str) -> Self {
        let authority = Self {
            folder: folder.to_owned(),
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        };
        openssl(
            Command::new("openssl")
                .args(["req", "-x509", "-days", "2", "-subj", &format!("/CN={name}")])
                .args(NEW_KEY)
                .arg("-keyout")
                .arg(&authority.key)
                .arg("-out")
                .arg(&authority.certificate),
        );
        authority
    }

    /// A certificate for a host, and its key, in PEM.
    fn sign(&self, host: &str) -> (String, String) {
        let file = |name: &str| self.folder.join(name);
        let (request, key, names, certificate) = (
            file("request"),
            file("server.key"),
            file("names"),
            file("server.crt"),
        );
        std::fs::write(&names, format!("subjectAltName = DNS:{host}\n")).unwrap();
        openssl(
            Command::new("openssl")
                .args(["req", "-subj", &format!("/CN={host}")])
                .args(NEW_KEY)
                .arg("-keyout")
                .arg(&key)
                .arg("-out")
                .arg(&request),
        );
        openssl(
            Command::new("openssl")
                .args(["x509", "-req", "-days", "2", "-CAcreateserial", "-CA"])
                .arg(&self.certificate)
                .arg("-CAkey")
                .arg(&self.key)
                .arg("-in")
                .arg(&request)
                .arg("-extfile")
                .arg(&names)
                .arg("-out")
                .arg(&certificate),
        );
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        (read(&certificate), read(&key))
    }
}

fn openssl(command: &mut Command) {
    let output = command
        .output()
        .expect("this test makes certificates with openssl: apt-get install openssl");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
