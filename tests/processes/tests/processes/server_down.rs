use std::net::TcpListener;
use std::time::{Duration, Instant};

use oqron::{Config, Error};

use crate::each_backend::world;
use crate::refusal::{SECRET, assert_refused};
use oqron_processes::world::Backend;

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn urls(address: &str) -> [String; 2] {
    [
        format!("redis://:{SECRET}@{address}"),
        format!("postgres://oqron:{SECRET}@{address}/app"),
    ]
}

#[tokio::test]
async fn a_server_that_is_down_is_named_with_its_address() {
    let (listener, address) = listener();
    drop(listener);
    for url in urls(&address) {
        let config = Config::new(url).unwrap();
        for error in assert_refused(&config, &[&address, "refused", "?"]).await {
            assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_in_time() {
    // Connections are made by the kernel, and nobody accepts them.
    let (_listener, address) = listener();
    for url in urls(&address) {
        let mut config = Config::new(url).unwrap();
        config.call_timeout = Duration::from_millis(300);
        let begun = Instant::now();
        for error in assert_refused(&config, &[&address]).await {
            // The driver's own limit for a connection, or ours for the call.
            let text = error.to_string();
            assert!(
                text.contains("timed out") || text.contains("did not answer within 300ms"),
                "{text}"
            );
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn an_sqlite_file_in_a_missing_folder_is_refused_and_the_folder_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("not/there");
    let config = Config::new(format!("sqlite:{}", missing.join("jobs.db").display())).unwrap();
    assert_refused(&config, &[missing.to_str().unwrap(), "create it"]).await;
    assert!(!missing.exists());
}

#[tokio::test]
async fn a_program_whose_server_is_down_ends_and_says_so() {
    let (listener, address) = listener();
    drop(listener);
    let world = world(Backend::Sqlite).await;
    for url in urls(&address) {
        let mut worker = world.worker("worker").env("OQRON_URL", url).start();
        assert_eq!(worker.ended().await.code(), Some(1));
        let log = worker.log();
        assert!(log.contains(&address) && !log.contains(SECRET), "{log}");
    }
}
