//! What somebody edited by hand in a backend, at random: every call that meets it answers, with an error or a dead letter or
//! as if nothing were wrong; nothing panics; and the other jobs of the topic are claimed, renewed, settled and completed.
//!
//! - [`edit`]: what is done to a stored value;
//! - [`case`]: a job in some state, edits of its record, and the calls that then meet it;
//! - [`town`]: the jobs around it, and what must hold for them;
//! - [`redis`], [`sqlite`], [`postgres`]: where a record is stored, and how a hand gets at it;
//! - [`addresses`]: URLs that nobody should have configured.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod addresses;
mod case;
mod edit;
mod postgres;
mod redis;
mod sqlite;
mod town;

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, Once, PoisonError};

use futures::FutureExt;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::runtime::Runtime;

/// A few seconds on each backend; `PROPTEST_CASES` asks for more.
const CASES: u32 = 64;

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Runs the cases on a backend.
fn endure<H: town::Hand>(connect: impl AsyncFn() -> town::Town<H>) {
    note_panics();
    let runtime = Runtime::new().unwrap();
    let town = runtime.block_on(connect());
    let mut config = Config {
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    let tried = TestRunner::new(config).run(&case::case(), |case| {
        let endured = runtime.block_on(endured(&town, &case));
        endured.map_err(TestCaseError::fail)
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
}

/// Runs a case for each of so many fields, and tells all that fail.
fn endure_limits<H: town::Hand>(fields: usize, connect: impl AsyncFn() -> town::Town<H>) {
    note_panics();
    let problems: Vec<String> = Runtime::new().unwrap().block_on(async {
        let town = connect().await;
        let mut problems = Vec::new();
        for case in case::at_the_limits(fields) {
            if let Err(problem) = endured(&town, &case).await {
                let (field, change) = (case.edits[0].field, &case.edits[0].change);
                problems.push(format!("field {field}, {change:?}, {}: {problem}", case.state));
            }
        }
        problems
    });
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

async fn endured<H: town::Hand>(town: &town::Town<H>, case: &case::Case) -> Result<(), String> {
    let endured = AssertUnwindSafe(town.endure(case)).catch_unwind().await;
    let panics = std::mem::take(&mut *PANICS.lock().unwrap_or_else(PoisonError::into_inner));
    match panics.is_empty() {
        true => endured.unwrap_or_else(|_| Err("a panic that nobody noted".to_owned())),
        false => Err(panics.join("\n")),
    }
}

/// A panic in a thread or task of an adapter may show nowhere else.
fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let mut panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
            panics.push(panic.to_string());
            drop(panics);
            usual(panic);
        }));
    });
}

#[test]
fn an_edited_hash_in_redis_stops_nobody() {
    endure(redis::town);
}

#[test]
fn an_edited_row_in_sqlite_stops_nobody() {
    endure(sqlite::town);
}

#[test]
fn an_edited_row_in_postgres_stops_nobody() {
    endure(postgres::town);
}

#[test]
fn a_number_at_its_limit_in_sqlite_stops_nobody() {
    endure_limits(sqlite::COLUMNS, sqlite::town);
}

#[test]
fn a_number_at_its_limit_in_postgres_stops_nobody() {
    endure_limits(postgres::COLUMNS, postgres::town);
}
