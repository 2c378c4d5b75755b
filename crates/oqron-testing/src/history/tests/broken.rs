//! For each promise a history that breaks it, and nothing else.

use oqron_core::JobState;

use super::story::{Story, TTL, id, topic, worker};
use crate::history::{Answer, Ask, Beat, Claiming, Ending, Leased, Phase, Rule};

#[test]
fn a_job_that_was_acknowledged_and_has_no_record_is_found() {
    let mut story = Story::new();
    story.add(&["a"]);
    story.breaks(Rule::OneEnd, &["job a of play", "acknowledged"]);
}

#[test]
fn a_job_that_has_not_ended_is_found() {
    let mut story = Story::new();
    story.add(&["a"]).record("a", 1, "first", |record| {
        record.state = JobState::Waiting;
        record.token = None;
    });
    story.breaks(Rule::OneEnd, &["job a", "waiting"]);
}

#[test]
fn a_job_in_two_places_is_found() {
    let mut story = Story::new();
    story.add(&["a"]).does("first", "a", 1);
    story.completed("a", 1, "first").failed("a", 1, "first");
    story.breaks(Rule::OneEnd, &["more than once", "Completed", "Failed"]);
}

#[test]
fn an_end_that_nobody_came_to_is_found() {
    let mut story = Story::new();
    story.add(&["a"]).claim("first", "a", 1).starts("first", "a", 1);
    story.completed("a", 1, "first");
    story.breaks(Rule::OneEnd, &["never sent that", "never came to the result"]);
}

#[test]
fn a_record_of_another_outcome_than_the_accepted_one_is_found() {
    let mut story = Story::new();
    story.add(&["a"]).does("first", "a", 1);
    story.record("a", 1, "first", |record| record.state = JobState::Cancelled);
    story.breaks(Rule::OneEnd, &["Complete under the token 1", "cancelled"]);
}

#[test]
fn a_token_that_does_not_grow_is_found() {
    let mut story = Story::new();
    story.add_with(&["a"], Some(1)).claim("first", "a", 5);
    story
        .settle("first", "a", 5, Ending::Release)
        .does("second", "a", 4);
    story.record("a", 5, "second", |record| {
        record.token = Some(oqron_core::Token(5))
    });
    let violations = story.check().unwrap_err();
    let text = format!("{violations:#?}");
    assert!(
        violations
            .iter()
            .any(|violation| violation.rule == Rule::TokensGrow),
        "{text}"
    );
    assert!(
        text.contains("second asked at") && text.contains("the token 4"),
        "{text}"
    );
}

#[test]
fn a_token_of_two_jobs_and_a_token_of_two_workers_are_found() {
    let mut story = Story::new();
    story
        .add(&["a", "b"])
        .does("first", "a", 1)
        .does("second", "b", 1);
    story.completed("a", 1, "first").completed("b", 1, "second");
    story.breaks(Rule::TokensGrow, &["token 1 was also given with the job a"]);

    let mut story = Story::new();
    story
        .add(&["a"])
        .claim("second", "a", 1)
        .claim("first", "a", 1)
        .completed("a", 1, "second");
    story
        .starts("second", "a", 1)
        .returns("second", "a", 1)
        .settle("second", "a", 1, Ending::Complete);
    story.breaks(
        Rule::TokensGrow,
        &["given to second (request 1)", "to first (request 1)"],
    );
}

#[test]
fn an_outcome_of_a_stale_attempt_that_was_accepted_is_found() {
    let mut story = Story::new();
    story
        .add_with(&["a"], Some(3))
        .claim("stale", "a", 1)
        .starts("stale", "a", 1)
        .wait(TTL);
    story
        .claim("next", "a", 2)
        .settle("stale", "a", 1, Ending::Snooze);
    story
        .starts("next", "a", 2)
        .returns("next", "a", 2)
        .settle("next", "a", 2, Ending::Complete);
    story.record("a", 2, "next", |record| record.stalls = 1);
    story.breaks(Rule::NoStaleWrite, &["Snooze under the token 1", "2 was given"]);
}

