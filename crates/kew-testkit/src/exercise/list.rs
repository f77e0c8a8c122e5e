//! The list of all cases, kept in one place: the macro that makes a test of each and [`cases`] both read it.

use crate::subject::Subject;

/// One case of the suite.
pub struct Case<S> {
    /// `group::what_holds`.
    pub name: &'static str,
    /// Puts the case to a fresh subject; panics when it does not hold.
    pub run: fn(S),
}

/// Hands the list, as `group { case, … }`, to the macro named first, behind whatever else it was given.
#[doc(hidden)]
#[macro_export]
macro_rules! broker_cases {
    ($then:ident $($given:tt)*) => {
        $crate::$then! {
            $($given)*;
            push {
                a_message_comes_back_as_it_was_pushed,
                messages_come_in_the_order_of_publishing,
                a_push_answers_the_backlog_with_its_messages,
                a_batch_of_none_or_of_101_publishes_nothing,
                a_batch_over_its_bytes_publishes_nothing,
                every_message_has_an_id_of_its_own,
                a_push_needs_no_consumer,
                a_paused_queue_takes_messages,
                queues_do_not_mix,
                a_push_to_no_queue_is_refused,
            }
            pull {
                an_empty_queue_gives_nothing,
                a_leased_message_is_given_to_nobody_else,
                a_lease_that_ends_gives_the_message_back,
                a_pull_may_set_its_own_visibility_timeout,
                a_lease_of_no_length_ends_at_once,
                the_consumer_sets_batch_size_and_timeout,
                messages_come_in_the_order_of_becoming_available,
                a_returned_message_stands_where_its_lease_ended,
                a_pull_answers_the_backlog_with_its_messages,
                a_pull_needs_a_pull_consumer_and_no_pause,
                a_refused_pull_takes_nothing,
                a_message_left_many_times_is_still_one,
            }
            settle {
                an_acked_message_is_gone,
                a_second_ack_changes_nothing,
                a_late_ack_removes_the_message,
                an_ack_by_an_old_lease_removes_the_message,
                an_ack_of_a_retried_message_removes_it,
                a_lease_of_another_queue_does_nothing,
                acks_come_before_retries,
                entries_are_judged_one_after_another,
                an_empty_settlement_does_nothing,
                a_paused_queue_takes_acks_and_retries,
                a_queue_without_its_consumer_takes_acks_and_retries,
                a_settlement_of_no_queue_is_refused,
            }
            extend {
                an_extended_lease_lasts_from_now,
                an_extension_may_shorten,
                an_extension_takes_the_consumers_timeout,
                an_extension_without_a_consumer_takes_the_default,
                an_extended_lease_still_acks,
                a_lease_that_ended_cannot_be_extended,
                an_extension_tells_gone_from_foreign,
            }
            retry {
                a_retried_message_comes_again,
                a_retry_may_hold_the_message_back,
                the_consumers_delay_holds_retries_that_do_not_say,
                the_consumers_delay_holds_expired_messages,
                the_queues_delay_does_not_hold_retries,
                a_late_retry_sets_the_delay,
                a_second_retry_moves_the_message,
                a_retry_by_an_old_lease_is_ignored,
                a_retry_of_a_gone_message_is_ignored,
                a_retried_message_stands_behind_older_ones,
                the_retry_delay_of_the_moment_counts,
            }
            delay {
                a_delayed_message_waits_exactly,
                a_message_may_wait_a_day,
                the_queues_delay_holds_messages_that_do_not_say,
                a_changed_delay_leaves_old_messages_alone,
                a_delay_passes_while_paused,
                delayed_messages_count_in_the_backlog,
                delays_end_in_their_order,
            }
            dead_letter {
                a_message_is_tried_once_and_then_max_retries_times,
                the_last_leases_end_moves_the_message,
                a_dead_letter_is_the_same_message,
                no_delay_holds_a_dead_letter,
                an_exhausted_message_without_a_dead_letter_queue_is_gone,
                late_settlements_of_an_exhausted_message_do_nothing,
                changed_retries_count_at_the_next_failure,
                a_late_retry_exhausts_nothing,
                without_a_consumer_nothing_is_exhausted,
                dead_letters_arrive_in_the_order_of_failure,
                two_queues_may_be_each_others_dead_letter_queue,
                a_deleted_dead_letter_queue_is_made_anew,
                a_recreated_dead_letter_queue_is_found_by_name,
                a_renamed_dead_letter_queue_is_followed,
                a_replaced_link_counts_at_the_next_failure,
                a_pause_does_not_stop_dead_letters,
                a_whole_batch_may_fail_at_once,
            }
            purge {
                a_purge_removes_everything,
                leases_from_before_a_purge_find_nothing,
                a_queue_lives_on_after_a_purge,
                a_purge_is_shown,
                a_purge_is_of_one_queue_paused_or_not,
                a_purge_of_no_queue_is_refused,
            }
            discard {
                a_discarded_message_is_gone,
                a_discard_tells_what_was_not_there,
                a_lease_of_a_discarded_message_finds_nothing,
                a_discard_moves_the_oldest_on,
                a_discard_in_no_queue_is_refused,
            }
            peek {
                a_peek_shows_what_a_pull_would_take,
                a_peek_changes_nothing,
                a_peek_tells_the_attempts_so_far,
                a_peek_hides_what_nobody_could_pull,
                a_peek_needs_no_consumer_and_no_delivery,
                a_peek_shows_as_many_as_the_consumer_says,
                a_peek_holds_4_mib,
                a_peeked_message_can_be_discarded,
                a_peeked_message_may_be_discarded_while_leased,
                a_peek_after_a_restart_shows_the_same,
                a_peek_of_no_queue_is_refused,
            }
            redrive {
                dead_letters_go_back_to_their_origin,
                a_redriven_message_is_tried_anew,
                a_dead_letter_shows_its_origin,
                each_dead_letter_goes_to_its_own_origin,
                a_named_queue_takes_everything,
                a_message_without_an_origin_stays,
                an_origin_is_a_queue_and_not_a_name,
                the_last_dead_letter_move_tells_the_origin,
                a_redriven_message_has_no_origin,
                no_delay_holds_a_redriven_message,
                a_redriven_message_stands_behind_those_there,
                leases_of_a_redriven_message_find_nothing,
                a_redrive_keeps_the_promise,
                origins_and_moves_survive_a_restart,
            }
            redrive_step {
                a_redrive_takes_what_a_pull_would_take,
                a_step_moves_at_most_its_batch,
                a_step_may_move_a_hundred,
                a_step_moves_at_most_what_a_batch_holds,
                a_step_looks_behind_a_thousand_messages,
                a_redrive_needs_no_consumer_and_no_delivery,
                a_redrive_needs_two_queues,
                an_empty_queue_is_redriven_to_no_effect,
            }
            idempotency {
                a_repeated_push_publishes_nothing,
                a_repetition_answers_the_backlog_of_now,
                another_content_under_the_key_is_refused,
                a_key_lasts_a_quarter_of_an_hour,
                a_key_is_free_after_its_time,
                every_key_is_its_own,
                keys_of_queues_do_not_mix,
                a_key_outlives_its_messages,
                a_deleted_queue_forgets_its_keys,
                keys_survive_a_restart,
                a_refused_push_uses_no_key,
                without_a_key_every_push_publishes,
                a_batch_is_published_once_with_its_delays,
            }
            retention {
                a_message_stays_for_its_period,
                a_message_stays_for_four_days,
                a_message_may_stay_for_fourteen_days,
                a_message_goes_in_whatever_state_it_is,
                a_period_ends_while_nothing_is_delivered,
                late_settlements_of_an_expired_message_do_nothing,
                an_acked_message_did_not_expire,
                an_expired_message_is_no_dead_letter,
                a_lease_that_ends_before_the_period_fails,
                nothing_prolongs_a_period,
                messages_go_in_the_order_of_their_arrival,
                a_delay_counts_into_the_period,
                a_queue_lives_on_after_its_messages,
            }
            period {
                a_lowered_period_acts_on_stored_messages,
                a_raised_period_keeps_stored_messages,
                a_raised_period_brings_nothing_back,
                a_period_lowered_for_a_moment_has_acted,
                a_dead_letter_stays_for_the_period_of_its_queue,
                a_dead_letter_may_come_and_go_unseen,
                a_redriven_message_stays_for_the_period_of_its_queue,
                an_expired_message_is_not_redriven,
                periods_end_while_closed,
                arrivals_survive_a_restart,
            }
            catalog {
                accounts_are_listed_in_order,
                a_queue_is_shown_as_created,
                queues_are_listed_in_order,
                names_and_ids_are_taken_once,
                accounts_do_not_mix,
                a_change_leaves_the_rest_alone,
                a_renamed_queue_is_the_same_queue,
                a_deleted_queue_is_gone,
                a_recreated_queue_is_another_queue,
                a_freed_id_may_be_given_again,
            }
            consumers {
                a_consumer_is_shown_as_attached,
                a_second_consumer_is_refused,
                a_replaced_consumer_keeps_its_id,
                a_replacement_may_create,
                a_detached_consumer_leaves_the_messages,
                a_missing_dead_letter_queue_is_created,
                a_present_dead_letter_queue_is_used,
                a_queue_cannot_be_its_own_dead_letter_queue,
                a_queue_cannot_become_its_own_dead_letter_queue,
                a_consumer_of_no_queue_is_refused,
            }
            subscriptions {
                a_subscription_is_shown_as_created,
                subscriptions_are_listed_in_order,
                a_resource_is_subscribed_to_once,
                a_subscription_needs_a_queue_of_the_account,
                a_change_of_a_subscription_leaves_the_rest_alone,
                a_change_of_a_subscription_may_be_refused,
                a_deleted_subscription_is_gone,
                a_deleted_queue_takes_its_subscriptions_along,
                subscriptions_survive_a_restart,
            }
            access {
                a_token_is_shown_as_created,
                tokens_are_listed_in_order,
                tokens_are_found_by_email,
                a_revoked_token_is_gone,
                an_expired_token_is_still_found,
            }
            limits {
                an_answer_holds_4_mib_of_text,
                an_answer_holds_4_mib_of_base64,
                a_pull_takes_one_to_a_hundred,
                attempts_count_to_a_hundred_and_one,
                an_account_holds_so_many_queues,
                an_account_holds_so_many_tokens,
                an_account_holds_so_many_subscriptions,
            }
            restart {
                messages_survive,
                a_lease_survives,
                a_lease_is_valid_after_a_restart,
                an_ack_survives,
                leases_end_while_closed,
                attempts_and_retry_delays_survive,
                dead_letters_survive,
                the_catalog_survives,
                nothing_is_reused,
                a_pause_survives,
                a_closed_broker_refuses,
                many_restarts_change_nothing,
            }
            concurrency {
                pullers_get_different_messages,
                acks_at_once_remove_one_message_once,
                pushers_and_pullers_lose_nothing,
            }
            changed {
                a_push_keeps_the_promise,
                the_end_of_a_delay_keeps_the_promise,
                the_end_of_a_lease_keeps_the_promise,
                a_lease_of_no_length_keeps_the_promise,
                a_retry_keeps_the_promise,
                a_shortened_lease_keeps_the_promise,
                changed_settings_keep_the_promise,
                a_dead_letter_keeps_the_promise,
                every_promise_is_kept,
                a_promise_is_of_what_comes_after,
            }
        }
    };
}

