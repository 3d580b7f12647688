//! Subscribing and unsubscribing, and that topics are distinguished.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::task::JoinSet;

use super::recording_node::{NewBackplane, RecordingNode, check_nothing_came, two, ward};
use crate::topic::Topic;

pub async fn nothing_arrives_after_an_unsubscription(new: &NewBackplane) {
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

pub async fn subscribing_twice_has_the_effect_of_subscribing_once(new: &NewBackplane) {
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

pub async fn unsubscribing_from_an_unknown_topic_is_not_an_error(new: &NewBackplane) {
    let (here, there) = two(new).await;
    there.unsubscribe(&ward(7)).await;
    check_nothing_came(&here, &there).await;
}

pub async fn of_two_calls_about_a_topic_the_later_decides(new: &NewBackplane) {
    let (here, there) = two(new).await;
    let topic = ward(7);
    let calls = vec![
        there.backplane.subscribe(topic.clone()),
        there.backplane.unsubscribe(topic.clone()),
        there.backplane.subscribe(topic.clone()),
    ];
    for call in calls.into_iter().rev() {
        call.await.expect("the call succeeds");
    }
    here.publish(&topic, "received").await;
    there.expect(&topic, "received").await;

    let calls = vec![there.backplane.subscribe(topic.clone()), there.backplane.unsubscribe(topic.clone())];
    for call in calls.into_iter().rev() {
        call.await.expect("the call succeeds");
    }
    here.publish(&topic, "missed").await;
    check_nothing_came(&here, &there).await;
}

pub async fn concurrent_subscriptions_of_one_topic_settle(new: &NewBackplane) {
    let (here, there) = two(new).await;
    for round in 0..20 {
        let mut tasks = JoinSet::new();
        for number in 0..16 {
            let backplane = Arc::clone(&there.backplane);
            tasks.spawn(async move {
                match number % 2 {
                    0 => backplane.subscribe(ward(7)).await,
                    _ => backplane.unsubscribe(ward(7)).await,
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.expect("the task ends").expect("the call succeeds");
        }
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

pub async fn topics_that_look_alike_stay_apart(new: &NewBackplane) {
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
        Topic::Connection("a".into(), "b".into()),
        Topic::Connection("a".into(), "b:c".into()),
        Topic::Connection("a:b".into(), "c".into()),
    ]
}
