use oqron::{Config, Error};
use oqron_testing::servers::{PostgresOptions, PostgresServer, RedisOptions, RedisServer};
use tokio::task::spawn_blocking;

use crate::refusal::{SECRET, refusals};

const RIGHT: &str = "correct-horse";

/// Refused with the password `hunter2` and with none, let in with the right one.
async fn assert_only_the_right_password_does(url: &str, user: &str) {
    let address = url.rsplit_once('@').unwrap().1;
    let given = format!("{user}:{RIGHT}@");
    assert!(
        url.contains(&given),
        "the test changes {given:?}, which is not in the URL"
    );
    for other in [
        format!("{user}:{SECRET}@"),
        if user.is_empty() {
            String::new()
        } else {
            format!("{user}@")
        },
    ] {
        let config = Config::new(url.replace(&given, &other)).unwrap();
        for error in refusals(&config).await {
            assert!(matches!(error, Error::AccessDenied { .. }), "{error:?}");
            let text = error.to_string();
            assert!(text.contains(address) && text.contains("password"), "{text}");
            assert!(!text.contains(RIGHT), "{text}");
        }
    }
    oqron::publisher(Config::new(url).unwrap()).await.unwrap();
}

#[tokio::test]
async fn redis_with_a_wrong_password_is_refused() {
    let start = || RedisServer::start(RedisOptions::new().password(RIGHT));
    let server = spawn_blocking(start).await.unwrap().unwrap();
    assert_only_the_right_password_does(&server.url(), "").await;
}

#[tokio::test]
async fn postgres_with_a_wrong_password_is_refused() {
    let start = || PostgresServer::start(PostgresOptions::new().without_durability().password(RIGHT));
    let server = spawn_blocking(start).await.unwrap().unwrap();
    assert_only_the_right_password_does(&server.url(), "oqron").await;
}
