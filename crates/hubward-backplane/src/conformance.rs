//! What every backplane and every group store must do, as tests that any implementation runs on itself. They
//! assume nothing beyond the traits. They wait only for conditions; a condition that does not come true
//! within ten seconds fails its test.
//!
//! Each suite is a macro. Its argument is an expression for a future of a fixture, and it makes one test for
//! each rule. For a backplane the fixture is a [`TestNetwork`](backplane::recording_node::TestNetwork). For a group
//! store and a node registry it is a closure that takes a lease and returns empty [`Stores`](stores::Stores), which
//! share their state.
//!
//! The crate that runs a suite needs Tokio with `macros` and `rt-multi-thread`.
//! The guide's page on own backplanes and stores has an example of each.
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code: a failure here is to fail a test")]
#![allow(missing_docs, reason = "the names of the tests are sentences that say what must hold")]

pub mod backplane;
mod cancelling;
pub mod group_store;
pub mod node_registry;
pub mod stores;
pub mod wait;

/// Makes a test of each rule that a [`Backplane`](crate::Backplane) must keep.
#[macro_export]
macro_rules! backplane_suite {
    ($fixture:expr) => {
        $crate::suite_tests! { $fixture, backplane::delivery,
            what_is_published_after_a_subscription_arrives,
            what_nobody_is_subscribed_to_is_not_delivered,
            a_publisher_does_not_receive_its_own_envelopes,
            every_other_subscriber_receives_an_envelope_once,
            the_order_of_a_publisher_is_kept_on_each_topic,
            the_order_of_a_publisher_is_kept_across_topics_where_that_is_promised,
            the_order_is_that_of_calls_and_not_of_polls,
            all_nodes_receive_a_topic_in_one_order_whoever_publishes,
            one_envelope_for_many_topics_arrives_once_for_each,
            a_dropped_publication_is_still_sent,
            what_is_published_in_a_gap_fails_at_once_and_is_not_sent,
            envelopes_of_any_size_and_content_arrive_unchanged,
            an_envelope_over_the_bound_is_refused,
        }
        $crate::suite_tests! { $fixture, backplane::subscription,
            nothing_arrives_after_an_unsubscription,
            subscribing_twice_has_the_effect_of_subscribing_once,
            unsubscribing_from_an_unknown_topic_is_not_an_error,
            of_two_calls_about_a_topic_the_later_decides,
            a_call_whose_future_is_dropped_decides_all_the_same,
            concurrent_subscriptions_of_one_topic_settle,
            a_subscription_that_fails_undoes_no_other,
            subscriptions_outlive_a_gap_and_the_subscriber_is_notified_of_it,
            what_is_unsubscribed_from_in_a_gap_stays_unsubscribed,
            topics_that_look_alike_stay_apart,
        }
        $crate::suite_tests! { $fixture, backplane::confirmation,
            what_is_published_after_a_slow_confirmation_arrives,
            a_slow_confirmation_does_not_hold_up_publishing,
            an_unsubscription_before_a_slow_confirmation_decides,
            an_interruption_settles_a_confirmation_that_is_awaited,
        }
        $crate::suite_tests! { $fixture, backplane::cancelling,
            a_publication_is_sent_once_wherever_it_is_dropped,
            the_later_of_two_calls_decides_wherever_the_earlier_is_dropped,
            an_unsubscription_is_made_wherever_it_is_dropped,
            a_start_that_was_dropped_may_be_repeated,
            a_stop_that_was_dropped_may_be_repeated,
        }
        $crate::suite_tests! { $fixture, backplane::lifecycle,
            a_node_among_others_is_not_alone,
            a_stopped_node_receives_nothing_and_refuses_calls,
            a_stopped_backplane_drops_its_subscriber,
            a_backplane_is_started_once,
            a_start_that_failed_may_be_tried_again,
        }
    };
}

