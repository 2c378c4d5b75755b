//! Histories in which everything went as promised.

use std::time::Duration;

use oqron_core::{FailureKind, JobState};

use super::story::{Story, TTL};
use crate::history::{Beat, Ending, Phase};

#[test]
fn a_day_without_trouble_passes_and_is_summed_up() {
    let mut story = Story::new();
    story
        .add(&["a", "b"])
        .does("first", "a", 1)
        .does("second", "b", 2);
    story.completed("a", 1, "first").completed("b", 2, "second");
    let summary = story.passes();
    assert_eq!((summary.jobs, summary.acknowledged, summary.completed), (2, 2, 2));
    assert_eq!((summary.leases, summary.runs, summary.stalls), (2, 2, 0));
    assert!(
        summary.to_string().contains("2 jobs (2 acknowledged)"),
        "{summary}"
    );
}

#[test]
fn a_frozen_worker_whose_late_result_is_refused_passes() {
    let mut story = Story::new();
    story.add(&["a"]).claim("frozen", "a", 1).starts("frozen", "a", 1);
    story.beat("frozen", &[("a", 1, Beat::Renewed)]);
    story.wait(TTL).does("next", "a", 2);
    story
        .returns("frozen", "a", 1)
        .refused("frozen", "a", 1, Ending::Complete);
    story.record("a", 2, "next", |record| record.stalls = 1);
    let summary = story.passes();
    assert_eq!((summary.overlaps, summary.refused, summary.stalls), (1, 1, 1));
}

#[test]
fn a_lease_that_was_reclaimed_before_its_end_passes() {
    let mut story = Story::new();
    story.add(&["a"]).claim("dead", "a", 1).starts("dead", "a", 1);
    story.wait(TTL / 2).reclaim("next", "a", 1).does("next", "a", 2);
    story.record("a", 2, "next", |record| record.stalls = 1);
    assert_eq!(story.passes().reclaimed, 1);
}

#[test]
fn a_retry_a_release_and_a_repeat_after_a_lost_answer_pass() {
    let mut story = Story::new();
    story
        .add_with(&["a"], Some(1))
        .claim("first", "a", 1)
        .starts("first", "a", 1);
    story.phase("first", "a", 1, Phase::Erred("no".into()));
    story
        .settle("first", "a", 1, Ending::Retry)
        .turn("first", &[], &[("a", 2, 2)]);
    story
        .starts("first", "a", 2)
        .phase("first", "a", 2, Phase::Dropped);
    story.settle("first", "a", 2, Ending::Release);
    story
        .turn("second", &[], &[("a", 3, 2)])
        .starts("second", "a", 3)
        .returns("second", "a", 3);
    story.settle("second", "a", 3, Ending::Complete);
    // Told again, long after: it took effect when it was first sent.
    story
        .settle("first", "a", 2, Ending::Release)
        .settle("second", "a", 3, Ending::Complete);
    story.record("a", 3, "second", |record| record.attempts = 2);
    assert_eq!(story.passes().given_back, 1);
}

#[test]
fn a_job_that_a_heartbeat_left_out_is_given_back_without_a_stall() {
    let mut story = Story::new();
    story
        .add(&["a"])
        .claim("first", "a", 1)
        .beat("first", &[])
        .does("second", "a", 2);
    story.completed("a", 2, "second");
    assert_eq!(story.passes().given_back, 1);
}

#[test]
fn a_payload_that_kills_its_workers_ends_as_a_dead_letter() {
    let mut story = Story::new();
    story
        .add(&["a"])
        .claim("one", "a", 1)
        .starts("one", "a", 1)
        .wait(TTL);
    story.claim("two", "a", 2).starts("two", "a", 2).wait(TTL);
    story.record("a", 2, "two", |record| {
        record.state = JobState::Failed;
        record.failure = Some(FailureKind::Stalled);
        record.stalls = 2;
    });
    assert_eq!(story.passes().failed, 1);
}

#[test]
fn an_add_without_an_answer_may_have_made_a_job_or_none() {
    let mut story = Story::new();
    story.add(&["a", "b"]).does("first", "a", 1).does("first", "b", 2);
    story.completed("a", 1, "first").completed("b", 2, "first");
    for job in ["c", "d"] {
        let asked = crate::history::Asked {
            id: super::story::id(job),
            priority: 0,
            delayed: false,
            retries: None,
        };
        let ask = crate::history::Ask::Add {
            topic: super::story::topic(),
            jobs: vec![asked],
        };
        story.call("killed", ask, None);
    }
    story
        .does("first", "d", 3)
        .completed("d", 3, "first")
        .wait(Duration::from_secs(1));
    let summary = story.passes();
    assert_eq!((summary.jobs, summary.acknowledged, summary.completed), (4, 2, 3));
}
