//! What a waiting job costs where it waits: of Redis its memory, of PostgreSQL the tables with their indexes, of SQLite the
//! file.

use deadpool_redis::redis;
use oqron::Retention;
use oqron::core::BackendKind;
use tokio_postgres::NoTls;

use crate::bench::{Bench, fill};
use crate::error::Error;
use crate::row::Row;

pub(crate) async fn measure(bench: &Bench, jobs: u64) -> Result<Vec<Row>, Error> {
    let queue = bench.queue("waiting");
    // The first job brings what all share.
    fill(&queue, 1, Retention::default()).await?;
    let before = stored(bench).await?;
    fill(&queue, jobs, Retention::default()).await?;
    let after = stored(bench).await?;
    let each = (after.saturating_sub(before)) as f64 / jobs as f64;
    Ok(vec![Row::new("bytes of a waiting job", each, "B")])
}

async fn stored(bench: &Bench) -> Result<u64, Error> {
    let url = bench.config.url.expose();
    match bench.config.url.kind() {
        BackendKind::Redis => {
            let mut server = redis::Client::open(url)?
                .get_multiplexed_async_connection()
                .await?;
            let info: redis::InfoDict = redis::cmd("INFO").arg("memory").query_async(&mut server).await?;
            info.get("used_memory")
                .ok_or_else(|| Error::Found("INFO says nothing of used_memory".into()))
        }
        BackendKind::Postgres => {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
            let connection = tokio::spawn(connection);
            let sizes = "select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint from pg_class c
                         where c.relnamespace = 'oqron'::regnamespace and c.relkind = 'r'";
            let bytes: i64 = client.query_one(sizes, &[]).await?.get(0);
            drop(client);
            connection
                .await
                .map_err(|error| Error::Found(error.to_string()))??;
            Ok(bytes.unsigned_abs())
        }
        _ => {
            let path = bench.sqlite_path()?;
            let file = rusqlite::Connection::open(&path)?;
            file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            Ok(std::fs::metadata(path)?.len())
        }
    }
}
