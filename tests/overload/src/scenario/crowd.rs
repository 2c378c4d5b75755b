use super::{Flood, Row, Size, work_json};
use crate::load::{FLOOD, Work};
use crate::place::{Place, eventually};

const BOUND_MIB: f64 = 96.0;

pub(super) async fn run(place: &Place, size: Size) -> Row {
    let (workers, jobs) = size.pick((200, 2_000), (1_000, 20_000));
    let mut worker = place
        .process("work")
        .option("flood", 8)
        .option("other", 4)
        .start();
    let mut crowd = place.process("crowd").option("workers", workers).start();
    crowd.says("are present").await;
    let listed = place.operator.workers().await.unwrap();
    let in_crowd = listed.iter().filter(|worker| worker.info.host == "crowd");
    assert_eq!(in_crowd.count(), workers);

    let flood = Flood::begin(place);
    let publisher = place
        .process("publish")
        .option("jobs", jobs)
        .option("tasks", 20)
        .option("work", work_json(Work::Nothing));
    let published = publisher.start().ended().await;
    let topic = FLOOD.name().unwrap();
    place.all_completed(&topic, jobs).await;
    let crowd_mib = crowd.peak_mib();

    // All of them die at once, and nobody else notices.
    crowd.kill();
    let publisher = place
        .process("publish")
        .option("jobs", jobs)
        .option("tasks", 20)
        .option("work", work_json(Work::Nothing));
    publisher.start().ended().await;
    place.all_completed(&topic, 2 * jobs).await;
    eventually("the end of the flood's leases", async || {
        (place.counts(&topic).await.active == 0).then_some(())
    })
    .await;
    let what =
        format!("{workers} workers present ({crowd_mib:.0} MiB together), one works on 2 × {jobs} jobs");
    let row = flood
        .end(what, Some(published), worker.peak_mib(), BOUND_MIB)
        .await;
    assert_eq!(worker.stop().await.count, 2 * jobs, "each ran once");
    row
}
