//! Tests of what this node subscribes to.

use std::pin::pin;

use futures_util::FutureExt;
use futures_util::future::join_all;
use hubward_backplane::{InMemoryNetwork, ReceivedEnvelope, Subscriber};

use super::*;
use crate::testing::faults::FaultyBackplane;

/// Where nothing needs to arrive.
struct Nowhere;

impl Subscriber for Nowhere {
    fn deliver(&self, _: &[ReceivedEnvelope]) {}

    fn interrupted(&self, _: &str) {}

    fn resumed(&self) {}
}

fn ward() -> Topic {
    Topic::Group("hub".into(), "ward".into())
}

async fn setup() -> (Subscriptions, Arc<FaultyBackplane>) {
    let backplane = FaultyBackplane::new(&InMemoryNetwork::new(), "node-1");
    backplane.start(Arc::new(Nowhere)).await.unwrap();
    (Subscriptions::new(Some(backplane.clone())), backplane)
}

#[tokio::test]
async fn the_first_interest_subscribes_and_the_last_one_unsubscribes() {
    let (subscriptions, backplane) = setup().await;
    subscriptions.add_one(ward()).await.unwrap();
    subscriptions.add_one(ward()).await.unwrap();
    assert_eq!(backplane.take_calls(), ["subscribe group ward"]);
    subscriptions.remove(&ward());
    assert!(backplane.take_calls().is_empty());
    subscriptions.remove(&ward());
    assert_eq!(backplane.take_calls(), ["unsubscribe group ward"]);
    subscriptions.add_one(ward()).await.unwrap();
    assert_eq!(backplane.take_calls(), ["subscribe group ward"]);
}

#[tokio::test]
async fn topics_are_counted_each_for_itself() {
    let (subscriptions, backplane) = setup().await;
    let lab = Topic::Group("hub".into(), "lab".into());
    subscriptions.add_one(ward()).await.unwrap();
    subscriptions.add_one(lab.clone()).await.unwrap();
    subscriptions.remove(&ward());
    let calls = ["subscribe group ward", "subscribe group lab", "unsubscribe group ward"];
    assert_eq!(backplane.take_calls(), calls);
}

#[tokio::test]
async fn to_remove_an_interest_that_is_not_there_does_nothing() {
    let (subscriptions, backplane) = setup().await;
    subscriptions.remove(&ward());
    assert!(backplane.take_calls().is_empty());
}

#[tokio::test]
async fn a_subscription_that_fails_is_not_counted_and_may_be_tried_again() {
    let (subscriptions, backplane) = setup().await;
    backplane.subscribing.set_failing(true);
    assert!(subscriptions.add_one(ward()).await.is_err());
    assert_eq!(backplane.take_calls(), ["subscribe group ward", "unsubscribe group ward"]);
    backplane.subscribing.set_failing(false);
    subscriptions.add_one(ward()).await.unwrap();
    assert_eq!(backplane.take_calls(), ["subscribe group ward"]);
    subscriptions.remove(&ward());
    assert_eq!(backplane.take_calls(), ["unsubscribe group ward"]);
}

#[tokio::test]
async fn two_interests_at_once_both_wait_until_the_topic_is_subscribed_to() {
    let (subscriptions, backplane) = setup().await;
    backplane.subscribing.hold();
    let (mut first, mut second) = (pin!(subscriptions.add_one(ward())), pin!(subscriptions.add_one(ward())));
    assert!(first.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_none());
    backplane.subscribing.release();
    first.await.unwrap();
    second.await.unwrap();
    backplane.take_calls();
    subscriptions.remove(&ward());
    assert!(backplane.take_calls().is_empty(), "the other interest is still there");
    subscriptions.remove(&ward());
    assert_eq!(backplane.take_calls(), ["unsubscribe group ward"]);
}

#[tokio::test]
async fn the_failure_of_one_interest_does_not_remove_another() {
    let (subscriptions, backplane) = setup().await;
    backplane.subscribing.hold();
    let (mut first, mut second) = (pin!(subscriptions.add_one(ward())), pin!(subscriptions.add_one(ward())));
    assert!(first.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_none());
    backplane.subscribing.release();
    backplane.subscribing.set_failing(true);
    assert!(first.await.is_err());
    backplane.subscribing.set_failing(false);
    second.await.unwrap();
    assert_eq!(backplane.take_calls(), ["subscribe group ward", "subscribe group ward"]);
    subscriptions.remove(&ward());
    assert_eq!(backplane.take_calls(), ["unsubscribe group ward"]);
}

#[tokio::test]
async fn the_confirmation_of_an_interest_that_was_removed_does_not_confirm_a_later_one() {
    let (subscriptions, backplane) = setup().await;
    backplane.subscribing.hold();
    let mut older = pin!(subscriptions.add_one(ward()));
    assert!(older.as_mut().now_or_never().is_none());
    subscriptions.remove(&ward());
    let mut newer = pin!(subscriptions.add_one(ward()));
    assert!(newer.as_mut().now_or_never().is_none());
    backplane.subscribing.release();
    older.await.unwrap();
    backplane.take_calls();

    // The newer one is not confirmed yet, so the next must not take the topic for subscribed to.
    subscriptions.add_one(ward()).await.unwrap();
    assert_eq!(backplane.take_calls(), ["subscribe group ward"]);
    newer.await.unwrap();
    subscriptions.add_one(ward()).await.unwrap();
    assert!(backplane.take_calls().is_empty());
}

#[tokio::test]
async fn many_topics_are_subscribed_to_in_one_call_and_each_once() {
    let (subscriptions, backplane) = setup().await;
    let lab = Topic::Group("hub".into(), "lab".into());
    subscriptions.add_one(ward()).await.unwrap();
    backplane.take_calls();
    let results = subscriptions.add(vec![ward(), lab.clone()]).await;
    assert!(matches!(results[..], [Ok(()), Ok(())]), "{results:?}");
    assert_eq!(backplane.take_calls(), ["subscribe group lab"]);
    subscriptions.remove(&ward());
    subscriptions.remove(&lab);
    assert_eq!(backplane.take_calls(), ["unsubscribe group lab"]);
}

#[tokio::test]
async fn a_node_without_a_backplane_subscribes_to_nothing() {
    let subscriptions = Subscriptions::new(None);
    subscriptions.add_one(ward()).await.unwrap();
    subscriptions.remove(&ward());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_topic_is_subscribed_to_whenever_an_interest_was_added_however_many_come_and_go() {
    let network = InMemoryNetwork::new();
    let here = Arc::new(network.backplane("here".into()));
    here.start(Arc::new(Nowhere)).await.unwrap();
    let subscriptions = Arc::new(Subscriptions::new(Some(here)));
    let tasks = tokio_util::task::TaskTracker::new();
    let running = (0..4).map(|_| {
        let (subscriptions, network) = (subscriptions.clone(), network.clone());
        tasks.spawn(async move {
            for _ in 0..1000 {
                subscriptions.add_one(ward()).await.unwrap();
                assert_eq!(network.subscribers(&ward()), 1);
                subscriptions.remove(&ward());
            }
        })
    });
    for finished in join_all(running).await {
        finished.unwrap();
    }
    assert_eq!(network.subscribers(&ward()), 0);
}
