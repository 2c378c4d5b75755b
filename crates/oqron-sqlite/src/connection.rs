//! Opening a connection: pragmas, the wait for a lock, the schema.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::Failed;
use crate::location::Synchronous;
use crate::schema;

/// Prepared statements that a connection keeps. There are fewer than this.
const STATEMENTS: usize = 128;

/// Pages that a connection keeps. Steps work at the ends of the indexes, so a few pages are all they come back to: neither
/// adds nor drains, nor those with a large backlog, are faster with thirty times as many.
const WRITER_CACHE_KIB: i32 = 512;
const READER_CACHE_KIB: i32 = 256;

/// A connection that may write, to a file whose schema is made or brought up to date.
pub(crate) fn open_writer(
    path: &Path,
    synchronous: Synchronous,
    busy_timeout: Duration,
) -> Result<Connection, Failed> {
    let mut connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    wait_when_busy(&mut connection, busy_timeout)?;
    schema::refuse_strangers(&connection, path)?;
    use_wal(&connection, busy_timeout)?;
    connection.pragma_update(
        None,
        "synchronous",
        match synchronous {
            Synchronous::Full => "full",
            Synchronous::Normal => "normal",
        },
    )?;
    configure(&connection, WRITER_CACHE_KIB)?;
    // Frames to gather before they are copied into the file: more of them share the copy of a page that changes often.
    connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    schema::migrate(&mut connection, path)?;
    Ok(connection)
}

/// A connection that only reads, to a file that a writer has prepared.
pub(crate) fn open_reader(path: &Path, busy_timeout: Duration) -> Result<Connection, Failed> {
    let mut connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    wait_when_busy(&mut connection, busy_timeout)?;
    configure(&connection, READER_CACHE_KIB)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn configure(connection: &Connection, cache_kib: i32) -> Result<(), Failed> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // A plan may depend on the values that are bound, and is made anew with every new value, unless that is forbidden: seven
    // statements of each turn were.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    Ok(())
}

/// Waits for other processes in small steps: their transactions take a millisecond, and SQLite's own handler sleeps up
/// to a tenth of a second.
fn wait_when_busy(connection: &mut Connection, limit: Duration) -> Result<(), Failed> {
    let mut since = Instant::now();
    connection.busy_handler(Some(move |tries: i32| {
        if tries == 0 {
            since = Instant::now();
        }
        if since.elapsed() >= limit {
            return false;
        }
        std::thread::sleep(match tries {
            0..10 => Duration::from_micros(200),
            10..100 => Duration::from_millis(1),
            _ => Duration::from_millis(5),
        });
        true
    }))?;
    Ok(())
}

/// Switching a new file to WAL needs it alone, and SQLite does not ask the busy handler for that: of ten processes that
/// start at once, nine are turned away and come back here.
fn use_wal(connection: &Connection, limit: Duration) -> Result<(), Failed> {
    let until = Instant::now() + limit;
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0)) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                return Err(crate::location::invalid(format!(
                    "the file's journal stays in mode {mode:?} and cannot be shared by processes; \
                     put it on a disk where memory can be mapped"
                ))
                .into());
            }
            Err(error) if is_busy(&error) && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_statement_is_not_prepared_again_for_other_values() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        std::fs::File::create_new(&path).unwrap();
        let connection = open_writer(&path, Synchronous::Full, Duration::from_secs(1)).unwrap();
        let mut first_waiting = connection
            .prepare("SELECT seq FROM jobs WHERE topic = ?1 AND state = 1 ORDER BY place LIMIT ?2")
            .unwrap();
        for value in 1..=3 {
            assert!(!first_waiting.exists([value, value]).unwrap());
        }
        assert_eq!(first_waiting.get_status(StatementStatus::RePrepare), 0);
    }
}
