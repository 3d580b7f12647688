//! Subscribing and unsubscribing, and that topics are distinguished.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::task::JoinSet;

use super::recording_node::{RecordingNode, SubscriberEvent, TestNetwork, check_nothing_came, two, ward};
use crate::backplane::BackplaneError;
use crate::topic::Topic;

pub async fn nothing_arrives_after_an_unsubscription(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    for _ in 0..50 {
        there.subscribe(&ward(7)).await;
        here.publish(&ward(7), "received").await;
        there.expect(&ward(7), "received").await;
        there.unsubscribe(&ward(7)).await;
        here.publish(&ward(7), "missed").await;
        check_nothing_came(&here, &there).await;
    }
}

pub async fn subscribing_twice_has_the_effect_of_subscribing_once(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    there.subscribe(&ward(7)).await;
    there.subscribe(&ward(7)).await;
    here.publish(&ward(7), "once").await;
    there.expect(&ward(7), "once").await;
    check_nothing_came(&here, &there).await;
    there.unsubscribe(&ward(7)).await;
    here.publish(&ward(7), "missed").await;
    check_nothing_came(&here, &there).await;
}

pub async fn unsubscribing_from_an_unknown_topic_is_not_an_error(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    there.unsubscribe(&ward(7)).await;
    check_nothing_came(&here, &there).await;
}

pub async fn of_two_calls_about_a_topic_the_later_decides(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    let topic = ward(7);
    let first = there.backplane.subscribe(vec![topic.clone()]);
    let second = there.backplane.unsubscribe(vec![topic.clone()]);
    let third = there.backplane.subscribe(vec![topic.clone()]);
    assert!(third.await.iter().all(Result::is_ok));
    second.await;
    assert!(first.await.iter().all(Result::is_ok));
    here.publish(&topic, "received").await;
    there.expect(&topic, "received").await;

    let first = there.backplane.subscribe(vec![topic.clone()]);
    there.backplane.unsubscribe(vec![topic.clone()]).await;
    let _ = first.await;
    here.publish(&topic, "missed").await;
    check_nothing_came(&here, &there).await;
}

pub async fn a_call_whose_future_is_dropped_decides_all_the_same(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    for _ in 0..20 {
        drop(there.backplane.subscribe(vec![ward(7)]));
        there.subscribe(&ward(8)).await;
        drop(there.backplane.unsubscribe(vec![ward(7)]));
        there.subscribe(&ward(7)).await;
        here.publish(&ward(7), "received").await;
        there.expect(&ward(7), "received").await;
        drop(there.backplane.unsubscribe(vec![ward(7)]));
        // Confirmed after the one that was dropped.
        there.unsubscribe(&ward(8)).await;
        here.publish(&ward(7), "missed").await;
        check_nothing_came(&here, &there).await;
    }
}

pub async fn a_subscription_that_fails_undoes_no_other(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    new.refuse(ward("refused")).await;
    let results = there.backplane.subscribe(vec![ward(7), ward("refused"), ward(8)]).await;
    assert!(matches!(results[..], [Ok(()), Err(_), Ok(())]), "{results:?}");
    // Where nobody may subscribe, nobody may publish, perhaps.
    let _ = here.backplane.publish(vec![ward("refused")], Bytes::from_static(b"vitals")).await;
    for topic in [ward(7), ward(8)] {
        here.publish(&topic, "vitals").await;
    }
    // In either order, where order is kept on each topic only.
    let mut received = [there.next().await, there.next().await];
    received.sort_by_key(|(topic, _)| *topic == ward(8));
    assert_eq!(received, [(ward(7), "vitals".into()), (ward(8), "vitals".into())]);
}

pub async fn subscriptions_outlive_a_gap_and_the_subscriber_is_notified_of_it(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    there.subscribe(&ward(7)).await;
    for round in 0..3 {
        new.interrupt(&"there".into()).await;
        assert_eq!(there.next_event().await, SubscriberEvent::Interrupted);
        here.publish(&ward(7), "lost").await;
        new.resume(&"there".into()).await;
        // What was published meanwhile is lost or late, but nothing is missed after this.
        while there.next_event().await != SubscriberEvent::Resumed {}
        here.publish(&ward(7), format!("round {round}")).await;
        there.expect(&ward(7), format!("round {round}")).await;
    }
    check_nothing_came(&here, &there).await;
}

