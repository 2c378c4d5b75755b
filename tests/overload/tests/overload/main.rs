//! Floods in the size of a test, with real processes, on every backend.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

use oqron_overload::place::{Backend, Place};
use oqron_overload::scenario::{
    CROWD, FAST_PUBLISHER, LARGE_RESULTS, MANY_TOPICS, MANY_WAITING, Scenario, Size, TALK,
};

mod few_connections;

const PROGRAM: &str = env!("CARGO_BIN_EXE_overload");

macro_rules! on_each_backend {
    ($($test:ident: $scenario:expr),+ $(,)?) => {
        on_each_backend!(@backend sqlite Sqlite $($test $scenario)+);
        on_each_backend!(@backend redis Redis $($test $scenario)+);
        on_each_backend!(@backend postgres Postgres $($test $scenario)+);
    };
    (@backend $module:ident $backend:ident $($test:ident $scenario:expr)+) => {
        mod $module {
            use super::*;

            $(
                #[tokio::test]
                async fn $test() {
                    flood(Backend::$backend, $scenario).await;
                }
            )+
        }
    };
}

on_each_backend! {
    many_waiting_jobs_are_all_done_while_another_topic_works: MANY_WAITING,
    a_publisher_that_is_faster_than_its_worker_loses_nothing: FAST_PUBLISHER,
    results_as_large_as_they_may_be_are_stored_and_read: LARGE_RESULTS,
    handlers_that_never_stop_talking_keep_their_leases_and_a_capped_log: TALK,
    a_thousand_topics_are_counted_and_some_worked_on: MANY_TOPICS,
    two_hundred_workers_are_present_and_then_die_while_one_works: CROWD,
}

async fn flood(backend: Backend, scenario: Scenario) {
    // A crowd would take the connections of the other tests.
    let place = match scenario.name == CROWD.name {
        true => Place::alone(backend, PROGRAM).await,
        false => Place::shared(backend, PROGRAM).await,
    };
    scenario.run(&place, Size::Test).await;
}