#[test]
fn a_heartbeat_of_a_stale_attempt_that_was_renewed_is_found() {
    let mut story = Story::new();
    story
        .add(&["a"])
        .claim("stale", "a", 1)
        .starts("stale", "a", 1)
        .wait(TTL)
        .claim("next", "a", 2);
    // The heartbeat is too late to make the claim a theft.
    story
        .reclaim("next", "a", 1)
        .beat("stale", &[("a", 1, Beat::Renewed)]);
    story
        .starts("next", "a", 2)
        .returns("next", "a", 2)
        .settle("next", "a", 2, Ending::Complete);
    story.record("a", 2, "next", |record| record.stalls = 1);
    let violations = story.check().unwrap_err();
    let stale = violations
        .iter()
        .find(|violation| violation.rule == Rule::NoStaleWrite);
    let text = stale.expect("the renewal").to_string();
    assert!(text.contains("the token 1 of stale was renewed"), "{text}");
}

#[test]
fn a_second_outcome_of_one_attempt_and_one_of_a_stranger_are_found() {
    let mut story = Story::new();
    story
        .add(&["a"])
        .does("first", "a", 1)
        .settle("first", "a", 1, Ending::Release);
    story.completed("a", 1, "first");
    story.breaks(Rule::NoStaleWrite, &["Complete", "Release", "the token 1"]);

    let mut story = Story::new();
    story
        .add(&["a"])
        .does("first", "a", 1)
        .settle("stranger", "a", 1, Ending::Complete);
    story.completed("a", 1, "first");
    story.breaks(
        Rule::NoStaleWrite,
        &["accepted from stranger", "the token of first"],
    );
}

#[test]
fn a_job_taken_from_a_living_worker_is_found() {
    let mut story = Story::new();
    story
        .add(&["a"])
        .claim("first", "a", 1)
        .beat("first", &[("a", 1, Beat::Renewed)]);
    story.wait(TTL / 2).does("thief", "a", 2);
    story.record("a", 2, "thief", |record| record.stalls = 1);
    story.breaks(
        Rule::NoTheft,
        &["thief was given the token 2", "first renewed it for 2s"],
    );
}

#[test]
fn a_job_that_is_given_out_after_its_end_is_found() {
    let mut story = Story::new();
    story.add(&["a"]).does("first", "a", 1).claim("second", "a", 2);
    story.completed("a", 1, "first");
    let violations = story.check().unwrap_err();
    let text = format!("{violations:#?}");
    assert!(
        text.contains("NoTheft: job a of play: Complete under the token 1"),
        "{text}"
    );
}

#[test]
fn a_lost_lease_that_no_stall_was_recorded_for_is_found() {
    let mut story = Story::new();
    story
        .add(&["a"])
        .claim("first", "a", 1)
        .wait(TTL)
        .does("second", "a", 2);
    story.completed("a", 2, "second");
    story.breaks(Rule::NoTheft, &["1 leases were lost, and 0 stalls"]);
}

#[test]
fn two_attempts_at_the_same_time_without_a_lost_lease_are_found() {
    let mut story = Story::new();
    story.add(&["a"]).claim("first", "a", 1).starts("first", "a", 1);
    // Given back while its handler still runs.
    story
        .settle("first", "a", 1, Ending::Release)
        .does("second", "a", 2);
    story
        .phase("first", "a", 1, Phase::Dropped)
        .completed("a", 2, "second");
    story.breaks(Rule::NoOverlap, &["first ran attempt 1", "second ran attempt 1"]);
}

#[test]
fn a_lease_that_is_run_twice_is_found() {
    let mut story = Story::new();
    story
        .add_with(&["a"], Some(1))
        .claim("first", "a", 1)
        .starts("first", "a", 1);
    story
        .phase("first", "a", 1, Phase::Dropped)
        .starts("first", "a", 1)
        .returns("first", "a", 1);
    story
        .settle("first", "a", 1, Ending::Complete)
        .completed("a", 1, "first");
    story.breaks(Rule::NoOverlap, &["the token 1 was run 2 times"]);
}

#[test]
fn more_attempts_than_retries_allow_are_found() {
    let mut story = Story::new();
    story.add(&["a"]).claim("first", "a", 1).starts("first", "a", 1);
    story
        .phase("first", "a", 1, Phase::Erred("no".into()))
        .settle("first", "a", 1, Ending::Retry);
    story
        .turn("first", &[], &[("a", 2, 2)])
        .starts("first", "a", 2)
        .returns("first", "a", 2);
    story.settle("first", "a", 2, Ending::Complete);
    story.record("a", 2, "first", |record| record.attempts = 2);
    story.breaks(
        Rule::BoundedRuns,
        &["2 attempts are recorded, and 0 retries", "it ran 2 times"],
    );
}

