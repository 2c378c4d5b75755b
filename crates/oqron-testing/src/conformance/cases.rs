//! The list of the cases. A test below makes sure that no function of the suite is left out.

/// Hands the list to another macro: the subjects, and the cases of each.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    ($($with:ident)::+ ! $given:tt) => {
        $($with)::+! {
            $given
            adding: [
                an_added_job_waits_with_all_that_was_said
                a_job_without_options_has_the_defaults
                a_job_that_is_not_there_is_not_found
                an_operator_finds_the_same_record
                a_batch_is_answered_in_its_order
                an_empty_batch_is_answered_with_nothing
                ten_thousand_jobs_fit_in_one_batch
                a_job_whose_time_has_passed_waits_at_once
                a_delayed_job_is_scheduled
                creation_times_follow_the_adds
            ]
            claiming: [
                claims_go_by_priority_and_then_by_age
                the_first_and_the_last_priority_are_kept_apart
                a_claim_takes_no_more_than_it_asks_for
                a_claim_that_takes_the_last_leaves_none_behind
                a_lease_carries_what_a_handler_needs
                a_claimed_job_shows_who_has_it
                tokens_grow_with_every_claim
                a_scheduled_job_is_not_claimed_before_its_time
                a_scheduled_job_is_claimed_when_its_time_has_come
                a_promoted_job_keeps_its_age
                the_next_due_time_is_the_earliest
                the_next_due_time_may_be_that_of_a_lease_that_runs_out
                a_claim_of_an_unknown_topic_gets_nothing
                a_thousand_jobs_fit_in_one_turn
                no_two_claimers_share_a_job
                jobs_added_during_claims_are_all_found
            ]
            ids: [
                a_second_add_of_an_id_changes_nothing
                an_id_twice_in_one_batch_is_one_job
                eight_racing_adders_make_one_job
                racing_batches_of_the_same_ids_make_each_job_once
                an_id_is_known_in_every_state
                adds_that_race_with_the_end_make_no_second_job
                an_id_outlives_a_record_that_is_not_kept
                an_id_outlives_a_discarded_and_a_purged_record
                an_id_whose_window_is_over_is_new
                an_id_is_known_as_long_as_its_record
                a_token_never_repeats
                a_token_of_a_discarded_job_does_not_settle_its_successor
                an_id_in_two_topics_is_two_jobs
                ids_are_compared_byte_for_byte
            ]
            turns: [
                a_turn_settles_and_claims_at_once
                a_turn_settles_before_it_claims
                a_turn_without_a_claim_claims_nothing
                a_turn_takes_any_mix_of_outcomes
                a_refused_settlement_touches_no_other
                a_repeated_turn_gives_the_same_leases
                a_repeated_turn_gives_the_same_verdicts
                a_repeated_turn_knows_the_end_of_a_job_that_is_not_kept
                a_repeated_turn_omits_leases_that_are_no_longer_held
                a_turn_sent_twice_at_once_is_one_turn
                requests_are_counted_for_each_worker_and_topic
                a_settlement_in_a_later_turn_is_accepted_again
            ]
        }
    };
}

/// Makes one test of each case, in a module for each subject.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    (($backend:ty) $($subject:ident: [$($case:ident)*])*) => {
        $(mod $subject {
            use super::*;
            $(
                #[test]
                fn $case() {
                    $crate::conformance::run::<$backend, _, _>($crate::conformance::$subject::$case);
                }
            )*
        })*
    };
}

/// Makes one test of each case of the suite for a [`Backend`](crate::conformance::Backend), by the name of its type.
/// Every backend runs the same ones, see [`CASES`].
#[macro_export]
macro_rules! conformance {
    ($backend:ty) => {
        $crate::__conformance_cases!($crate::__conformance_tests!($backend));
    };
}

macro_rules! names {
    (() $($subject:ident: [$($case:ident)*])*) => {
        &[$($(concat!(stringify!($subject), "::", stringify!($case)),)*)*]
    };
}

/// The names of all cases: `subject::behaviour`.
pub const CASES: &[&str] = __conformance_cases!(names!());

#[cfg(test)]
mod tests {
    use super::CASES;

    #[test]
    fn every_case_that_is_written_is_listed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/conformance");
        let mut written = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let subject = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.lines().filter_map(|line| line.strip_prefix("pub async fn "));
            for name in names
                .filter_map(|line| line.split_once("(bench: Bench)"))
                .map(|(name, _)| name)
            {
                let case = format!("{subject}::{name}");
                assert!(CASES.contains(&case.as_str()), "{case} is not in cases.rs");
                written += 1;
            }
        }
        assert_eq!(written, CASES.len());
    }
}
