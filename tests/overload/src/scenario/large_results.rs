use super::{Flood, Row, Size, work_json};
use crate::load::{FLOOD, Work};
use crate::place::Place;

/// So many MiB for each job under way: its result is in the worker's hands as text, encoded, and on its way.
const BOUND_MIB: f64 = 10.0;
/// With its quotes, exactly the limit.
const RESULT: usize = 1024 * 1024 - 2;

pub(super) async fn run(place: &Place, size: Size) -> Row {
    // More of them than the bound has room for.
    let (jobs, concurrency) = size.pick((250, 20), (1_000, 50));
    let mut worker = place
        .process("work")
        .option("flood", concurrency)
        .option("other", 4)
        .start();
    let flood = Flood::begin(place);
    let publisher = place
        .process("publish")
        .option("jobs", jobs)
        .option("tasks", concurrency)
        .option("work", work_json(Work::Result(RESULT)))
        .option("results", RESULT);
    let published = publisher.start().ended().await;
    assert_eq!(published.count, jobs);
    place.all_completed(&FLOOD.name().unwrap(), jobs).await;
    let worked = worker.peak_mib();
    let what = format!("{jobs} results of 1 MiB, concurrency {concurrency}, each read by the publisher");
    let row = flood
        .end(what, Some(published), worked, BOUND_MIB * concurrency as f64)
        .await;
    assert_eq!(worker.stop().await.count, jobs, "each ran once");
    row
}
