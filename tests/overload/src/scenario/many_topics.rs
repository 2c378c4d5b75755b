use futures::{StreamExt, stream};

use super::{Flood, Row, Size, work_json};
use crate::load::{Work, numbered};
use crate::place::Place;

const BOUND_MIB: f64 = 128.0;
/// Of these the worker works on.
const WORKED_ON: usize = 20;
/// Topics that are counted at the same time.
const LOOKS: usize = 16;
const JOBS_A_TOPIC: u64 = 3;

pub(super) async fn run(place: &Place, size: Size) -> Row {
    let topics = size.pick(1_000, 10_000);
    let jobs = topics as u64 * JOBS_A_TOPIC;
    let mut worker = place
        .process("work")
        .option("topics", WORKED_ON)
        .option("other", 4)
        .start();
    let flood = Flood::begin(place);
    let publisher = place
        .process("publish")
        .option("jobs", jobs)
        .option("tasks", 16)
        .option("batch", JOBS_A_TOPIC)
        .option("topics", topics)
        .option("work", work_json(Work::Nothing));
    let published = publisher.start().ended().await;
    assert_eq!(published.count, jobs);

    let known = place.operator.topics().await.unwrap();
    assert_eq!(known.len(), topics + 1, "the flooded ones and the other");
    let checked = (0..topics).map(async |number| {
        let topic = numbered(number).name().unwrap();
        if number < WORKED_ON {
            place.all_completed(&topic, JOBS_A_TOPIC).await;
        } else {
            let counts = place.counts(&topic).await;
            assert_eq!(counts.waiting, JOBS_A_TOPIC, "{topic}: {counts:?}");
        }
    });
    let checked = stream::iter(checked).buffer_unordered(LOOKS);
    assert_eq!(checked.count().await, topics);
    let what = format!("{topics} topics with {JOBS_A_TOPIC} jobs each, a worker of {WORKED_ON}");
    let row = flood
        .end(what, Some(published), worker.peak_mib(), BOUND_MIB)
        .await;
    assert_eq!(worker.stop().await.count, WORKED_ON as u64 * JOBS_A_TOPIC);
    row
}
