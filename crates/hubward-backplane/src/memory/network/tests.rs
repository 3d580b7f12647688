//! The in-memory backplane passes the suite, and what only it promises.

use super::*;
use crate::conformance::backplane::recording_node::RecordingNode;

mod as_a_backplane {
    use super::*;

    crate::backplane_suite!(async {
        let network = InMemoryNetwork::new();
        move |node| Arc::new(network.backplane(node)) as Arc<dyn Backplane>
    });
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
    assert_eq!(here.publish(&broadcast(), "vitals").await, Some(0));
}

#[tokio::test]
async fn a_cut_node_neither_receives_nor_publishes_until_it_is_mended() {
    let network = InMemoryNetwork::new();
    let (here, there) = (start(&network, "here").await, start(&network, "there").await);
    network.cut(&"there".into());
    assert_eq!(here.publish(&broadcast(), "lost").await, Some(0));
    let refused = there.backplane.publish(&broadcast(), Bytes::new()).await;
    assert!(matches!(refused, Err(BackplaneError::Unavailable(_))), "{refused:?}");
    let refused = there.backplane.subscribe(Topic::Node("there".into())).await;
    assert!(matches!(refused, Err(BackplaneError::Unavailable(_))), "{refused:?}");
    network.mend(&"there".into());
    assert_eq!(here.publish(&broadcast(), "received").await, Some(1));
    there.expect(&broadcast(), "received").await;
    assert_eq!(there.publish(&broadcast(), "reply").await, Some(1));
    here.expect(&broadcast(), "reply").await;
}

#[tokio::test]
async fn a_cut_node_is_unsubscribed_though_the_call_fails() {
    let network = InMemoryNetwork::new();
    let (here, there) = (start(&network, "here").await, start(&network, "there").await);
    network.cut(&"there".into());
    assert!(there.backplane.unsubscribe(broadcast()).await.is_err());
    network.mend(&"there".into());
    assert_eq!(here.publish(&broadcast(), "missed").await, Some(0));
}

#[tokio::test]
async fn a_held_node_receives_everything_in_order_once_released() {
    let network = InMemoryNetwork::new();
    let (here, there) = (start(&network, "here").await, start(&network, "there").await);
    network.hold(&"there".into());
    for number in 0..100 {
        assert_eq!(here.publish(&broadcast(), number.to_string()).await, Some(1));
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
async fn a_subscriber_may_publish_in_turn() {
    /// Publishes whatever it receives on the same topic.
    struct Echo(Arc<InMemoryBackplane>);

    impl Subscriber for Echo {
        fn deliver(&self, topic: &Topic, envelope: Bytes) {
            drop(self.0.publish(topic, envelope));
        }
    }

    let network = InMemoryNetwork::new();
    let here = start(&network, "here").await;
    let there = Arc::new(network.backplane("there".into()));
    there.start(Arc::new(Echo(Arc::clone(&there)))).await.unwrap();
    there.subscribe(broadcast()).await.unwrap();
    here.publish(&broadcast(), "ping").await;
    here.expect(&broadcast(), "ping").await;
    // It may also publish while it receives what was held back.
    network.hold(&"there".into());
    here.publish(&broadcast(), "ping").await;
    network.release(&"there".into());
    here.expect(&broadcast(), "ping").await;
    there.stop().await;
}
