//! The schema: whose file it is, which version, and the steps from one to the next.

use std::path::Path;

use oqron_core::Error;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::backend::Backend;
use crate::clock;
use crate::error::Failed;

/// `PRAGMA application_id` of a file of Oqron: "OQRN".
const APPLICATION_ID: i64 = 0x4f51_524e;

/// Number n brings a file from version n - 1 to n, which `PRAGMA user_version` keeps. What was released stays as it is.
const MIGRATIONS: [&str; 1] = [include_str!("sql/migrations/0001_jobs.sql")];

/// Refuses a file that another program keeps its tables in, before anything of it is changed.
pub(crate) fn refuse_strangers(connection: &Connection, path: &Path) -> Result<(), Failed> {
    let owner: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if owner == APPLICATION_ID || (owner == 0 && tables == 0) {
        return Ok(());
    }
    Err(crate::location::invalid(format!(
        "{} is the database of another program; give Oqron a file of its own",
        path.display()
    ))
    .into())
}

/// Brings the file to the newest version, in one transaction: who else starts now waits for it and finds it done.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Failed> {
    let newest = MIGRATIONS.len() as u64;
    // The usual case takes no write lock: who starts does not wait for those who write. Who may not write is told below.
    let is_current = version(connection)? == newest && is_of_this_boot(connection, &boot_id()?)?;
    if is_current && !connection.is_readonly("main")? {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    if found > newest {
        return Err(Error::SchemaTooNew {
            backend: Backend::of(path).to_string(),
            found,
            supported: newest,
        }
        .into());
    }
    if found < newest {
        for step in &MIGRATIONS[found as usize..] {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "user_version", newest as i64)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    end_leases_of_another_boot(&transaction)?;
    transaction.commit()?;
    Ok(())
}

fn version(connection: &Connection) -> Result<u64, Failed> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(u64::try_from(found).unwrap_or(u64::MAX))
}

/// After a reboot nobody of those who held a lease is there, and the boot clock has begun anew.
fn end_leases_of_another_boot(connection: &Connection) -> Result<(), Failed> {
    let current = boot_id()?;
    if is_of_this_boot(connection, &current)? {
        return Ok(());
    }
    connection.execute_batch(include_str!("sql/reboot.sql"))?;
    connection.execute("INSERT INTO machine (boot_id) VALUES (?1)", params![current])?;
    Ok(())
}

fn is_of_this_boot(connection: &Connection, current: &str) -> Result<bool, Failed> {
    let known: Option<String> = connection
        .query_row("SELECT boot_id FROM machine", [], |row| row.get(0))
        .optional()?;
    Ok(known.as_deref() == Some(current))
}

fn boot_id() -> Result<String, Error> {
    clock::boot_id().map_err(|error| Error::Invalid {
        what: "this machine",
        problem: format!("it does not name its boot, by which leases on a SQLite file go: {error}"),
    })
}