/// Makes a test of each rule that a [`GroupStore`](crate::GroupStore) must keep.
#[macro_export]
macro_rules! group_store_suite {
    ($fixture:expr) => {
        $crate::suite_tests! { $fixture, group_store::membership,
            an_unknown_group_is_empty,
            a_connection_is_a_member_from_when_it_was_added_until_it_is_removed,
            joining_twice_is_joining_once,
            removing_what_is_not_a_member_is_not_an_error,
            an_ended_connection_has_left_all_its_groups,
            an_ended_connection_joins_nothing_more,
            a_user_is_a_member_until_removed,
            concurrent_joins_and_ends_leave_nothing_behind,
        }
        $crate::suite_tests! { $fixture, group_store::opening,
            an_opened_connection_has_an_owner_until_it_ends,
            opening_returns_the_groups_of_the_user,
            a_connection_is_opened_once_also_after_its_end,
            a_claim_ends,
            an_open_connection_is_opened_by_nobody_else_once_its_claim_has_ended,
            one_of_many_that_open_a_connection_at_once_has_it,
            what_comes_late_from_a_former_owner_changes_nothing,
            what_was_never_opened_joins_nothing,
            a_change_of_a_user_names_the_nodes_that_hold_the_user,
            a_user_that_connects_while_it_is_added_is_not_missed,
            the_groups_of_several_users_are_read_at_once,
            concurrent_changes_of_a_user_leave_what_the_last_one_said,
        }
        $crate::suite_tests! { $fixture, group_store::moving,
            a_connection_that_is_taken_over_has_its_new_owner_and_its_groups,
            what_a_former_owner_records_after_a_take_over_changes_nothing,
            a_take_over_may_be_repeated_by_the_same_new_owner,
            of_two_that_take_a_connection_over_at_once_one_has_it,
            a_join_that_races_a_take_over_is_in_what_it_returns_or_refused,
            a_parked_session_is_taken_by_one_node_with_its_connection,
            a_parked_session_is_kept_for_its_time,
            a_session_that_is_too_large_or_of_another_is_not_parked,
            of_many_that_take_a_parked_session_one_has_it,
        }
        $crate::suite_tests! { $fixture, group_store::bans,
            a_ban_ends_the_memberships_of_a_user_and_of_its_connections,
            a_ban_refuses_connections_that_open_later_and_a_membership_that_has_expired,
            a_ban_lasts_without_members_or_connections,
            a_ban_is_of_one_user_in_one_group_of_one_hub,
            a_user_that_is_unbanned_may_join_again_and_what_the_ban_ended_stays_ended,
            banning_twice_is_banning_once_and_unbanning_what_is_not_banned_is_no_error,
            bans_of_names_that_look_alike_stay_apart,
            a_join_that_races_a_ban_is_ended_by_it_or_refused,
            a_membership_after_an_unban_is_not_undone_by_the_ban,
        }
        $crate::suite_tests! { $fixture, group_store::presence,
            a_user_is_online_from_its_first_connection_until_the_end_of_its_last,
            an_opening_that_is_repeated_or_refused_counts_once,
            hubs_have_their_own_users,
            users_that_look_alike_stay_apart,
            a_page_of_users_or_connections_has_no_more_than_the_limit_or_the_maximum,
            a_user_that_stays_online_is_listed_once_while_others_come_and_go,
            a_connection_that_stays_is_listed_once_while_others_come_and_go,
            a_string_that_is_not_a_cursor_is_refused,
        }
        $crate::suite_tests! { $fixture, group_store::cancelling,
            an_opening_that_was_dropped_may_be_repeated,
            what_a_dropped_opening_recorded_is_ended_by_its_owner,
            a_join_that_was_dropped_is_whole_or_absent,
            a_leave_that_was_dropped_is_whole_or_absent,
            an_end_that_was_dropped_may_be_repeated,
            a_users_change_that_was_dropped_is_whole_or_absent,
            a_ban_that_was_dropped_is_whole_or_absent,
            an_unban_that_was_dropped_may_be_repeated,
            a_read_that_was_dropped_disturbs_no_later_one,
        }
        $crate::suite_tests! { $fixture, group_store::expiry,
            a_users_membership_expires,
            a_membership_that_expires_has_a_remaining_time_to_live,
            the_latest_time_to_live_counts,
            a_time_to_live_of_zero_has_expired,
            a_time_to_live_beyond_the_clock_never_expires,
        }
        $crate::suite_tests! { $fixture, group_store::names,
            a_connection_and_a_user_of_the_same_name_are_two_members,
            hubs_are_separate,
            names_that_look_alike_stay_apart,
            names_are_case_sensitive,
        }
        $crate::suite_tests! { $fixture, group_store::paging,
            a_page_has_no_more_members_than_the_limit_or_the_maximum,
            ten_thousand_members_are_listed_once_each,
            a_member_that_stays_is_listed_once_while_others_come_and_go,
            a_listing_continues_after_the_member_it_stopped_at_has_left,
            a_listing_does_not_show_expired_members,
            a_string_that_is_not_a_cursor_is_refused,
        }
    };
}

