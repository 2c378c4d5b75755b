//! A newer version of Oqron was here before.

use deadpool_redis::redis::{self, AsyncCommands};
use oqron::{Config, Error, JobId};
use oqron_testing::servers::postgres_url;
use tokio_postgres::NoTls;

use crate::each_backend::world;
use crate::refusal::assert_refused;
use oqron_processes::world::Backend;

const NEWER: u64 = 999;

async fn assert_newer_is_refused(config: &Config, backend: &str) {
    for error in assert_refused(config, &[backend, "999", "upgrade"]).await {
        assert!(
            matches!(error, Error::SchemaTooNew { found: NEWER, .. }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_newer_sqlite_file_is_refused() {
    let world = world(Backend::Sqlite).await;
    let path = world.folder.path().join("newer.db");
    let path = path.to_str().unwrap();
    let file = rusqlite::Connection::open(world.folder.path().join("jobs.db")).unwrap();
    file.execute("VACUUM INTO ?1", [path]).unwrap();
    let newer = rusqlite::Connection::open(path).unwrap();
    newer.pragma_update(None, "user_version", NEWER as i64).unwrap();
    drop(newer);

    let config = Config::new(format!("sqlite:{path}")).unwrap();
    assert_newer_is_refused(&config, path).await;
    let mut worker = world
        .worker("worker")
        .env("OQRON_URL", config.url.expose())
        .start();
    assert_eq!(worker.ended().await.code(), Some(1));
    let log = worker.log();
    assert!(
        log.contains(path) && log.contains("999") && log.contains("upgrade"),
        "{log}"
    );
}

#[tokio::test]
async fn a_newer_redis_namespace_is_refused() {
    let world = world(Backend::Redis).await;
    let client = redis::Client::open(world.config.url.expose()).unwrap();
    let mut newer = client.get_multiplexed_async_connection().await.unwrap();
    let key = format!("oqron:{{{}}}:schema", world.config.namespace);
    let before: u64 = newer.get(&key).await.unwrap();
    assert!(before < NEWER, "the key is another one now");
    let (): () = newer.set(&key, NEWER).await.unwrap();
    assert_newer_is_refused(&world.config, "redis://").await;
}

#[tokio::test]
async fn a_newer_postgres_schema_is_refused() {
    let (client, connection) = tokio_postgres::connect(&postgres_url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let schema = format!("newer_{}", JobId::generate().as_str().replace('-', ""));
    let config = Config::new(format!("{}?schema={schema}", postgres_url())).unwrap();
    oqron::publisher(config.clone()).await.unwrap();
    let newer = format!("insert into {schema}.migrations (version) values ({NEWER})");
    client.batch_execute(&newer).await.unwrap();
    assert_newer_is_refused(&config, &schema).await;
    client
        .batch_execute(&format!("drop schema {schema} cascade"))
        .await
        .unwrap();
}
