//! A record in SQLite: a row, whose columns have strict types and no other checks.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use oqron::core::WorkerId;
use oqron::{Config, TopicName};
use oqron_sqlite::{SqliteConsume, SqliteOperate, SqlitePublish};
use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

use crate::edit::{Change, Edit};
use crate::town::{Hand, Town};

/// Of a row, without its number.
pub(crate) const COLUMNS: usize = 33;

pub(crate) struct SqliteHand {
    path: PathBuf,
    _folder: TempDir,
}

pub(crate) async fn town() -> Town<SqliteHand> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let config = Config::new(format!("sqlite:{}", path.display())).unwrap();
    Town {
        publish: Arc::new(SqlitePublish::connect(&config).await.unwrap()),
        consume: Arc::new(SqliteConsume::connect(&config).await.unwrap()),
        operate: Arc::new(SqliteOperate::connect(&config).await.unwrap()),
        hand: SqliteHand {
            path,
            _folder: folder,
        },
        topics: Default::default(),
    }
}

impl Hand for SqliteHand {
    async fn edit(&self, topic: &TopicName, id: &str, _worker: &WorkerId, edits: &[Edit]) {
        let connection = Connection::open(&self.path).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        let (seq, columns) = {
            let mut statement = connection
                .prepare(
                    "SELECT * FROM jobs WHERE id = ?1 AND topic = (SELECT id FROM topics WHERE name = ?2)",
                )
                .unwrap();
            let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
            let seq: i64 = statement
                .query_row((id, topic.as_str()), |row| row.get("seq"))
                .unwrap();
            (seq, columns)
        };
        for edit in edits {
            // A row that has got another number is another row to whoever remembers it; its number stays.
            let column = &columns[1..][edit.field % (columns.len() - 1)];
            let read = format!("SELECT {column} FROM jobs WHERE seq = ?1");
            let old: Value = connection
                .query_row(&read, [seq], |row| row.get(0))
                .unwrap_or(Value::Null);
            let declared: String = connection
                .query_row(
                    "SELECT type FROM pragma_table_info('jobs') WHERE name = ?1",
                    [column],
                    |row| row.get(0),
                )
                .unwrap();
            let (new, write) = changed(&declared, old, &edit.change);
            let write = format!("UPDATE jobs SET {column} = {write} WHERE seq = ?2");
            // What a constraint refuses has not happened.
            let _ = connection.execute(&write, (new, seq));
        }
    }
}

/// The new value, and how it is written: SQLite takes bytes for a text only by a cast, and then any bytes.
fn changed(declared: &str, old: Value, change: &Change) -> (Value, &'static str) {
    let bytes = match &old {
        Value::Text(text) => text.clone().into_bytes(),
        Value::Blob(bytes) => bytes.clone(),
        _ => Vec::new(),
    };
    let number = match old {
        Value::Integer(number) => number,
        _ => 0,
    };
    match declared {
        "INTEGER" => (change.of_number(number).map_or(Value::Null, Value::Integer), "?1"),
        "TEXT" => (
            change.of_bytes(bytes).map_or(Value::Null, Value::Blob),
            "CAST(?1 AS TEXT)",
        ),
        _ => (change.of_bytes(bytes).map_or(Value::Null, Value::Blob), "?1"),
    }
}
