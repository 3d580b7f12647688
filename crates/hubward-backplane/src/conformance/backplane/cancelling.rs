//! A call decides when it is made: dropping its future, at any await, changes nothing about that.

use std::sync::Arc;

use bytes::Bytes;

use super::recording_node::{RecordingNode, TestNetwork, check_nothing_came, fence, start, two, ward};
use crate::backplane::BackplaneError;
use crate::conformance::cancelling::{drop_after, for_each_await};

pub async fn a_publication_is_sent_once_wherever_it_is_dropped(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    there.subscribe(&ward(7)).await;
    for_each_await(async |polls| {
        let envelope = Bytes::from(polls.to_string());
        let publishing = here.backplane.publish(vec![ward(7), fence()], envelope.clone());
        let complete = drop_after(polls, publishing).await.is_some();
        let mut received = [there.next().await, there.next().await];
        received.sort_by_key(|(topic, _)| *topic == fence());
        assert_eq!(received, [(ward(7), envelope.clone()), (fence(), envelope)]);
        check_nothing_came(&here, &there).await;
        complete
    })
    .await;
}

pub async fn the_later_of_two_calls_decides_wherever_the_earlier_is_dropped(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    for_each_await(async |polls| {
        let subscribed = drop_after(polls, there.backplane.subscribe(vec![ward(7)])).await.is_some();
        there.unsubscribe(&ward(7)).await;
        here.publish(&ward(7), "missed").await;
        check_nothing_came(&here, &there).await;

        there.subscribe(&ward(7)).await;
        let unsubscribed = drop_after(polls, there.backplane.unsubscribe(vec![ward(7)])).await.is_some();
        there.subscribe(&ward(7)).await;
        here.publish(&ward(7), "received").await;
        there.expect(&ward(7), "received").await;
        there.unsubscribe(&ward(7)).await;
        subscribed && unsubscribed
    })
    .await;
}

pub async fn an_unsubscription_is_made_wherever_it_is_dropped(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    for_each_await(async |polls| {
        there.subscribe(&ward(7)).await;
        let complete = drop_after(polls, there.backplane.unsubscribe(vec![ward(7)])).await.is_some();
        // Confirmed after it.
        there.unsubscribe(&ward(8)).await;
        here.publish(&ward(7), "missed").await;
        check_nothing_came(&here, &there).await;
        complete
    })
    .await;
}

pub async fn a_start_that_was_dropped_may_be_repeated(new: &dyn TestNetwork) {
    let here = start(new, "here").await;
    for_each_await(async |polls| {
        let (there, subscriber) = RecordingNode::new(new.backplane(format!("there-{polls}").into()));
        let complete = drop_after(polls, there.backplane.start(Arc::clone(&subscriber))).await.is_some();
        let again = there.backplane.start(subscriber).await;
        assert!(matches!(again, Ok(()) | Err(BackplaneError::AlreadyStarted)), "{again:?}");
        there.subscribe(&fence()).await;
        here.publish(&fence(), "one").await;
        there.expect(&fence(), "one").await;
        there.backplane.stop().await;
        complete
    })
    .await;
}

pub async fn a_stop_that_was_dropped_may_be_repeated(new: &dyn TestNetwork) {
    let (here, third) = two(new).await;
    for_each_await(async |polls| {
        let there = start(new, &format!("there-{polls}")).await;
        there.subscribe(&fence()).await;
        let complete = drop_after(polls, there.backplane.stop()).await.is_some();
        there.backplane.stop().await;
        here.publish(&fence(), "late").await;
        third.expect(&fence(), "late").await;
        assert!(there.is_drained().await, "a stopped node received something");
        complete
    })
    .await;
}
