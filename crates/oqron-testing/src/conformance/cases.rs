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
            cancelling: [
                a_waiting_job_is_cancelled_at_once
                a_scheduled_job_is_cancelled_at_once
                an_active_job_is_flagged
                a_second_request_to_cancel_changes_nothing
                a_finished_job_cannot_be_cancelled
                a_job_that_is_not_there_cannot_be_cancelled
                an_operator_cancels_like_a_publisher
                a_flagged_job_that_ends_by_itself_keeps_its_end
                a_flagged_job_that_would_come_back_ends_as_cancelled
                the_worker_of_a_cancelled_job_is_told
                a_cancel_that_races_with_claims_and_settlements_leaves_one_end
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
            dead_letters: [
                a_retried_dead_letter_starts_afresh
                a_cancelled_job_can_be_retried
                a_retried_job_is_not_settled_by_its_old_token
                only_what_failed_or_was_cancelled_can_be_retried
                only_what_has_ended_can_be_discarded
                a_job_named_twice_is_operated_once
                jobs_of_several_topics_are_operated_in_one_call
                a_retried_dead_letter_keeps_its_priority
            ]
            finished: [
                a_waiter_gets_the_result
                a_waiter_gets_the_failure
                a_waiter_learns_of_a_cancellation
                a_waiter_learns_of_a_job_that_stalled_too_often
                who_comes_after_the_end_learns_of_it
                who_waits_for_a_record_that_is_gone_learns_of_it
                every_waiter_learns_of_the_end
                each_waiter_gets_the_end_of_its_own_job
                a_waiter_that_gives_up_leaves_the_job_alone
            ]
            heartbeats: [
                a_heartbeat_renews_a_lease
                an_expired_lease_that_nobody_reclaimed_is_renewed
                a_heartbeat_says_what_is_lost
                a_heartbeat_says_what_is_cancelled
                verdicts_come_in_the_order_of_the_leases
                a_heartbeat_brings_reports
                a_heartbeat_with_too_many_lines_keeps_the_newest
                a_lost_lease_reports_nothing
                a_lease_that_is_not_listed_goes_back
                an_empty_heartbeat_gives_everything_back
                a_lease_of_a_later_request_is_left_alone
                a_cancelled_job_that_is_not_listed_ends
                a_heartbeat_leaves_the_leases_of_others_alone
                a_heartbeat_renews_a_thousand_leases
            ]
            histories: [
                random_histories_go_as_in_the_model
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
            limits: [
                a_job_over_a_limit_is_refused_with_its_whole_batch
                a_batch_over_a_limit_is_refused
                a_job_at_every_limit_is_taken
                limits_can_be_configured
                a_turn_over_a_limit_is_refused
                a_heartbeat_over_a_limit_is_refused
                an_operation_over_a_limit_is_refused
                a_page_of_no_or_too_many_jobs_is_refused
            ]
            lists: [
                counts_tell_how_many_jobs_are_in_each_state
                an_unknown_topic_has_no_jobs
                topics_that_had_a_job_are_listed_by_name
                waiting_jobs_are_listed_in_the_order_of_claims
                scheduled_jobs_are_listed_by_their_time
                active_jobs_are_listed_by_their_start
                finished_jobs_are_listed_newest_first
                a_list_holds_whole_records
                pages_follow_each_other_in_every_state
                pages_hold_every_job_of_one_moment_once
                a_page_goes_on_where_the_last_one_ended_though_jobs_have_gone
                a_page_holds_up_to_a_thousand_jobs
                a_cursor_that_no_page_ended_with_is_refused
            ]
            locks: [
                a_lock_is_held_by_one
                the_tokens_of_a_lock_grow
                a_lock_whose_time_has_run_out_is_free
                a_renewed_lock_lasts_longer
                a_released_lock_cannot_be_renewed_or_released_again
                a_wrong_token_does_nothing
                locks_of_other_names_are_free
                of_sixteen_racers_one_gets_the_lock
            ]
            namespaces: [
                namespaces_do_not_see_each_other
                the_parts_of_a_namespace_are_kept_apart
                processes_in_one_namespace_see_the_same
                topics_do_not_see_each_other
                names_of_the_greatest_length_are_kept_whole
            ]
            pausing: [
                a_paused_topic_gives_no_jobs
                active_jobs_go_on_in_a_paused_topic
                a_job_added_to_a_paused_topic_waits
                a_pause_is_seen_by_all_and_kept_across_restarts
                a_pause_is_about_one_topic
                pausing_and_resuming_twice_is_no_error
            ]
            payloads: [
                an_empty_payload_comes_back
                a_payload_of_a_mebibyte_comes_back
                every_byte_comes_back
                every_plane_of_unicode_comes_back
                an_unknown_format_is_kept
                texts_of_every_plane_come_back_everywhere
                a_nul_in_a_text_does_not_lose_a_settlement
                a_batch_of_many_bytes_is_kept_whole
            ]
            purging: [
                a_purge_removes_the_jobs_of_one_state
                a_purged_job_is_not_claimed
                active_jobs_cannot_be_purged
                a_purge_removes_a_bounded_number_a_call
                a_purge_of_an_unknown_topic_removes_nothing
            ]
            retention: [
                a_retention_of_nothing_removes_the_record_at_its_end
                a_dead_letter_stays_whatever_its_retention
                a_record_goes_when_its_time_is_over
                a_job_that_has_not_ended_is_never_swept
                a_count_keeps_the_last_ones
                a_count_goes_by_the_ends_and_not_by_the_adds
                what_is_over_the_count_goes_by_its_age
                dead_letters_do_not_count
                a_job_without_a_count_lifts_it
                a_job_that_is_not_kept_leaves_the_others_alone
                a_sweep_removes_a_bounded_number
                a_sweep_of_an_unknown_topic_removes_nothing
                a_retried_dead_letter_is_kept_by_its_retention
            ]
            settling: [
                a_completed_job_keeps_its_result
                a_failed_job_is_a_dead_letter_with_its_error
                a_retried_job_is_scheduled
                a_retry_without_a_delay_waits_at_once
                a_retried_job_runs_again
                a_snoozed_job_comes_back_later
                a_snooze_without_a_delay_waits_at_once
                a_released_job_waits_as_before
                a_handler_can_cancel_its_job
                a_job_that_comes_back_keeps_its_age
                an_error_stays_when_a_later_attempt_succeeds
                a_settlement_brings_the_last_report
                every_outcome_under_a_stale_token_is_refused
                every_outcome_of_another_worker_is_refused
                a_settlement_without_a_lease_is_refused
                a_used_token_is_accepted_again_without_an_effect
                a_used_token_is_refused_when_the_job_is_leased_again
                a_frozen_worker_cannot_overwrite_the_result_of_the_next
                an_expired_lease_that_nobody_reclaimed_can_be_settled
                a_turn_settles_an_expired_lease_before_it_reclaims
                the_timeline_and_the_log_are_capped
            ]
            stalls: [
                a_lease_that_runs_out_is_a_stall
                a_lease_that_lasts_is_not_taken
                stalled_jobs_go_first
                stalled_jobs_go_among_each_other_by_priority_and_then_by_age
                a_stalled_job_goes_first_only_once
                a_job_that_stalls_too_often_is_a_dead_letter
                the_first_stall_can_be_one_too_many
                a_cancelled_job_that_stalls_ends_as_cancelled
                a_cancelled_job_that_stalls_too_often_ends_as_cancelled
                an_at_most_once_job_is_lost_with_its_worker
                a_cancelled_at_most_once_job_is_lost_with_its_worker
                an_at_most_once_job_follows_its_retries
                many_leases_that_run_out_together_are_all_reclaimed
            ]
            sights: [
                a_dead_worker_is_seen
                a_dead_worker_is_seen_by_another_process
                a_present_worker_is_not_seen_as_gone
                a_worker_that_left_is_not_seen_as_gone
                a_worker_that_never_joined_is_not_seen_as_gone
                a_worker_that_joined_again_is_not_seen_as_gone
                own_leases_are_not_those_of_others
                a_look_is_about_its_topics
                a_look_at_nothing_sees_nothing
                a_reclaimed_lease_is_a_stall
                a_lease_is_reclaimed_once
                a_renewed_lease_is_not_reclaimed
                a_settled_lease_is_not_reclaimed
                a_lease_of_a_later_attempt_is_not_reclaimed
                a_reclaimed_job_that_stalls_too_often_is_a_dead_letter
                a_reclaimed_job_that_runs_at_most_once_has_failed
                a_reclaimed_job_that_was_cancelled_ends_as_cancelled
                a_reclaimed_job_wakes_a_waiter
                leases_of_several_topics_are_reclaimed_in_one_call
                a_claim_tells_whether_there_are_leases
                a_claim_wakes_a_waiter_that_would_sleep_beyond_its_leases
                a_claim_that_came_up_short_wakes_another_for_its_leases
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
                lines_have_no_order_between_them
                each_line_repeats_its_own_last_request
                a_settlement_in_a_later_turn_is_accepted_again
            ]
            wakeups: [
                a_new_job_wakes_a_waiter
                a_new_job_of_another_process_wakes_a_waiter
                a_worker_that_joined_over_another_connection_is_woken
                one_new_job_wakes_one_waiter
                a_batch_wakes_as_many_waiters_as_it_has_jobs
                a_claim_that_leaves_some_behind_wakes_the_next_waiter
                a_claim_of_nothing_passes_the_wake_up_on
                a_resumption_wakes_every_waiter
                a_released_job_wakes_a_waiter
                a_lease_given_back_by_a_heartbeat_wakes_a_waiter
                a_dead_letter_that_is_retried_wakes_a_waiter
                a_job_due_earlier_than_all_others_wakes_a_waiter
                a_waiter_that_left_is_not_woken_in_place_of_another
                a_job_of_another_topic_wakes_nobody
                a_wake_up_names_its_topic
            ]
            workers: [
                a_worker_that_joined_is_listed
                a_worker_that_left_is_not_listed
                a_heartbeat_shows_that_a_worker_lives
                a_worker_that_died_is_still_listed
                a_worker_can_join_again
                a_worker_that_never_joined_can_work
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
