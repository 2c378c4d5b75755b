//! The wrapper and the files, with the in-memory backend between them.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use oqron_core::{
    Claim, Config, Consume, Delivery, Encoded, Format, Heartbeat, Held, NewJob, Outcome, Publish, Settlement,
    Turn,
};

use super::story::{id, topic, worker};
use crate::history::{Beat, History, Reader, Record, Recorder, Recording, Rules, What};
use crate::memory::{MemoryConsume, MemoryOperate, MemoryPublish};

fn payload() -> Encoded {
    Encoded::new(Format::JSON, b"1".to_vec())
}

#[tokio::test]
async fn what_two_processes_did_is_read_as_it_grows_and_passes_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::new("memory:recorded").unwrap();
    let publisher = Recorder::create(folder.path(), "publisher").unwrap();
    let recorder = Recorder::create(folder.path(), "worker").unwrap();
    let backend: Arc<dyn Publish> = Arc::new(MemoryPublish::connect(&config).await.unwrap());
    let publish = Recording::new(backend, publisher);
    let backend: Arc<dyn Consume> = Arc::new(MemoryConsume::connect(&config).await.unwrap());
    let consume = Recording::new(backend, Arc::clone(&recorder));
    let mut reader = Reader::new(folder.path());
    let (topic, worker) = (topic(), worker("first"));

    let job = NewJob::new(payload()).with_id(id("a"));
    publish.enqueue(&topic, &[job]).await.unwrap();
    assert_eq!(reader.read_on().unwrap().len(), 4);
    let claim = Claim {
        max: 1,
        lease_ttl: Duration::from_secs(30),
        delivery: Delivery::AtLeastOnce,
        max_stalls: 3,
    };
    let mut turn = Turn {
        worker: &worker,
        topic: &topic,
        line: 0,
        request: 1,
        settlements: &[],
        claim: Some(claim),
    };
    let lease = consume.turn(&turn).await.unwrap().leases.remove(0);
    let running = recorder.run(&topic, &lease.id, lease.token, lease.attempt, &worker);
    let heartbeat = Heartbeat {
        worker: &worker,
        topic: &topic,
        through: 1,
        lease_ttl: Duration::from_secs(30),
        held: &[Held::new(lease.id.clone(), lease.token)],
    };
    consume.heartbeat(&heartbeat).await.unwrap();
    running.ended(None);
    let settlement = Settlement::new(lease.id, lease.token, Outcome::Complete(payload()));
    let settlements = [settlement];
    (turn.request, turn.settlements, turn.claim) = (2, &settlements, None);
    consume.turn(&turn).await.unwrap();

    let events = reader.read_on().unwrap().to_vec();
    let renewed = What::Answered {
        call: 1,
        answer: crate::history::Answer::Beaten(vec![Beat::Renewed]),
    };
    assert!(events.iter().any(|event| event.what == renewed), "{events:#?}");
    let operator = MemoryOperate::connect(&config).await.unwrap();
    let records = Record::all(&operator, &topic).await.unwrap();
    let summary = History::new(events, records).check(&Rules::default()).unwrap();
    assert_eq!((summary.processes, summary.completed, summary.runs), (2, 1, 1));
}

#[test]
fn a_line_that_a_killed_process_did_not_finish_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::create(folder.path(), "killed").unwrap();
    recorder.up(None);
    let path = std::fs::read_dir(folder.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(b"{\"at\":17,\"wha").unwrap();

    let mut reader = Reader::new(folder.path());
    assert_eq!(reader.read_on().unwrap().len(), 2);
    file.write_all(b"t\":{\"up\":{\"worker\":null}}}\n").unwrap();
    let events = reader.read_on().unwrap();
    assert_eq!((events.len(), events[2].at.0), (3, 17));
}

#[test]
fn a_handler_that_is_dropped_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::create(folder.path(), "worker").unwrap();
    drop(recorder.run(&topic(), &id("a"), oqron_core::Token(1), 1, &worker("first")));
    let mut reader = Reader::new(folder.path());
    let text = format!("{:?}", reader.read_on().unwrap());
    assert!(text.contains("Dropped"), "{text}");
}
