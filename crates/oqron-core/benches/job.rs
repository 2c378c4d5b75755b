//! What a new job costs a publisher before it is sent, and its options a worker that reads them.

use std::time::Duration;

use divan::{Bencher, black_box};
use oqron_core::{Codec, Encoded, JobId, JobIds, JobOptions, Limits, NewJob, Retries, Start};

fn main() {
    divan::main();
}

fn payload() -> Encoded {
    Codec::Json.encode(&"x".repeat(98)).expect("a text is JSON")
}

/// A job that says everything about itself.
fn demanding() -> NewJob {
    let mut job = NewJob::new(payload());
    job.options = JobOptions {
        priority: 3,
        start: Start::After(Duration::from_secs(60)),
        retries: Retries::exponential(5).to_settings().ok(),
        timeout: Some(Duration::from_secs(90)),
        tags: vec!["import".into(), "customer-17".into()],
        correlation_id: Some("5f3c9a62-77aa-4c1d-9e3b-0f6f2b8f1e55".into()),
        ..JobOptions::default()
    };
    job
}

#[divan::bench]
fn generated_id() -> JobId {
    JobId::generate()
}

#[divan::bench]
fn generated_ids_of_a_batch(bencher: Bencher<'_, '_>) {
    bencher.bench(|| {
        let mut ids = JobIds::new();
        (0..1000).map(|_| ids.generate()).collect::<Vec<_>>()
    });
}

#[divan::bench]
fn given_id(bencher: Bencher<'_, '_>) {
    bencher.bench(|| JobId::new(black_box("invoice-2026-000017")));
}

#[divan::bench]
fn new_with_defaults(bencher: Bencher<'_, '_>) {
    let payload = payload();
    bencher.bench(|| NewJob::new(black_box(&payload).clone()));
}

#[divan::bench]
fn check_one_with_everything(bencher: Bencher<'_, '_>) {
    let (limits, job) = (Limits::default(), demanding());
    bencher.bench(|| limits.check_enqueue(std::slice::from_ref(black_box(&job))));
}

#[divan::bench(sample_size = 100)]
fn check_a_thousand_with_defaults(bencher: Bencher<'_, '_>) {
    let jobs = vec![NewJob::new(payload()); 1_000];
    let limits = Limits::default();
    bencher.bench(|| limits.check_enqueue(black_box(&jobs)));
}

#[divan::bench]
fn write_options_with_defaults(bencher: Bencher<'_, '_>) {
    let options = JobOptions::default();
    bencher.bench(|| black_box(&options).extras());
}

#[divan::bench]
fn write_options_with_everything(bencher: Bencher<'_, '_>) {
    let job = demanding();
    bencher.bench(|| black_box(&job.options).extras());
}

#[divan::bench(sample_size = 100)]
fn read_options_with_everything(bencher: Bencher<'_, '_>) {
    let extras = demanding().options.extras();
    bencher.bench(|| {
        let mut options = JobOptions::default();
        options.set_extras(black_box(extras.as_deref())).map(|()| options)
    });
}
