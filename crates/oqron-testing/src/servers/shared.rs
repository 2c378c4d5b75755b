//! The servers that `cargo xtask test` starts once for a whole run.

/// The variable in which `cargo xtask test` hands the URL of its Redis to the tests.
pub const REDIS_URL_VARIABLE: &str = "OQRON_TEST_REDIS_URL";
/// The variable in which `cargo xtask test` hands the URL of its PostgreSQL to the tests.
pub const POSTGRES_URL_VARIABLE: &str = "OQRON_TEST_POSTGRES_URL";

/// The URL of the Redis server for this test run. Other tests use it at the same time: take a namespace of your own.
///
/// # Panics
/// When no server was given: a test that needs one must fail, never be skipped in silence.
#[must_use]
pub fn redis_url() -> String {
    url_from(REDIS_URL_VARIABLE, "Redis")
}

/// The URL of the PostgreSQL server for this test run. Other tests use it at the same time: take a namespace or a schema
/// of your own.
///
/// # Panics
/// When no server was given: a test that needs one must fail, never be skipped in silence.
#[must_use]
pub fn postgres_url() -> String {
    url_from(POSTGRES_URL_VARIABLE, "PostgreSQL")
}

fn url_from(variable: &str, server: &str) -> String {
    match std::env::var(variable) {
        Ok(url) if !url.is_empty() => url,
        _ => panic!(
            "this test needs {server}, and {variable} is not set; run the tests with: cargo xtask test \
             (or set {variable} to the URL of a server whose data may be lost)"
        ),
    }
}
