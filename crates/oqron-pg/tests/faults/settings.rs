//! A server that is set to lose what it acknowledges.

use oqron_pg::{PgConsume, PgPublish};
use oqron_testing::servers::{PostgresOptions, PostgresServer};

use crate::load::config;
use crate::log::logged_while;

#[test]
fn settings_that_can_lose_jobs_are_told_when_a_worker_starts() {
    let careless = PostgresServer::start(PostgresOptions::new().without_durability()).unwrap();
    let log = logged_while(async {
        PgPublish::connect(&config(&careless.url())).await.unwrap();
        PgConsume::connect(&config(&careless.url())).await.unwrap();
    });
    for setting in [
        "fsync = off",
        "full_page_writes = off",
        "synchronous_commit = off",
    ] {
        assert_eq!(log.matches(setting).count(), 1, "{setting}: {log}");
    }
    drop(careless);

    let careful = PostgresServer::start(PostgresOptions::new()).unwrap();
    let log = logged_while(async {
        PgConsume::connect(&config(&careful.url())).await.unwrap();
    });
    assert!(!log.contains("= off"), "{log}");
}
