//! What every backplane and every group store must do, as tests that any implementation runs on itself. They
//! make no assumption beyond the traits, and wait for conditions only; a condition that does not come about
//! fails its test after ten seconds.
//!
//! Each suite is a macro that is given an expression for a future of a fixture, and makes one test for each
//! rule. A fixture is a closure: from a node's name to a link that has not been started, where all links of
//! one fixture reach each other and none of another's; or to a store that is empty.
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
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code: what fails here is to fail a test")]
#![allow(missing_docs, reason = "the names of the tests are sentences that say what must hold")]

pub mod backplane;
pub mod recorder;
pub mod store;
pub mod store_paging;

use std::time::Duration;

/// How long a condition may take to come about: far more than any takes, for a machine under load.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Makes a test of each rule that a [`Backplane`](crate::Backplane) must keep.
#[macro_export]
macro_rules! backplane_suite {
    ($fixture:expr) => {
        $crate::suite_tests! { $fixture, $crate::conformance::backplane,
            what_is_published_after_a_subscription_arrives,
            what_nobody_subscribed_to_arrives_nowhere,
            a_publisher_never_hears_itself,
            every_other_subscriber_takes_an_envelope_once,
            the_order_of_a_publisher_is_kept_across_the_topics_of_a_hub,
            the_order_of_calls_counts_and_not_that_of_polls,
            a_dropped_publication_is_still_sent,
            nothing_arrives_after_an_unsubscription,
            a_topic_subscribed_to_twice_is_subscribed_to_once,
            unsubscribing_from_what_was_never_subscribed_to_is_no_error,
            of_two_calls_about_a_topic_the_later_decides,
            concurrent_subscriptions_of_one_topic_settle,
            topics_that_look_alike_stay_apart,
            envelopes_of_any_size_and_content_arrive_unchanged,
            an_envelope_over_the_bound_is_refused,
            counts_are_right_where_they_are_known,
            a_node_that_is_not_alone_knows_it,
            a_stopped_node_hears_nothing_and_refuses_calls,
            a_stopped_link_lets_go_of_its_inbox,
            a_link_is_started_once,
        }
    };
}

/// Makes a test of each rule that a [`GroupStore`](crate::GroupStore) must keep.
#[macro_export]
macro_rules! group_store_suite {
    ($fixture:expr) => {
        mod membership {
            #[allow(unused_imports, reason = "the fixture may be written with full paths")]
            use super::*;
            $crate::suite_tests! { $fixture, $crate::conformance::store,
                an_unknown_group_is_empty,
                a_connection_is_a_member_from_when_it_was_added_until_it_is_removed,
                joining_twice_is_joining_once,
                removing_who_is_no_member_is_no_error,
                an_ended_connection_has_left_all_its_groups,
                a_connection_may_come_back_after_its_end,
                a_dead_nodes_connections_have_left_and_nobody_else_has,
                a_connection_that_moved_does_not_leave_with_its_former_node,
                a_user_is_a_member_until_removed,
                a_connection_and_a_user_of_the_same_name_are_two_members,
                a_users_membership_lapses,
                a_lapsing_membership_says_how_long_it_lasts,
                the_latest_time_to_live_counts,
                a_time_to_live_of_zero_has_lapsed,
                a_time_to_live_beyond_the_clock_lasts,
                hubs_are_separate,
                names_that_look_alike_stay_apart,
                names_are_told_apart_by_case,
                concurrent_joins_and_ends_leave_no_trace,
            }
        }
        mod paging {
            #[allow(unused_imports, reason = "the fixture may be written with full paths")]
            use super::*;
            $crate::suite_tests! { $fixture, $crate::conformance::store_paging,
                a_page_holds_no_more_than_was_asked_for_or_is_allowed,
                ten_thousand_members_are_listed_once_each,
                who_stays_is_listed_once_while_others_come_and_go,
                a_listing_goes_on_after_the_member_it_stopped_at_left,
                a_listing_does_not_show_who_has_lapsed,
                a_cursor_that_is_none_is_refused,
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! suite_tests {
    ($fixture:expr, $suite:path, $($rule:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                use $suite as suite;
                suite::$rule(&$fixture.await).await;
            }
        )*
    };
}

/// Waits until a condition holds.
///
/// # Panics
///
/// Panics where it does not come about within [`PATIENCE`].
pub async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "{what}: it did not come about");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
