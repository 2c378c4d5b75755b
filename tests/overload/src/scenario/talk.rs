use std::time::Duration;

use oqron::core::limits::LOG_LINES_MAX;

use super::{Flood, Row, Size};
use crate::load::{FLOOD, Load, Work};
use crate::place::{PATIENCE, Place};

const BOUND_MIB: f64 = 96.0;
const TALKERS: usize = 2;
/// The heart has to go on during the talk: without it the lease ends several times.
const TTL: Duration = Duration::from_secs(2);

pub(super) async fn run(place: &Place, size: Size) -> Row {
    let time = size.pick(Duration::from_secs(6), Duration::from_secs(60));
    let worker = place
        .process("work")
        .option("flood", TALKERS)
        .option("other", 4)
        .option("ttl-ms", TTL.as_millis());
    let mut worker = worker.start();
    let flood = Flood::begin(place);
    let load = Load::new(Work::Talk(time.as_millis() as u64), 0);
    let queue = place.publisher.queue(FLOOD);
    let jobs = queue.add_many(&vec![load; TALKERS]).await.unwrap();
    let mut said = 0;
    for job in &jobs {
        said += job.result(PATIENCE).await.unwrap().parse::<u64>().unwrap();
        let record = job.status().await.unwrap().unwrap();
        assert_eq!((record.attempts, record.stalls), (1, 0), "its lease was kept");
        assert!(record.timeline.is_empty(), "{:?}", record.timeline);
        assert_eq!(record.logs.len(), LOG_LINES_MAX);
        let newest = record.logs.last().map_or("", |line| line.text.as_str());
        let number = newest
            .split(' ')
            .nth(1)
            .and_then(|number| number.parse::<u64>().ok());
        assert!(
            number.is_some_and(|number| number % 1_000 == 999),
            "the last line is kept: {newest}"
        );
        assert!(record.progress.is_some());
    }
    let what = format!("{TALKERS} handlers say {said} lines in {time:?}");
    let row = flood.end(what, None, worker.peak_mib(), BOUND_MIB).await;
    worker.stop().await;
    row
}
