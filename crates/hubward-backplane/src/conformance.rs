//! What every backplane and every group store must do, as tests that any implementation runs on itself. They
//! assume nothing beyond the traits. They wait only for conditions; a condition that does not come true
//! within ten seconds fails its test.
//!
//! Each suite is a macro. Its argument is an expression for a future of a fixture, and it makes one test for
//! each rule. A fixture is a closure. For a backplane it takes the name of a node and returns a backplane
//! that has not been started; all backplanes of one fixture reach each other, and no other fixture's. For a
//! group store it returns an empty store.
//!
//! The crate that runs a suite needs Tokio with `macros` and `rt-multi-thread`.
//!
//! ```ignore
//! mod as_a_backplane {
//!     hubward_backplane::backplane_suite!(async {
//!         let network = InMemoryNetwork::new();
//!         move |node| Arc::new(network.backplane(node)) as Arc<dyn Backplane>
//!     });
//! }
//! mod as_a_store {
//!     hubward_backplane::group_store_suite!(async {
//!         || Arc::new(InMemoryGroupStore::new()) as Arc<dyn GroupStore>
//!     });
//! }
//! ```
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code: a failure here is to fail a test")]
#![allow(missing_docs, reason = "the names of the tests are sentences that say what must hold")]

pub mod backplane;
pub mod group_store;
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
            the_order_of_a_publisher_is_kept_across_the_topics_of_a_hub,
            the_order_is_that_of_calls_and_not_of_polls,
            a_dropped_publication_is_still_sent,
            envelopes_of_any_size_and_content_arrive_unchanged,
            an_envelope_over_the_bound_is_refused,
            counts_are_right_if_they_are_known,
        }
        $crate::suite_tests! { $fixture, backplane::subscription,
            nothing_arrives_after_an_unsubscription,
            subscribing_twice_has_the_effect_of_subscribing_once,
            unsubscribing_from_an_unknown_topic_is_not_an_error,
            of_two_calls_about_a_topic_the_later_decides,
            concurrent_subscriptions_of_one_topic_settle,
            topics_that_look_alike_stay_apart,
        }
        $crate::suite_tests! { $fixture, backplane::lifecycle,
            a_node_among_others_is_not_alone,
            a_stopped_node_receives_nothing_and_refuses_calls,
            a_stopped_backplane_drops_its_subscriber,
            a_backplane_is_started_once,
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
            a_connection_may_come_back_after_its_end,
            the_connections_of_a_dead_node_have_left_and_no_others,
            a_connection_that_moved_does_not_leave_with_its_former_node,
            a_user_is_a_member_until_removed,
            concurrent_joins_and_ends_leave_nothing_behind,
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