/// Makes a test of each rule that a [`NodeRegistry`](crate::NodeRegistry) must keep, with its
/// [`GroupStore`](crate::GroupStore).
#[macro_export]
macro_rules! node_registry_suite {
    ($fixture:expr) => {
        $crate::suite_tests! { $fixture, node_registry::lives,
            a_node_is_listed_from_its_announcement_until_it_leaves,
            a_node_is_listed_with_the_load_of_its_last_heartbeat,
            a_later_life_has_a_greater_epoch,
            of_two_nodes_with_one_id_the_second_is_refused,
            a_node_without_heartbeats_dies_and_one_with_them_lives,
            a_watcher_sees_nodes_come_and_go,
            a_watcher_learns_once_that_a_node_is_about_to_leave,
        }
        $crate::suite_tests! { $fixture, node_registry::sweeping,
            the_connections_of_a_dead_node_are_swept_and_no_others,
            a_sweep_goes_in_bounded_steps,
            one_survivor_sweeps_at_a_time,
            what_a_node_that_left_still_held_is_swept,
        }
        $crate::suite_tests! { $fixture, node_registry::restoring,
            a_node_that_is_taken_for_dead_records_nothing,
            a_node_restores_what_it_holds_before_or_after_it_was_swept,
            a_connection_that_another_node_has_meanwhile_is_not_restored,
            a_restored_connection_is_opened_by_nobody_else_also_after_its_end,
            a_connection_whose_id_another_node_has_claimed_is_not_restored,
            restoring_is_bounded,
        }
        $crate::suite_tests! { $fixture, node_registry::moving,
            a_connection_of_a_dead_node_is_taken_over_until_it_is_swept,
            a_node_that_is_taken_for_dead_takes_nothing_over,
            a_connection_that_was_taken_over_is_restored_by_its_new_owner,
        }
        $crate::suite_tests! { $fixture, node_registry::presence,
            users_of_a_dead_node_are_not_online_whether_or_not_it_was_swept,
            a_node_that_comes_back_has_its_users_online_again,
            a_membership_that_a_ban_has_ended_is_not_restored,
            a_ban_reaches_connections_of_a_dead_node_and_those_that_were_restored,
            restoring_that_races_a_ban_leaves_no_member,
        }
        $crate::suite_tests! { $fixture, node_registry::cancelling,
            an_announcement_that_was_dropped_keeps_its_id_for_no_longer_than_a_lease,
            a_heartbeat_or_a_leave_that_was_dropped_may_be_repeated,
            a_sweep_that_was_dropped_goes_on_with_the_next_step,
            a_restoring_that_was_dropped_may_be_repeated,
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! suite_tests {
    ($fixture:expr, $suite:ident :: $part:ident, $($rule:ident),* $(,)?) => {
        mod $part {
            #[allow(unused_imports, reason = "the fixture may be written with full paths")]
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    $crate::conformance::$suite::$part::$rule(&$fixture.await).await;
                }
            )*
        }
    };
}
