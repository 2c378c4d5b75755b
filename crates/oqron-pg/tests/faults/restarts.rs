//! Servers that stop at once, and servers whose place another takes.

use std::time::Duration;

use oqron_core::{Consume, Sight, WorkerId};
use oqron_pg::PgConsume;
use oqron_testing::servers::PostgresOptions;

use crate::load::{Call, Load, config, eventually, topic};
use crate::{client, in_runtime, server};

#[test]
fn an_immediate_shutdown_under_load_loses_no_acknowledged_job() {
    let mut server = server(PostgresOptions::new());
    in_runtime(async {
        let load = Load::start(&config(&server.url()), 3, 3).await;
        for _ in 0..3 {
            server.crash().unwrap();
            server.restart().unwrap();
            load.goes_on(100).await;
        }
        assert_ne!(load.errors(Call::Turn), Vec::<String>::new(), "it was noticed");
        load.finish().await;
    });
}

#[test]
fn a_standby_takes_over_through_a_url_with_both_hosts() {
    let mut primary = server(PostgresOptions::new());
    let standby = primary.start_standby().unwrap();
    let url = format!(
        "postgres://oqron@127.0.0.1:{},127.0.0.1:{}/postgres?target_session_attrs=read-write",
        primary.port(),
        standby.port()
    );
    in_runtime(async {
        let admin = client(&primary.url()).await;
        // What is acknowledged has to be on both; on the copy that alone is left, that would wait for ever.
        admin
            .batch_execute("alter system set synchronous_standby_names = '*'")
            .await
            .unwrap();
        admin.batch_execute("select pg_reload_conf()").await.unwrap();
        eventually("the standby is waited for", async || {
            let ask = "select 1 from pg_stat_replication where state = 'streaming' and sync_state = 'sync'";
            (!admin.query(ask, &[]).await.unwrap().is_empty()).then_some(())
        })
        .await;

        let config = config(&url);
        let load = Load::start(&config, 3, 3).await;
        let before = look(&config).await;
        primary.crash().unwrap();
        let copy = client(&standby.url()).await;
        // Without waiting: a query that lasts can stand in the way of the replay that the promotion waits for.
        let promoted = copy.query_one("select pg_promote(false)", &[]).await.unwrap();
        assert!(promoted.get::<_, bool>(0));
        load.goes_on(200).await;
        let after = look(&config).await;
        load.finish().await;
        assert!(before.server_up.is_some());
        // The postmaster of the copy has run since long before.
        let row = copy
            .query_one(
                "select extract(epoch from now() - pg_postmaster_start_time())::float8",
                &[],
            )
            .await
            .unwrap();
        let postmaster = Duration::from_secs_f64(row.get(0));
        assert!(after.server_up.unwrap() < postmaster, "{after:?} {postmaster:?}");
    });
}

/// A machine that is frozen: the kernel takes connections, and nobody answers.
#[test]
fn a_host_that_takes_connections_and_says_nothing_is_passed_over() {
    let server = server(PostgresOptions::new());
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!(
        "postgres://oqron@127.0.0.1:{port},127.0.0.1:{}/postgres?target_session_attrs=read-write",
        server.port()
    );
    in_runtime(async {
        let load = Load::start(&config(&url), 1, 1).await;
        for call in [Call::Add, Call::Turn, Call::Presence] {
            assert_eq!(load.errors(call), Vec::<String>::new());
        }
        load.finish().await;
    });
}

#[test]
fn a_run_of_the_server_begins_anew_when_a_session_crashes() {
    let server = server(PostgresOptions::new());
    in_runtime(async {
        let config = config(&server.url());
        let old_enough = Duration::from_secs(2);
        eventually("the server has run for a while", async || {
            (look(&config).await.server_up? >= old_enough).then_some(())
        })
        .await;
        let victim = client(&server.url()).await;
        let row = victim.query_one("select pg_backend_pid()", &[]).await.unwrap();
        let pid: i32 = row.get(0);
        // All other sessions go with it, and so every presence; the postmaster itself runs on.
        let killed = std::process::Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .status();
        assert!(killed.unwrap().success());
        eventually("the session is gone", async || victim.is_closed().then_some(())).await;
        let after = eventually("the server is back", async || {
            let consume = PgConsume::connect(&config).await.ok()?;
            consume
                .look(&WorkerId::generate("looker"), &[topic()])
                .await
                .ok()?
        })
        .await;
        assert!(after.server_up.unwrap() < old_enough, "{after:?}");
    });
}

async fn look(config: &oqron_core::Config) -> Sight {
    let consume = PgConsume::connect(config).await.unwrap();
    let sight = consume
        .look(&WorkerId::generate("looker"), &[topic()])
        .await
        .unwrap();
    sight.expect("everybody may look")
}
