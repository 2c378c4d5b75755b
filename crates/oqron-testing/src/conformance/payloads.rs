//! Bytes and texts come back as they were given.

use oqron_core::{
    Encoded, Format, Held, JobFailure, LogLine, NewJob, Outcome, Progress, Settlement, TimelineKind,
    Timestamp,
};

use super::Bench;
use super::bench::{id, job, job_with, json};

/// The ends of every plane of Unicode that has characters, and what confuses quoting.
const TEXT: &str = "plain äöü ß \u{7ff}\u{800} 漢字 \u{ffff} 😀 \u{10000} \u{1ffff} \u{20000} \u{3134a} \
                    \u{e0001} \u{f0000} \u{10ffff} e\u{301} \u{202e}rtl\u{202c} '\"\\`${}%_;--{{}}";

/// Nothing is a payload too.
pub async fn an_empty_payload_comes_back(bench: Bench) {
    round_trip(&bench, Encoded::new(Format::JSON, Vec::new())).await;
}

/// The greatest there is, of bytes that do not compress.
pub async fn a_payload_of_a_mebibyte_comes_back(bench: Bench) {
    let mut state = 0x9e37_79b9_u32;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    })
    .take(1024 * 1024)
    .collect();
    round_trip(&bench, Encoded::new(Format::from_number(201), bytes)).await;
}

/// Payloads are bytes and no text.
pub async fn every_byte_comes_back(bench: Bench) {
    let bytes: Vec<u8> = (0..=255).chain([0, 0, 255, 254]).collect();
    round_trip(&bench, Encoded::new(Format::from_number(201), bytes)).await;
}

/// In payload and result.
pub async fn every_plane_of_unicode_comes_back(bench: Bench) {
    round_trip(&bench, json(TEXT)).await;
    let every_character: String = (0x20..=0x10ffff_u32)
        .step_by(61)
        .filter_map(char::from_u32)
        .collect();
    round_trip(&bench, json(&every_character)).await;
}

/// Of a codec that this version does not know.
pub async fn an_unknown_format_is_kept(bench: Bench) {
    round_trip(&bench, Encoded::new(Format::from_number(u16::MAX), vec![1, 2, 3])).await;
}

/// Ids, tags, labels, logs, errors, reasons.
pub async fn texts_of_every_plane_come_back_everywhere(bench: Bench) {
    let name: String = TEXT.chars().take(40).collect();
    let new = job_with(&name, |options| {
        options.tags = vec![TEXT.chars().take(20).collect(), String::new(), "a,b".into()];
        options.correlation_id = Some(TEXT.into());
    });
    bench.enqueue(std::slice::from_ref(&new)).await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    assert_eq!(lease.id, new.id);
    assert_eq!(lease.options.tags, new.options.tags);
    assert_eq!(lease.options.correlation_id, new.options.correlation_id);

    let release = Outcome::Release { reason: TEXT.into() };
    let mut settlement = Settlement::new(lease.id, lease.token, release);
    settlement.progress = Some(Progress::new(50, TEXT));
    let multi_line = format!("{TEXT}\nsecond line\t\u{1b}[0m\r\n");
    settlement.logs = vec![LogLine::new(Timestamp::from_millis(-5), &multi_line)];
    worker.turn(&[settlement], None).await;
    let lease = worker.claim_one().await;
    let mut failure = JobFailure::new(oqron_core::FailureKind::Error, &multi_line);
    failure.chain = vec![TEXT.into(), String::new()];
    worker.settle(&lease, Outcome::Fail(failure.clone())).await;

    let record = bench.record(&id(&name)).await;
    assert_eq!(record.options.tags, new.options.tags);
    assert_eq!(record.options.correlation_id, new.options.correlation_id);
    assert_eq!(record.progress, Some(Progress::new(50, TEXT)));
    assert_eq!(
        record.logs,
        [LogLine::new(Timestamp::from_millis(-5), &multi_line)]
    );
    assert_eq!(record.error, Some(failure));
    let released = &record.timeline[0];
    assert_eq!(
        (released.kind, released.reason.as_str()),
        (TimelineKind::Released, TEXT)
    );
}

/// Some backends cannot keep one in a text. They leave it out; the settlement counts.
pub async fn a_nul_in_a_text_does_not_lose_a_settlement(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    let text = "before\u{0}after";
    let mut held = Held::new(lease.id.clone(), lease.token);
    held.progress = Some(Progress::new(50, text));
    held.logs = vec![LogLine::new(Timestamp::from_millis(1), text)];
    worker.heartbeat_with(&[held], worker.request).await;
    let mut failure = JobFailure::new(oqron_core::FailureKind::Error, text);
    failure.chain = vec![text.into()];
    worker.settle(&lease, Outcome::Fail(failure)).await;
    let record = bench.record(&lease.id).await;
    let message = record.error.expect("it has failed").message;
    assert!(
        message.starts_with("before") && message.ends_with("after"),
        "{message:?}"
    );
    assert_eq!(record.logs.len(), 1);
}

/// The limit of one call, in bytes.
pub async fn a_batch_of_many_bytes_is_kept_whole(bench: Bench) {
    let jobs: Vec<NewJob> = (0..16_u8)
        .map(|number| {
            let mut job = job(&format!("{number:02}"));
            job.payload = Encoded::new(Format::from_number(201), vec![number; 1024 * 1024]);
            job
        })
        .collect();
    bench.enqueue(&jobs).await;
    let leases = bench.worker("one").claim(16).await;
    assert_eq!(leases.len(), 16);
    for (lease, job) in leases.iter().zip(&jobs) {
        assert!(lease.payload == job.payload, "{} has another payload", lease.id);
    }
}

/// As a payload and as a result, in a lease and in a record.
async fn round_trip(bench: &Bench, value: Encoded) {
    let new = NewJob::new(value.clone());
    bench.enqueue(std::slice::from_ref(&new)).await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    // Not by assert_eq, which would print a mebibyte.
    assert!(lease.payload == value, "the lease has another payload");
    worker.settle(&lease, Outcome::Complete(value.clone())).await;
    let record = bench.record(&new.id).await;
    assert!(record.payload == value, "the record has another payload");
    assert!(record.result == Some(value), "the record has another result");
}
