//! Connections that end, that cannot be had, and that have to wait.

use std::time::Duration;

use oqron_core::{Error, JobId};
use oqron_testing::servers::{PostgresOptions, postgres_url};

use crate::load::{Call, Load, config, eventually};
use crate::{client, in_runtime, server};

#[test]
fn sessions_that_are_terminated_under_load_cost_no_job() {
    let server = server(PostgresOptions::new());
    in_runtime(async {
        let load = Load::start(&config(&server.url()), 3, 3).await;
        let admin = client(&server.url()).await;
        for _ in 0..10 {
            admin
                .batch_execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity
                     where pid <> pg_backend_pid() and backend_type = 'client backend'",
                )
                .await
                .unwrap();
            load.goes_on(50).await;
        }
        eventually("workers join again", async || (load.joined() > 3).then_some(())).await;
        let is_unavailable = |error: &Error| matches!(error, Error::Unavailable { .. });
        assert!(
            load.only_failed_by(is_unavailable),
            "{:?}",
            load.errors(Call::Turn)
        );
        load.finish().await;
    });
}

#[test]
fn too_few_connections_are_a_clear_error_and_it_goes_on() {
    let server = server(PostgresOptions::new().setting("max_connections", "8"));
    in_runtime(async {
        let load = Load::start(&config(&server.url()), 8, 4).await;
        eventually("somebody gets none", async || {
            let errors = [
                load.errors(Call::Add),
                load.errors(Call::Turn),
                load.errors(Call::Presence),
            ];
            let clear = |error: &String| error.contains("max_connections") && error.contains("pool_size");
            errors.concat().iter().any(clear).then_some(())
        })
        .await;
        load.goes_on(200).await;
        let is_unavailable =
            |error: &Error| matches!(error, Error::Unavailable { .. } | Error::Timeout { .. });
        assert!(
            load.only_failed_by(is_unavailable),
            "{:?}",
            load.errors(Call::Turn)
        );
        load.finish().await;
    });
}

#[test]
fn a_lock_on_the_table_ends_calls_at_their_timeout_and_nothing_is_lost() {
    let schema = format!("t_{}", JobId::generate().as_str().replace('-', ""));
    let url = postgres_url();
    let sign = if url.contains('?') { '&' } else { '?' };
    let mut config = config(&format!("{url}{sign}schema={schema}"));
    config.call_timeout = Duration::from_secs(1);
    in_runtime(async {
        let load = Load::start(&config, 2, 2).await;
        let mut admin = client(&url).await;
        let transaction = admin.transaction().await.unwrap();
        transaction
            .batch_execute(&format!("lock table {schema}.jobs in access exclusive mode"))
            .await
            .unwrap();
        // The lock stays until both have given up more than once: a call without an end would wait for ever.
        for call in [Call::Add, Call::Turn] {
            eventually("calls end", async || (load.errors(call).len() > 2).then_some(())).await;
        }
        transaction.rollback().await.unwrap();
        load.goes_on(200).await;
        let is_timeout = |error: &Error| matches!(error, Error::Timeout { .. });
        assert!(load.only_failed_by(is_timeout), "{:?}", load.errors(Call::Turn));
        load.finish().await;
        let drop = format!("drop schema {schema} cascade");
        admin.batch_execute(&drop).await.unwrap();
    });
}

#[test]
fn old_snapshots_hold_nothing_up_for_good() {
    let server = server(PostgresOptions::new());
    in_runtime(async {
        let load = Load::start(&config(&server.url()), 2, 2).await;
        let (reading, writing) = (client(&server.url()).await, client(&server.url()).await);
        let begin = "begin isolation level repeatable read; select count(*) from oqron.jobs";
        reading.batch_execute(begin).await.unwrap();
        writing
            .batch_execute("create table writes (n int)")
            .await
            .unwrap();
        writing
            .batch_execute(&format!("{begin}; insert into writes values (1)"))
            .await
            .unwrap();
        load.goes_on(2_000).await;
        assert_eq!(load.errors(Call::Turn), Vec::<String>::new());
        load.finish().await;
        for pinned in [&reading, &writing] {
            pinned.batch_execute("commit").await.unwrap();
        }
    });
}
