//! What a program is told that cannot connect.

use oqron::{Config, Error};

/// Secrets in the URLs of these tests: no message may hold a part of them.
pub(crate) const SECRET: &str = "hunter2";

/// Connects as a publisher, as a worker and as an operator. Each must be refused, in words that hold no secret.
pub(crate) async fn refusals(config: &Config) -> [Error; 3] {
    let publisher = oqron::publisher(config.clone()).await.err();
    let worker = oqron::runtime(config.clone())
        .await
        .err()
        .map(|error| match error {
            oqron::WorkerError::Core(error) => error,
            other => panic!("{other}"),
        });
    let operator = oqron::operator(config).await.err();
    let refused = [
        ("publisher", publisher),
        ("worker", worker),
        ("operator", operator),
    ];
    refused.map(|(side, error)| {
        let error = error.unwrap_or_else(|| panic!("the {side} was let in"));
        assert!(
            !format!("{error} {error:?}").contains(SECRET),
            "{side}: {error:?}"
        );
        error
    })
}

/// The same, and each message must hold all of these.
pub(crate) async fn assert_refused(config: &Config, parts: &[&str]) -> [Error; 3] {
    let refused = refusals(config).await;
    for error in &refused {
        for part in parts {
            assert!(error.to_string().contains(part), "{part:?} is not in: {error}");
        }
    }
    refused
}
