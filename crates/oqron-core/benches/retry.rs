//! What it costs to decide what follows a failed attempt.

use std::time::Duration;

use divan::{Bencher, black_box};
use oqron_core::{JobError, Retries, after_failure};

fn main() {
    divan::main();
}

#[divan::bench(sample_size = 1_000)]
fn delay_with_jitter(bencher: Bencher<'_, '_>) {
    let policy = Retries::exponential(9);
    bencher.bench(|| policy.delay_after(black_box(4), None, rand::random()));
}

#[divan::bench(sample_size = 1_000)]
fn retry_by_policy(bencher: Bencher<'_, '_>) {
    let policy = Retries::exponential(9);
    let error = JobError::new("the bank is closed");
    bencher.bench(|| after_failure(&policy, black_box(4), black_box(&error), 0.3));
}

/// A policy sees the failure as it is recorded, with its causes.
#[divan::bench(sample_size = 1_000)]
fn retry_by_custom_policy(bencher: Bencher<'_, '_>) {
    let policy = Retries::custom(9, |attempt, _| Duration::from_secs(1) * attempt);
    let error = JobError::new("connection reset")
        .context("the bank does not answer")
        .context("the invoice was not paid");
    bencher.bench(|| after_failure(&policy, black_box(4), black_box(&error), 0.3));
}

#[divan::bench(sample_size = 1_000)]
fn dead_letter(bencher: Bencher<'_, '_>) {
    let policy = Retries::exponential(3);
    let error = JobError::new("the bank is closed");
    bencher.bench(|| after_failure(&policy, black_box(4), black_box(&error), 0.3));
}
