//! The schema: versioned `.sql` files, applied in one transaction under an advisory lock.
//!
//! Not by refinery: it opens transactions of its own, so the lock would have to belong to the session, and behind a
//! transaction pooler there is none. See `docs/decisions/0005-postgres-migrations.md`.

use oqron_core::Error;
use tokio_postgres::IsolationLevel;

use crate::database::Database;
use crate::statement::for_schema;

/// In the order of their versions, from 1. A file that was released never changes.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/V1__jobs.sql")];

const SERVER_VERSION_MIN: i32 = 130_000;

pub(crate) async fn migrate(database: &Database) -> Result<(), Error> {
    let attempt = database.attempt("bring the schema up to date");
    let mut connection = database.connection("bring the schema up to date").await?;
    let work = async {
        let client = connection.client_mut();
        let transaction = client
            .build_transaction()
            .isolation_level(IsolationLevel::ReadCommitted)
            .start()
            .await?;
        let schema = &database.schema;
        let row = transaction
            .query_typed_one(
                "select current_setting('server_version_num')::integer, current_setting('server_version'),
                        to_regclass($1) is not null",
                &[(
                    &format!("\"{schema}\".migrations"),
                    tokio_postgres::types::Type::TEXT,
                )],
            )
            .await?;
        let (number, name, exists): (i32, String, bool) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        if number < SERVER_VERSION_MIN {
            return Ok(Found::OldServer(name));
        }
        let select = format!("select coalesce(max(version), 0) from \"{schema}\".migrations");
        let newest = MIGRATIONS.len() as i32;
        if exists {
            let version: i32 = transaction.query_typed_one(&select, &[]).await?.try_get(0)?;
            if version >= newest {
                return Ok(Found::Version(version));
            }
        }
        // From here on alone. What another process has done meanwhile is seen by the next statement.
        transaction
            .batch_execute(&format!(
                "select pg_advisory_xact_lock(hashtextextended('oqron migrate {schema}', 0));
                 create schema if not exists \"{schema}\";
                 create table if not exists \"{schema}\".migrations (
                     version integer primary key, applied_at timestamptz not null default clock_timestamp())"
            ))
            .await?;
        let version: i32 = transaction.query_typed_one(&select, &[]).await?.try_get(0)?;
        if version > newest {
            return Ok(Found::Version(version));
        }
        for (version, text) in (1..).zip(MIGRATIONS).skip(version as usize) {
            transaction.batch_execute(&for_schema(text, schema)).await?;
            transaction
                .batch_execute(&format!(
                    "insert into \"{schema}\".migrations (version) values ({version})"
                ))
                .await?;
            tracing::info!(schema, version, "applied a migration");
        }
        transaction.commit().await?;
        Ok::<_, tokio_postgres::Error>(Found::Version(newest))
    };
    // Dropped at the timeout, the transaction is rolled back.
    let found = tokio::time::timeout(database.call_timeout, work)
        .await
        .map_err(|_| attempt.timed_out())?
        .map_err(|error| attempt.of_driver(&error))?;
    match found {
        Found::OldServer(name) => Err(Error::Invalid {
            what: "url",
            problem: format!("{} is version {name}; Oqron needs 13 or newer", database.shown),
        }),
        Found::Version(version) if version > MIGRATIONS.len() as i32 => Err(Error::SchemaTooNew {
            backend: format!("schema {:?} of {}", database.schema, database.shown),
            found: u64::try_from(version).unwrap_or(u64::MAX),
            supported: MIGRATIONS.len() as u64,
        }),
        Found::Version(_) => Ok(()),
    }
}

enum Found {
    Version(i32),
    OldServer(String),
}
