//! PgBouncer in transaction mode: no session is anybody's own.

use oqron_core::{Consume, Error, WorkerId, WorkerInfo};
use oqron_pg::{PgConsume, PgPublish};
use oqron_testing::servers::{PgBouncer, PostgresOptions};

use crate::load::{Call, Load, config, topic};
use crate::log::logged_while;
use crate::{in_runtime, server};

#[test]
fn everything_works_behind_a_pooler_without_wake_ups_and_presence() {
    let server = server(PostgresOptions::new());
    let pooler = PgBouncer::start(&server).unwrap();
    in_runtime(async {
        let config = config(&format!("{}?prepared=false", pooler.url()));
        let load = Load::start(&config, 4, 4).await;
        load.goes_on(500).await;
        for call in [Call::Add, Call::Turn, Call::Presence] {
            assert_eq!(load.errors(call), Vec::<String>::new());
        }
        load.finish().await;
    });
}

#[test]
fn presence_is_off_behind_a_pooler_and_that_is_said_once() {
    let server = server(PostgresOptions::new());
    let pooler = PgBouncer::start(&server).unwrap();
    let log = logged_while(async {
        let config = config(&format!("{}?prepared=false", pooler.url()));
        let consume = PgConsume::connect(&config).await.unwrap();
        for _ in 0..2 {
            let info = WorkerInfo::new(WorkerId::generate("one"), vec![topic()], 1, "here");
            let presence = consume.join(&info).await.unwrap();
            assert!(!presence.wakes() && !presence.is_seen());
            assert_eq!(consume.look(&info.id, &[topic()]).await.unwrap(), None);
        }
        // Seen from outside of the pooler, nobody is missed.
        let mut direct = config.clone();
        direct.url = oqron_core::BackendUrl::new(server.url()).unwrap();
        let direct = PgConsume::connect(&direct).await.unwrap();
        let sight = direct
            .look(&WorkerId::generate("looker"), &[topic()])
            .await
            .unwrap();
        assert_eq!(sight.unwrap().absent, []);
    });
    assert_eq!(log.matches("nobody can see whether a worker lives").count(), 1);
}

#[test]
fn a_pooler_that_was_not_named_is_recognised_by_its_refusal() {
    let server = server(PostgresOptions::new());
    let pooler = PgBouncer::start(&server).unwrap();
    in_runtime(async {
        let error = PgPublish::connect(&config(&pooler.url())).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
        assert!(error.to_string().contains("prepared=false"), "{error}");
    });
}
