//! What is delivered, to whom, and in which order.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::task::JoinSet;

use super::recording_node::{HUB, SubscriberEvent, TestNetwork, check_nothing_came, fence, start, two, ward};
use crate::backplane::{BackplaneError, Order};
use crate::conformance::wait::eventually;
use crate::envelope::MAX_ENVELOPE_BYTES;
use crate::topic::Topic;

pub async fn what_is_published_after_a_subscription_arrives(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    for number in 0..100 {
        let topic = ward(number);
        there.subscribe(&topic).await;
        here.publish(&topic, "vitals").await;
        there.expect(&topic, "vitals").await;
    }
}

pub async fn what_nobody_is_subscribed_to_is_not_delivered(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    here.publish(&ward(7), "vitals").await;
    check_nothing_came(&here, &there).await;
}

pub async fn a_publisher_does_not_receive_its_own_envelopes(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    here.subscribe(&ward(7)).await;
    here.subscribe(&fence()).await;
    here.publish(&ward(7), "vitals").await;
    check_nothing_came(&here, &there).await;
    // What the other node publishes after it is the first that is received.
    there.publish(&ward(7), "reply").await;
    here.expect(&ward(7), "reply").await;
}

pub async fn every_other_subscriber_receives_an_envelope_once(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    let third = start(new, "third").await;
    third.subscribe(&fence()).await;
    here.publish(&fence(), "one").await;
    here.publish(&fence(), "two").await;
    for node in [&there, &third] {
        node.expect(&fence(), "one").await;
        node.expect(&fence(), "two").await;
    }
}

pub async fn the_order_of_a_publisher_is_kept_across_topics_where_that_is_promised(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    if here.backplane.order() != Order::AcrossTopics {
        return;
    }
    let topics = [
        fence(),
        ward(7),
        ward(8),
        Topic::User(HUB.into(), "alice".into()),
        Topic::Node("there".into()),
        Topic::Nodes,
        Topic::All("billing".into()),
    ];
    for topic in &topics {
        there.subscribe(topic).await;
    }
    let in_turn = || topics.iter().cycle().zip(0..2_000);
    join_all(in_turn().map(|(topic, number)| here.publish(topic, number.to_string()))).await;
    for (topic, number) in in_turn() {
        there.expect(topic, number.to_string()).await;
    }
}

pub async fn the_order_of_a_publisher_is_kept_on_each_topic(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    let topic = fence();
    join_all((0..2_000).map(|number| here.publish(&topic, number.to_string()))).await;
    for number in 0..2_000 {
        there.expect(&fence(), number.to_string()).await;
    }
}

pub async fn all_nodes_receive_a_topic_in_one_order_whoever_publishes(new: &dyn TestNetwork) {
    let publishers = [Arc::new(start(new, "one").await), Arc::new(start(new, "two").await)];
    let receivers = [start(new, "three").await, start(new, "four").await];
    for receiver in &receivers {
        receiver.subscribe(&fence()).await;
    }
    let mut publishing = JoinSet::new();
    for (publisher, name) in publishers.into_iter().zip(["one", "two"]) {
        publishing.spawn(async move {
            let topic = fence();
            join_all((0..500).map(|number| publisher.publish(&topic, format!("{name} {number}")))).await;
        });
    }
    publishing.join_all().await;
    for _ in 0..1_000 {
        assert_eq!(receivers[0].next().await, receivers[1].next().await);
    }
}

pub async fn one_envelope_for_many_topics_arrives_once_for_each(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    let third = start(new, "third").await;
    for topic in [ward(7), ward(8)] {
        there.subscribe(&topic).await;
    }
    third.subscribe(&ward(8)).await;
    third.subscribe(&fence()).await;
    let topics = vec![ward(7), ward(8), ward(9)];
    here.backplane.publish(topics, Bytes::from_static(b"vitals")).await.expect("the envelope is sent");
    let mut received = vec![there.next().await, there.next().await];
    received.sort_by_key(|(topic, _)| format!("{topic:?}"));
    assert_eq!(received, [(ward(7), "vitals".into()), (ward(8), "vitals".into())]);
    third.expect(&ward(8), "vitals").await;
    here.backplane.publish(vec![], Bytes::from_static(b"nobody")).await.expect("nothing is sent");
    here.publish(&fence(), "fence").await;
    there.expect(&fence(), "fence").await;
    third.expect(&fence(), "fence").await;
}

pub async fn the_order_is_that_of_calls_and_not_of_polls(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    let calls: Vec<_> =
        (0..50).map(|number| here.backplane.publish(many(number), Bytes::from(number.to_string()))).collect();
    for call in calls.into_iter().rev() {
        call.await.expect("the envelope is sent");
    }
    for number in 0..50 {
        there.expect(&fence(), number.to_string()).await;
    }
}

/// Topics of which the last is the fence.
fn many(number: usize) -> Vec<Topic> {
    (0..number).map(ward).chain([fence()]).collect()
}

pub async fn a_dropped_publication_is_still_sent(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    drop(here.backplane.publish(vec![ward(7), fence()], Bytes::from_static(b"one")));
    here.publish(&fence(), "two").await;
    there.expect(&fence(), "one").await;
    there.expect(&fence(), "two").await;
}

pub async fn envelopes_of_any_size_and_content_arrive_unchanged(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    for size in [0, 1, 125, 126, 65_535, 65_536, 1 << 20, 8 << 20] {
        let envelope: Bytes = (0..size).map(|at: u32| (at ^ (at >> 8)) as u8).collect();
        here.publish(&fence(), envelope.clone()).await;
        // Not compared by assert_eq, which would print eight million bytes.
        let (_, received) = there.next().await;
        assert!(received == envelope, "an envelope of {size} bytes came as {} bytes", received.len());
    }
    let hostile: &[u8] = b"*3\r\n$7\r\nmessage\r\n\0\xff";
    here.publish(&fence(), hostile).await;
    there.expect(&fence(), hostile).await;
}

pub async fn an_envelope_over_the_bound_is_refused(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    let refused = here.backplane.publish(vec![fence()], Bytes::from(vec![0; MAX_ENVELOPE_BYTES + 1])).await;
    assert!(matches!(refused, Err(BackplaneError::TooLarge { .. })), "{refused:?}");
    check_nothing_came(&here, &there).await;
}

pub async fn what_is_published_in_a_gap_fails_at_once_and_is_not_sent(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    for _ in 0..3 {
        new.interrupt(&"here".into()).await;
        assert_eq!(here.next_event().await, SubscriberEvent::Interrupted);
        let publish = |envelope| here.backplane.publish(vec![fence()], Bytes::from_static(envelope));
        let refused = |result| matches!(result, Some(Err(BackplaneError::Unavailable(_))));
        // Its calls may fail somewhat later than it notifies.
        eventually("publishing fails", async || refused(publish(b"accepted").now_or_never())).await;
        assert!(refused(publish(b"refused").now_or_never()), "publishing fails at once");
        new.resume(&"here".into()).await;
        while here.next_event().await != SubscriberEvent::Resumed {}
        here.publish(&fence(), "fence").await;
        loop {
            match &there.next().await.1[..] {
                b"fence" => break,
                other => assert_eq!(other, b"accepted", "what was refused is not sent"),
            }
        }
    }
}
