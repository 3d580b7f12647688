//! The in-memory backplane passes the suite, and what only it promises.

use super::*;
use crate::conformance::backplane::recording_node::{RecordingNode, SubscriberEvent};

mod as_a_backplane {
    use super::*;

    crate::backplane_suite!(async { InMemoryNetwork::new() });
}

fn broadcast() -> Topic {
    Topic::All("clinical".into())
}

async fn start(network: &InMemoryNetwork, node: &str) -> RecordingNode {
    let node = RecordingNode::start(Arc::new(network.backplane(node.into()))).await;
    node.subscribe(&broadcast()).await;
    node
}

#[tokio::test]
async fn a_node_is_alone_until_another_starts_and_after_it_is_gone() {
    let network = InMemoryNetwork::new();
    let here = start(&network, "here").await;
    let backplane = network.backplane("there".into());
    assert!(here.backplane.is_alone());
    let there = RecordingNode::start(Arc::new(backplane)).await;
    assert!(!here.backplane.is_alone());
    there.backplane.stop().await;
    there.backplane.stop().await;
    assert!(here.backplane.is_alone());
    let third = start(&network, "third").await;
    assert!(!here.backplane.is_alone());
    drop(third);
    assert!(here.backplane.is_alone());
    here.backplane.stop().await;
    assert_eq!(format!("{network:?}"), "InMemoryNetwork { started: 0, topics: 0 }");
}

#[tokio::test]
async fn a_node_that_was_dropped_is_not_counted() {
    let network = InMemoryNetwork::new();
    let here = start(&network, "here").await;
    drop(start(&network, "there").await);
    here.publish(&broadcast(), "vitals").await;
    assert!(here.backplane.is_alone());
}

#[tokio::test]
async fn a_node_whose_link_is_interrupted_neither_receives_nor_publishes() {
    let network = InMemoryNetwork::new();
    let (here, there) = (start(&network, "here").await, start(&network, "there").await);
    network.interrupt(&"there".into());
    network.interrupt(&"there".into());
    assert_eq!(there.next_event().await, SubscriberEvent::Interrupted);
    here.publish(&broadcast(), "lost").await;
    let refused = there.backplane.publish(vec![broadcast()], Bytes::new()).await;
    assert!(matches!(refused, Err(BackplaneError::Unavailable(_))), "{refused:?}");
    network.resume(&"there".into());
    assert_eq!(there.next_event().await, SubscriberEvent::Resumed);
    here.publish(&broadcast(), "received").await;
    there.expect(&broadcast(), "received").await;
    there.publish(&broadcast(), "reply").await;
    here.expect(&broadcast(), "reply").await;
}

#[tokio::test]
async fn a_held_node_receives_everything_in_order_once_released() {
    let network = InMemoryNetwork::new();
    let (here, there) = (start(&network, "here").await, start(&network, "there").await);
    network.hold(&"there".into());
    for number in 0..100 {
        here.publish(&broadcast(), number.to_string()).await;
    }
    assert!(there.is_drained().await);
    network.release(&"there".into());
    here.publish(&broadcast(), "after").await;
    for number in 0..100 {
        there.expect(&broadcast(), number.to_string()).await;
    }
    there.expect(&broadcast(), "after").await;
}

#[tokio::test]
async fn a_subscription_of_a_held_node_is_confirmed_when_it_is_released_or_stopped() {
    let network = InMemoryNetwork::new();
    let there = start(&network, "there").await;
    for stopped in [false, true] {
        network.hold(&"there".into());
        let mut subscribing = there.backplane.subscribe(vec![broadcast()]);
        assert!((&mut subscribing).now_or_never().is_none());
        if stopped {
            there.backplane.stop().await;
        } else {
            network.release(&"there".into());
        }
        assert!(matches!(subscribing.now_or_never().as_deref(), Some([Ok(())])));
    }
}

#[tokio::test]
async fn an_interruption_loses_what_was_held_back() {
    let network = InMemoryNetwork::new();
    let (here, there) = (start(&network, "here").await, start(&network, "there").await);
    network.hold(&"there".into());
    here.publish(&broadcast(), "lost").await;
    network.interrupt(&"there".into());
    network.release(&"there".into());
    network.resume(&"there".into());
    here.publish(&broadcast(), "received").await;
    assert_eq!(there.next_event().await, SubscriberEvent::Interrupted);
    assert_eq!(there.next_event().await, SubscriberEvent::Resumed);
    there.expect(&broadcast(), "received").await;
}

#[tokio::test]
async fn a_subscriber_may_publish_in_turn() {
    /// Publishes whatever it receives on the same topic.
    struct Echo(Arc<InMemoryBackplane>);

    impl Subscriber for Echo {
        fn deliver(&self, batch: &[ReceivedEnvelope]) {
            for ReceivedEnvelope { topic, envelope } in batch {
                drop(self.0.publish(vec![topic.clone()], envelope.clone()));
            }
        }

        fn interrupted(&self, _: &str) {}

        fn resumed(&self) {}
    }

    let network = InMemoryNetwork::new();
    let here = start(&network, "here").await;
    let there = Arc::new(network.backplane("there".into()));
    there.start(Arc::new(Echo(Arc::clone(&there)))).await.unwrap();
    there.subscribe(vec![broadcast()]).await.remove(0).unwrap();
    here.publish(&broadcast(), "ping").await;
    here.expect(&broadcast(), "ping").await;
    // It may also publish while it receives what was held back.
    network.hold(&"there".into());
    here.publish(&broadcast(), "ping").await;
    network.release(&"there".into());
    here.expect(&broadcast(), "ping").await;
    there.stop().await;
}
