use oqron::Config;

use crate::each_backend::world;
use crate::refusal::{SECRET, assert_refused};
use oqron_processes::world::Backend;

#[tokio::test]
async fn a_broken_url_is_refused_by_the_part_that_is_broken() {
    for (url, parts) in [
        ("sqlite:", ["url", "sqlite:jobs.db"]),
        ("sqlite://jobs.db", ["url", "sqlite:jobs.db"]),
        ("sqlite:jobs.db?sync=full", ["url", "\"sync\""]),
        ("redis://", ["url", "redis://"]),
        (
            "redis://user:hunter2@localhost:port",
            ["url", "redis://localhost:port"],
        ),
        ("redis://:hunter2@localhost:6379/jobs", ["url", "\"jobs\""]),
        (
            "postgres://user:hunter2@localhost:port/app",
            ["url", "localhost:port/app"],
        ),
        (
            "postgres://user:hunter2@localhost/app?sslmod=require",
            ["url", "\"sslmod\""],
        ),
        (
            "postgres://user:hunter2@localhost/app?sslmode=maybe",
            ["sslmode", "maybe"],
        ),
    ] {
        assert_refused(&Config::new(url).unwrap(), &parts).await;
    }
}

#[test]
fn a_url_of_no_backend_is_refused_with_those_that_there_are() {
    for url in [
        "mysql://user:hunter2@localhost/app",
        "user:hunter2@localhost",
        "jobs.db",
        "",
    ] {
        let error = Config::new(url).unwrap_err().to_string();
        assert!(
            error.contains("url") && error.contains("sqlite:") && error.contains("postgres://"),
            "{error}"
        );
        assert!(!error.contains(SECRET), "{error}");
    }
}

#[tokio::test]
async fn a_program_with_a_broken_url_ends_and_says_so() {
    let world = world(Backend::Sqlite).await;
    let mut worker = world
        .worker("worker")
        .env("OQRON_URL", "mysql://user:hunter2@localhost/app")
        .start();
    assert_eq!(worker.ended().await.code(), Some(1));
    let log = worker.log();
    assert!(log.contains("\"mysql\"") && log.contains("postgres://"), "{log}");
    assert!(!log.contains(SECRET), "{log}");
}