pub async fn what_is_unsubscribed_from_in_a_gap_stays_unsubscribed(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    there.subscribe(&ward(7)).await;
    new.interrupt(&"there".into()).await;
    assert_eq!(there.next_event().await, SubscriberEvent::Interrupted);
    there.unsubscribe(&ward(7)).await;
    let failed = there.try_subscribe(&ward(8)).await;
    assert!(matches!(failed, Err(BackplaneError::Unavailable(_))), "{failed:?}");
    new.resume(&"there".into()).await;
    while there.next_event().await != SubscriberEvent::Resumed {}
    for topic in [ward(7), ward(8)] {
        here.publish(&topic, "missed").await;
    }
    check_nothing_came(&here, &there).await;
}

pub async fn concurrent_subscriptions_of_one_topic_settle(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    for round in 0..20 {
        let mut tasks = JoinSet::new();
        for number in 0..16 {
            let backplane = Arc::clone(&there.backplane);
            tasks.spawn(async move {
                match number % 2 {
                    0 => backplane.subscribe(vec![ward(7)]).await.into_iter().all(|result| result.is_ok()),
                    _ => {
                        backplane.unsubscribe(vec![ward(7)]).await;
                        true
                    }
                }
            });
        }
        assert!(tasks.join_all().await.into_iter().all(|succeeded| succeeded));
        if round % 2 == 0 {
            there.subscribe(&ward(7)).await;
            here.publish(&ward(7), "received").await;
            there.expect(&ward(7), "received").await;
        } else {
            there.unsubscribe(&ward(7)).await;
            here.publish(&ward(7), "missed").await;
        }
        check_nothing_came(&here, &there).await;
    }
}

pub async fn topics_that_look_alike_stay_apart(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    let topics = look_alikes();
    for subscribed in &topics {
        there.subscribe(subscribed).await;
        join_all(topics.iter().map(|topic| here.publish(topic, format!("for {topic:?}")))).await;
        there.expect(subscribed, format!("for {subscribed:?}")).await;
        check_fenced_by(&here, &there, subscribed).await;
        there.unsubscribe(subscribed).await;
    }
}

/// As [`check_nothing_came`], and also fenced by a topic of a hub or node that the fence does not belong to.
async fn check_fenced_by(here: &RecordingNode, there: &RecordingNode, topic: &Topic) {
    here.publish(topic, "fence").await;
    there.expect(topic, "fence").await;
    check_nothing_came(here, there).await;
}

/// Topics that would get the same channel name if names were joined carelessly, or would match a pattern.
fn look_alikes() -> Vec<Topic> {
    let group = |hub: &str, group: &str| Topic::Group(hub.into(), group.into());
    let long = "x".repeat(10_000);
    vec![
        Topic::All("a".into()),
        Topic::All("A".into()),
        Topic::All("".into()),
        Topic::All("a:g:b".into()),
        Topic::All("a}".into()),
        Topic::Node("a".into()),
        Topic::Node("a:b".into()),
        Topic::Node("".into()),
        group("a", ""),
        group("a", "b"),
        group("a", "B"),
        group("a", " b"),
        group("a:b", "c"),
        group("a", "b:c"),
        group("a/b", "c"),
        group("a", "b/c"),
        group("a", "b%3Ac"),
        group("a", "b\\:c"),
        group("{a}", "b"),
        group("a", "{b}"),
        group("a", "*"),
        group("a", "b*"),
        group("a", "?"),
        group("a", "[b]"),
        group("a", "b\0"),
        group("a", "b\r\n"),
        group("a", "é"),
        group("a", "e\u{301}"),
        group("a", "病棟"),
        group("a", &long),
        group("a", &format!("{long}x")),
        Topic::User("a".into(), "b".into()),
        Topic::User("a:b".into(), "c".into()),
        Topic::User("a".into(), "b:c".into()),
        Topic::Nodes,
        Topic::Node("nodes".into()),
    ]
}