#[test]
fn a_stall_that_counts_as_an_attempt_is_found() {
    let mut story = Story::new();
    story.add_with(&["a"], Some(1)).claim("first", "a", 1).wait(TTL);
    story
        .turn("second", &[], &[("a", 2, 2)])
        .starts("second", "a", 2)
        .returns("second", "a", 2);
    story.settle("second", "a", 2, Ending::Complete);
    story.record("a", 2, "second", |record| {
        (record.attempts, record.stalls) = (2, 1)
    });
    story.breaks(Rule::BoundedRuns, &["as attempt 2, and attempt 1 is due"]);
}

#[test]
fn a_result_that_was_thrown_away_is_found() {
    let mut story = Story::new();
    story
        .add(&["a"])
        .claim("first", "a", 1)
        .starts("first", "a", 1)
        .returns("first", "a", 1);
    story
        .settle("first", "a", 1, Ending::Release)
        .does("second", "a", 2);
    story.completed("a", 2, "second");
    story.breaks(Rule::NoneRefused, &["came to a result under [#1, #2]"]);
}

#[test]
fn an_outcome_and_a_heartbeat_refused_without_a_cause_are_found() {
    let mut story = Story::new();
    story.add(&["a"]).claim("first", "a", 1).starts("first", "a", 1);
    story
        .beat("first", &[("a", 1, Beat::Lost)])
        .phase("first", "a", 1, Phase::Erred("no".into()));
    story.refused("first", "a", 1, Ending::Fail);
    story.record("a", 1, "first", |record| record.state = JobState::Cancelled);
    story.breaks(
        Rule::NoneRefused,
        &[
            "Fail of first under the token 1 was refused",
            "heartbeat of first",
        ],
    );
}

#[test]
fn a_job_that_nobody_added_is_found() {
    let mut story = Story::new();
    story.does("first", "ghost", 1).completed("ghost", 1, "first");
    story.breaks(Rule::OnlyAdded, &["job ghost", "nobody added it"]);
}

#[test]
fn a_run_without_a_lease_is_found() {
    let mut story = Story::new();
    story
        .add_with(&["a"], Some(1))
        .starts("stranger", "a", 7)
        .phase("stranger", "a", 7, Phase::Dropped);
    story.does("first", "a", 8).completed("a", 8, "first");
    story.breaks(Rule::OnlyAdded, &["stranger ran attempt 1 under the token 7"]);
}

#[test]
fn a_younger_job_that_goes_first_is_found() {
    for adds in [&[&["a"][..], &["b"]][..], &[&["a", "b"]]] {
        let mut story = Story::new();
        for jobs in adds {
            story.add(jobs);
        }
        for (request, (job, token)) in [("b", 1), ("a", 2)].into_iter().enumerate() {
            claim_one(&mut story, request as u64 + 100, job, token);
            story.starts("first", job, token).returns("first", job, token);
            story.completed(job, token, "first");
        }
        settle_without_claim(&mut story, &[("b", 1), ("a", 2)]);
        story.breaks(Rule::InOrder, &["job b of play", "before a"]);
    }
}

fn claim_one(story: &mut Story, request: u64, job: &str, token: u64) {
    let claim = Claiming {
        max: 1,
        lease_ttl_ms: 2_000,
    };
    let lease = Leased {
        id: id(job),
        token: oqron_core::Token(token),
        attempt: 1,
        stalls: 0,
    };
    let ask = Ask::Turn {
        worker: worker("first"),
        topic: topic(),
        request,
        settlements: Vec::new(),
        claim: Some(claim),
    };
    let answer = Answer::Turned {
        accepted: Vec::new(),
        leases: vec![lease],
    };
    story.call("first", ask, Some(answer));
}

fn settle_without_claim(story: &mut Story, jobs: &[(&str, u64)]) {
    let settlements = jobs.iter().map(|(job, token)| crate::history::Settling {
        id: id(job),
        token: oqron_core::Token(*token),
        ending: Ending::Complete,
    });
    let ask = Ask::Turn {
        worker: worker("first"),
        topic: topic(),
        request: 200,
        settlements: settlements.collect(),
        claim: None,
    };
    let answer = Answer::Turned {
        accepted: vec![true; jobs.len()],
        leases: Vec::new(),
    };
    story.call("first", ask, Some(answer));
}
