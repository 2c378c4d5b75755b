//! A record in PostgreSQL: a row of one of two tables, whose columns have types and few checks.

use std::sync::Arc;

use oqron::core::WorkerId;
use oqron::{Config, JobId, TopicName};
use oqron_pg::{PgConsume, PgOperate, PgPublish};
use oqron_testing::servers::postgres_url;
use tokio_postgres::{Client, NoTls};

use crate::edit::Edit;
use crate::town::{Hand, Town};

/// Of a row of `jobs`.
pub(crate) const COLUMNS: usize = 29;

pub(crate) struct PostgresHand {
    client: Client,
    namespace: String,
}

pub(crate) async fn town() -> Town<PostgresHand> {
    let environment = JobId::generate().to_string();
    let config = Config::new(postgres_url()).unwrap();
    let config = config.namespace("damage", &environment).unwrap();
    let (client, connection) = tokio_postgres::connect(&postgres_url(), NoTls).await.unwrap();
    // It ends with the client.
    tokio::spawn(connection);
    Town {
        publish: Arc::new(PgPublish::connect(&config).await.unwrap()),
        consume: Arc::new(PgConsume::connect(&config).await.unwrap()),
        operate: Arc::new(PgOperate::connect(&config).await.unwrap()),
        hand: PostgresHand {
            client,
            namespace: config.namespace.to_string(),
        },
        topics: Default::default(),
    }
}

impl Hand for PostgresHand {
    async fn edit(&self, topic: &TopicName, id: &str, _worker: &WorkerId, edits: &[Edit]) {
        let topics = "select id from oqron.topics where namespace = $1 and name = $2";
        let row = self
            .client
            .query_one(topics, &[&self.namespace, &topic.as_str()])
            .await
            .unwrap();
        let topic: i32 = row.get(0);
        let mut id = id.to_owned();
        for edit in edits {
            for table in ["jobs", "finished"] {
                if let Some(new_id) = self.edit_row(table, topic, &id, edit).await {
                    id = new_id;
                }
            }
        }
    }
}

impl PostgresHand {
    /// The row's id, if that was what was edited.
    async fn edit_row(&self, table: &str, topic: i32, id: &str, edit: &Edit) -> Option<String> {
        let columns = "select column_name::text, data_type::text from information_schema.columns \
                       where table_schema = 'oqron' and table_name = $1 order by ordinal_position";
        let columns = self.client.query(columns, &[&table]).await.unwrap();
        let column = &columns[edit.field % columns.len()];
        let (name, kind): (&str, &str) = (column.get(0), column.get(1));
        let update =
            |value: &str| format!("update oqron.{table} set {name} = {value} where topic = $1 and id = $2");
        let read = |value: &str| format!("select {value} from oqron.{table} where topic = $1 and id = $2");
        match kind {
            "bytea" | "text" | "ARRAY" => {
                let old = match kind {
                    "bytea" => read(&format!("coalesce({name}, '')")),
                    "text" => read(&format!("convert_to(coalesce({name}, ''), 'UTF8')")),
                    _ => read(&format!("convert_to(coalesce(({name})[1], ''), 'UTF8')")),
                };
                let row = self.client.query_opt(&old, &[&topic, &id]).await.unwrap()?;
                let new = edit.change.of_bytes(row.get(0));
                let as_text = new
                    .as_ref()
                    .map(|bytes| String::from_utf8_lossy(bytes).replace('\0', ""));
                // What a constraint refuses has not happened.
                let edited = match kind {
                    "bytea" => self.client.execute(&update("$3"), &[&topic, &id, &new]).await,
                    "text" => self.client.execute(&update("$3"), &[&topic, &id, &as_text]).await,
                    _ => {
                        let list = as_text.clone().map(|text| vec![Some(text), None]);
                        self.client.execute(&update("$3"), &[&topic, &id, &list]).await
                    }
                };
                (edited.is_ok() && name == "id").then_some(as_text).flatten()
            }
            "boolean" => {
                let new = edit.change.of_number(0).map(|number| number % 2 == 0);
                let _ = self.client.execute(&update("$3"), &[&topic, &id, &new]).await;
                None
            }
            _ => {
                let old = read(&format!("coalesce({name}, 0)::bigint"));
                let row = self.client.query_opt(&old, &[&topic, &id]).await.unwrap()?;
                let limit = match kind {
                    "smallint" => i16::MAX.into(),
                    "integer" => i32::MAX.into(),
                    _ => i64::MAX,
                };
                // A topic that is another one takes the job out of this one.
                let new = edit.change.of_number(row.get(0))?.clamp(-limit, limit);
                let _ = self
                    .client
                    .execute(&update(&format!("({new})::{kind}")), &[&topic, &id])
                    .await;
                None
            }
        }
    }
}
