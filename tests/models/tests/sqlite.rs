//! SQLite answers as the model does.

use std::sync::Arc;

use oqron_core::{Config, Error};
use oqron_models::{Backend, Opened, Pair};
use oqron_sqlite::{SqliteConsume, SqliteOperate, SqlitePublish};
use oqron_testing::conformance::Handles;
use proptest::prelude::ProptestConfig;
use proptest_state_machine::prop_state_machine;

struct Sqlite;

impl Backend for Sqlite {
    fn url() -> String {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        // The handles keep the file for the whole test, and no folder is dropped before them.
        format!("sqlite:{}", folder.keep().join("jobs.db").display())
    }

    async fn open(config: &Config) -> Result<Handles, Error> {
        Ok(Handles {
            publish: Arc::new(SqlitePublish::connect(config).await?),
            consume: Arc::new(SqliteConsume::connect(config).await?),
            operate: Arc::new(SqliteOperate::connect(config).await?),
        })
    }

    fn opened() -> &'static Opened {
        static OPENED: Opened = Opened::new::<Sqlite>();
        &OPENED
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig {
        cases: 80,
        failure_persistence: None,
        max_shrink_time: 60_000,
        ..ProptestConfig::default()
    })]
    #[test]
    fn any_sequence_of_steps_is_answered_as_by_the_model(sequential 1..60 => Pair<Sqlite>);
}
