use super::{Flood, Row, Size, work_json};
use crate::load::{FLOOD, Work};
use crate::place::Place;

/// A process that kept the jobs would have more.
const BOUND_MIB: f64 = 88.0;
const PADDING: usize = 2 * 1024;

pub(super) async fn run(place: &Place, size: Size) -> Row {
    let jobs = size.pick(50_000, 1_000_000);
    let other = place.process("work").option("other", 4).start();
    let flood = Flood::begin(place);
    let publisher = place
        .process("publish")
        .option("jobs", jobs)
        .option("batch", 500)
        .option("padding", PADDING)
        .option("work", work_json(Work::Nothing));
    let published = publisher.start().ended().await;
    assert_eq!(published.count, jobs);
    let topic = FLOOD.name().unwrap();
    assert_eq!(place.counts(&topic).await.waiting, jobs);

    let mut worker = place.process("work").option("flood", 200).start();
    place.all_completed(&topic, jobs).await;
    let worked = worker.stop().await;
    assert_eq!(worked.count, jobs, "each ran once");
    let what = format!("{jobs} jobs of {PADDING} bytes wait, then are done");
    flood
        .end(
            what,
            Some(published),
            worked.peak_mib.max(other.peak_mib()),
            BOUND_MIB,
        )
        .await
}
