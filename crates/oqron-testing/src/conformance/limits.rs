//! What is over a limit is refused, with the limit in the error, and nothing is written.

use std::time::Duration;

use oqron_core::limits::{
    CORRELATION_ID_BYTES_MAX, DURATION_MAX, ENQUEUE_JOBS_MAX, OPERATE_JOBS_MAX, PAGE_JOBS_MAX, PRIORITY_MAX,
    TAG_BYTES_MAX, TAGS_MAX, TURN_JOBS_MAX,
};
use oqron_core::{
    Encoded, Error, Format, Heartbeat, Held, JobOptions, JobState, ListQuery, NewJob, Retention, Settlement,
    Start, Token, Turn,
};

use super::Bench;
use super::bench::{LONG, id, job, job_with};
use super::worker::{done, for_long};

/// Neither it nor the others of its batch.
pub async fn a_job_over_a_limit_is_refused_with_its_whole_batch(bench: Bench) {
    let change: [fn(&mut JobOptions); 7] = [
        |options| options.priority = PRIORITY_MAX + 1,
        |options| options.tags = vec!["tag".into(); TAGS_MAX + 1],
        |options| options.tags = vec!["x".repeat(TAG_BYTES_MAX + 1)],
        |options| options.correlation_id = Some("x".repeat(CORRELATION_ID_BYTES_MAX + 1)),
        |options| options.start = Start::After(DURATION_MAX + Duration::from_secs(1)),
        |options| options.retention = Retention::keep_for(DURATION_MAX + Duration::from_secs(1)),
        |options| options.id_window = Duration::MAX,
    ];
    for change in change {
        refused(&bench, &[job("good"), job_with("bad", change)]).await;
    }
    let mut large = job("large");
    large.payload = Encoded::new(Format::JSON, vec![b' '; 1024 * 1024 + 1]);
    refused(&bench, &[job("good"), large]).await;
}

/// In jobs and in bytes.
pub async fn a_batch_over_a_limit_is_refused(bench: Bench) {
    let many: Vec<NewJob> = (0..=ENQUEUE_JOBS_MAX)
        .map(|number| job(&format!("{number}")))
        .collect();
    refused(&bench, &many).await;
    let large: Vec<NewJob> = (0..65)
        .map(|number| {
            let mut job = job(&format!("{number}"));
            job.payload = Encoded::new(Format::JSON, vec![b' '; 1024 * 1024]);
            job
        })
        .collect();
    refused(&bench, &large).await;
}

/// What is just within them is taken.
pub async fn a_job_at_every_limit_is_taken(bench: Bench) {
    let mut new = job_with(&"i".repeat(255), |options| {
        options.priority = PRIORITY_MAX;
        options.tags = vec!["x".repeat(TAG_BYTES_MAX); TAGS_MAX];
        options.correlation_id = Some("x".repeat(CORRELATION_ID_BYTES_MAX));
        options.start = Start::After(DURATION_MAX);
        options.retention = Retention {
            max_age: Some(DURATION_MAX),
            max_count: Some(u32::MAX),
        };
        options.timeout = Some(DURATION_MAX);
        options.id_window = DURATION_MAX;
    });
    new.payload = Encoded::new(Format::JSON, vec![b' '; 1024 * 1024]);
    bench.enqueue(std::slice::from_ref(&new)).await;
    let record = bench.record(&new.id).await;
    let mut expected = new.options;
    expected.start = Start::At(record.created_at.after(DURATION_MAX));
    assert_eq!(record.options, expected);
    assert_eq!(record.state, JobState::Scheduled);
}

/// Those of the configuration, not those of the code.
pub async fn limits_can_be_configured(bench: Bench) {
    let mut config = bench.config().clone();
    config.limits.payload_bytes_max = 10;
    let bench = bench.reopened_as(config).await;
    let mut eleven = job("eleven");
    eleven.payload = Encoded::new(Format::JSON, vec![b' '; 11]);
    let error = refused(&bench, &[eleven]).await;
    assert!(error.contains("11") && error.contains("10"), "{error}");
    bench.enqueue(&[job("four")]).await;
}

/// Nothing is claimed or settled.
pub async fn a_turn_over_a_limit_is_refused(bench: Bench) {
    bench.add("a").await;
    let worker = bench.worker("one");
    let settlements = vec![Settlement::new(id("a"), Token(1), done()); TURN_JOBS_MAX + 1];
    for (settlements, claim) in [
        (&settlements[..], None),
        (&[], Some(for_long(TURN_JOBS_MAX as u32 + 1))),
    ] {
        let turn = Turn {
            worker: &worker.id,
            topic: &bench.topic,
            line: 0,
            request: 1,
            settlements,
            claim,
        };
        over_the_limit(bench.consume.turn(&turn).await.map(drop));
    }
    assert_eq!(bench.counts().await.waiting, 1);
}

/// Nothing is renewed, and nothing given back.
pub async fn a_heartbeat_over_a_limit_is_refused(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    worker.claim_one().await;
    let held = vec![Held::new(id("nobody"), Token(1)); TURN_JOBS_MAX + 1];
    let heartbeat = Heartbeat {
        worker: &worker.id,
        topic: &bench.topic,
        through: worker.request,
        lease_ttl: LONG,
        held: &held,
    };
    over_the_limit(bench.consume.heartbeat(&heartbeat).await.map(drop));
    assert_eq!(bench.counts().await.active, 1);
}

/// Nothing is retried or discarded.
pub async fn an_operation_over_a_limit_is_refused(bench: Bench) {
    let failed = bench.add_in_state("a", JobState::Failed).await;
    let jobs = vec![bench.job_ref(&failed); OPERATE_JOBS_MAX + 1];
    over_the_limit(bench.operate.retry(&jobs).await.map(drop));
    over_the_limit(bench.operate.discard(&jobs).await.map(drop));
    assert_eq!(bench.counts().await.failed, 1);
}

/// Neither too large nor empty.
pub async fn a_page_of_no_or_too_many_jobs_is_refused(bench: Bench) {
    for limit in [0, PAGE_JOBS_MAX as u32 + 1] {
        let query = ListQuery {
            topic: bench.topic.clone(),
            state: JobState::Waiting,
            after: None,
            limit,
        };
        let error = bench.operate.list(&query).await.unwrap_err().to_string();
        assert!(error.contains(&limit.to_string()), "{error}");
        assert!(error.contains(&PAGE_JOBS_MAX.to_string()), "{error}");
    }
}

async fn refused(bench: &Bench, jobs: &[NewJob]) -> String {
    let answer = bench.publish.enqueue(&bench.topic, jobs).await;
    let error = over_the_limit(answer.map(drop));
    let counts = bench.counts().await;
    assert_eq!(
        (counts.waiting, counts.scheduled),
        (0, 0),
        "nothing is written: {error}"
    );
    assert_eq!(bench.find(&jobs[0].id).await, None);
    error
}

fn over_the_limit(answer: Result<(), Error>) -> String {
    match answer {
        Err(error @ Error::LimitExceeded { .. }) => error.to_string(),
        other => panic!("not refused for a limit: {other:?}"),
    }
}
