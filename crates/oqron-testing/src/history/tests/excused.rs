//! What a server that fails over may have lost, and nothing more, is left out.

use super::story::{Story, id};
use crate::history::{Rule, Rules};

#[test]
fn only_the_excused_jobs_are_left_out() {
    let mut story = Story::new();
    story.add(&["kept", "lost", "missed"]).does("first", "kept", 1);
    story.completed("kept", 1, "first");
    let history = || story.history();
    let excused = history().without(|job| *job == id("lost"));
    let violations = excused.check(&Rules::default()).unwrap_err();
    assert_eq!(violations.len(), 1, "{violations:#?}");
    assert_eq!(violations[0].rule, Rule::OneEnd);
    assert!(format!("{violations:#?}").contains("missed"), "{violations:#?}");
    let all = history().without(|job| *job != id("kept"));
    assert_eq!(all.check(&Rules::default()).unwrap().completed, 1);
}

#[test]
fn a_job_was_touched_if_a_call_or_a_handler_was_at_it_in_that_time() {
    let mut story = Story::new();
    story.add(&["before"]).does("first", "before", 1);
    story.starts("first", "runs", 2);
    let from = story.now();
    story.returns("first", "runs", 2).claim("first", "claimed", 3);
    let until = story.now();
    story.add(&["after"]);
    let touched = story.history().touched(from, until);
    assert_eq!(
        touched.into_iter().collect::<Vec<_>>(),
        [id("claimed"), id("runs")]
    );
}

#[test]
fn a_call_that_was_under_way_or_was_never_answered_may_have_had_its_effect() {
    let mut story = Story::new();
    story.asks_to_add("publisher", "unanswered");
    let from = story.now().after(std::time::Duration::from_secs(1));
    let touched = story.history().touched(from, from);
    assert_eq!(touched.into_iter().collect::<Vec<_>>(), [id("unanswered")]);
}
