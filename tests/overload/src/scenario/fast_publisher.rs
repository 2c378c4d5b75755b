use super::{Flood, Row, Size, all, work_json};
use crate::load::{FLOOD, Work};
use crate::place::{Place, eventually};

const BOUND_MIB: f64 = 96.0;
const PADDING: usize = 12 * 1024;
const TASKS: usize = 100;

pub(super) async fn run(place: &Place, size: Size) -> Row {
    let jobs = size.pick(10_000, 100_000);
    let mut worker = place
        .process("work")
        .option("flood", 4)
        .option("other", 4)
        .start();
    let flood = Flood::begin(place);
    let mut publisher = place
        .process("publish")
        .option("jobs", jobs)
        .option("tasks", TASKS)
        .option("padding", PADDING)
        .option("work", work_json(Work::Slow(20)))
        .start();
    let topic = FLOOD.name().unwrap();
    // At every moment there are no more than were asked for, and none of them fails.
    eventually("the end of the publisher", async || {
        let counts = place.counts(&topic).await;
        assert!(all(&counts) <= jobs && counts.failed == 0, "{counts:?}");
        publisher.has_ended().then_some(())
    })
    .await;
    let published = publisher.ended().await;
    let counts = place.counts(&topic).await;
    assert_eq!((published.count, all(&counts)), (jobs, jobs), "{counts:?}");
    assert!(
        counts.waiting > 0,
        "the worker is to be the slower one: {counts:?}"
    );
    eventually("a job done", async || {
        (place.counts(&topic).await.completed > 0).then_some(())
    })
    .await;

    let what = format!("{jobs} jobs of {PADDING} bytes from {TASKS} tasks, one at a time");
    let peak = worker.peak_mib();
    let row = flood.end(what, Some(published), peak, BOUND_MIB).await;
    let worked = worker.stop().await;
    let counts = place.counts(&topic).await;
    assert_eq!(
        (counts.active, counts.completed),
        (0, worked.count),
        "what ran is recorded, and what did not waits: {counts:?}"
    );
    assert_eq!(all(&counts), jobs);
    row
}
