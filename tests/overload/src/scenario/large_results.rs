use super::{Flood, Row, Size, work_json};
use crate::load::{FLOOD, Work};
use crate::place::Place;

/// Fifty results at a time are in the worker's hands, each as text, encoded, and on its way.
const BOUND_MIB: f64 = 384.0;
/// With its quotes, exactly the limit.
const RESULT: usize = 1024 * 1024 - 2;
const CONCURRENCY: usize = 50;

pub(super) async fn run(place: &Place, size: Size) -> Row {
    let jobs = size.pick(500, 2_000);
    let mut worker = place
        .process("work")
        .option("flood", CONCURRENCY)
        .option("other", 4)
        .start();
    let flood = Flood::begin(place);
    let publisher = place
        .process("publish")
        .option("jobs", jobs)
        .option("tasks", CONCURRENCY)
        .option("work", work_json(Work::Result(RESULT)))
        .option("results", RESULT);
    let published = publisher.start().ended().await;
    assert_eq!(published.count, jobs);
    place.all_completed(&FLOOD.name().unwrap(), jobs).await;
    let worked = worker.peak_mib();
    let what = format!("{jobs} results of 1 MiB, concurrency {CONCURRENCY}, each read by the publisher");
    let row = flood.end(what, Some(published), worked, BOUND_MIB).await;
    assert_eq!(worker.stop().await.count, jobs, "each ran once");
    row
}