/// Makes a `#[test]` of every case of the suite, grouped in modules, for the broker that a function makes.
///
/// Give it the name of a function in the calling module that takes nothing and returns a fresh [`Subject`].
///
/// ```no_run
/// use kew_testkit::OracleSubject;
///
/// fn oracle() -> OracleSubject {
///     OracleSubject::new(1)
/// }
///
/// kew_testkit::broker_suite!(oracle);
/// ```
#[macro_export]
macro_rules! broker_suite {
    ($make_subject:ident) => {
        $crate::broker_cases! { broker_tests $make_subject }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! broker_tests {
    ($make_subject:ident; $($group:ident { $($case:ident,)* })*) => {
        $(mod $group {
            $(#[test]
            fn $case() {
                $crate::exercise::$group::$case(super::$make_subject());
            })*
        })*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! broker_case_list {
    (; $($group:ident { $($case:ident,)* })*) => {
        vec![$($($crate::exercise::Case {
            name: concat!(stringify!($group), "::", stringify!($case)),
            run: $crate::exercise::$group::$case,
        },)*)*]
    };
}

/// Every case of the suite.
pub fn cases<S: Subject>() -> Vec<Case<S>> {
    crate::broker_cases! { broker_case_list }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OracleSubject;

    #[test]
    fn every_case_that_is_written_is_in_the_list() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/exercise");
        let mut written = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let group = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let source = std::fs::read_to_string(&path).unwrap();
            let cases = source
                .lines()
                .filter_map(|line| line.strip_prefix("pub fn ")?.split_once("<S: Subject>(subject"));
            written.extend(cases.map(|(case, _)| format!("{group}::{case}")));
        }
        let mut listed: Vec<_> = cases::<OracleSubject>().iter().map(|case| case.name.to_owned()).collect();
        written.sort();
        listed.sort();
        assert_eq!(listed, written);
    }
}
