//! The in-memory forms pass the suites, and keep what is theirs alone.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::conformance::recorder::Recorder;
use crate::{Backplane, BackplaneError, GroupStore, Subscriber, Topic};

mod as_a_backplane {
    use super::*;

    crate::backplane_suite!(async {
        let network = InMemoryNetwork::new();
        move |node| Arc::new(network.backplane(node)) as Arc<dyn Backplane>
    });
}

mod as_a_store {
    use super::*;

    crate::group_store_suite!(async { || Arc::new(InMemoryGroupStore::new()) as Arc<dyn GroupStore> });
}

fn everyone() -> Topic {
    Topic::All("clinical".into())
}

async fn start(network: &InMemoryNetwork, node: &str) -> Recorder {
    let node = Recorder::start(Arc::new(network.backplane(node.into()))).await;
    node.subscribe(&everyone()).await;
    node
}

#[tokio::test]
async fn a_node_is_alone_until_another_starts_and_after_it_is_gone() {
    let network = InMemoryNetwork::new();
    let here = start(&network, "here").await;
    let link = network.backplane("there".into());
    assert!(here.link.is_alone());
    let there = Recorder::start(Arc::new(link)).await;
    assert!(!here.link.is_alone());
    there.link.stop().await;
    there.link.stop().await;
    assert!(here.link.is_alone());
    let third = start(&network, "third").await;
    assert!(!here.link.is_alone());
    drop(third);
    assert!(here.link.is_alone());
    here.link.stop().await;
    assert_eq!(format!("{network:?}"), "InMemoryNetwork { listening: 0, topics: 0 }");
}

#[tokio::test]
async fn a_node_that_was_dropped_counts_for_nothing() {
    let network = InMemoryNetwork::new();
    let here = start(&network, "here").await;
    drop(start(&network, "there").await);
    assert_eq!(here.publish(&everyone(), "vitals").await, Some(0));
}

#[tokio::test]
async fn a_cut_node_neither_hears_nor_speaks_and_both_again_once_mended() {
    let network = InMemoryNetwork::new();
    let (here, there) = (start(&network, "here").await, start(&network, "there").await);
    network.cut(&"there".into());
    assert_eq!(here.publish(&everyone(), "lost").await, Some(0));
    let refused = there.link.publish(&everyone(), Bytes::new()).await;
    assert!(matches!(refused, Err(BackplaneError::Unavailable(_))), "{refused:?}");
    let refused = there.link.subscribe(Topic::Node("there".into())).await;
    assert!(matches!(refused, Err(BackplaneError::Unavailable(_))), "{refused:?}");
    network.mend(&"there".into());
    assert_eq!(here.publish(&everyone(), "heard").await, Some(1));
    there.expect(&everyone(), "heard").await;
    assert_eq!(there.publish(&everyone(), "answer").await, Some(1));
    here.expect(&everyone(), "answer").await;
}

#[tokio::test]
async fn a_cut_node_has_unsubscribed_though_it_is_told_of_the_failure() {
    let network = InMemoryNetwork::new();
    let (here, there) = (start(&network, "here").await, start(&network, "there").await);
    network.cut(&"there".into());
    assert!(there.link.unsubscribe(everyone()).await.is_err());
    network.mend(&"there".into());
    assert_eq!(here.publish(&everyone(), "unheard").await, Some(0));
}

#[tokio::test]
async fn a_held_node_hears_everything_in_order_once_released() {
    let network = InMemoryNetwork::new();
    let (here, there) = (start(&network, "here").await, start(&network, "there").await);
    network.hold(&"there".into());
    for number in 0..100 {
        assert_eq!(here.publish(&everyone(), number.to_string()).await, Some(1));
    }
    assert!(there.is_drained().await);
    network.release(&"there".into());
    here.publish(&everyone(), "after").await;
    for number in 0..100 {
        there.expect(&everyone(), number.to_string()).await;
    }
    there.expect(&everyone(), "after").await;
}

#[tokio::test]
async fn an_inbox_may_publish_in_turn() {
    /// Answers all that is asked on the topic of everyone.
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
    there.subscribe(everyone()).await.unwrap();
    here.publish(&everyone(), "ping").await;
    here.expect(&everyone(), "ping").await;
    // And so it may while it hears what it was held up for.
    network.hold(&"there".into());
    here.publish(&everyone(), "ping").await;
    network.release(&"there".into());
    here.expect(&everyone(), "ping").await;
    there.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_users_membership_lapses_to_the_moment() {
    let store = InMemoryGroupStore::new();
    let (hub, ward, alice) = ("clinical".into(), "ward:7".into(), "alice".into());
    store.add_user(&hub, &ward, &alice, Some(Duration::from_secs(60))).await.unwrap();
    tokio::time::advance(Duration::from_millis(59_999)).await;
    assert_eq!(store.count(&hub, &ward).await.unwrap(), 1);
    let left = store.groups_of_user(&hub, &alice).await.unwrap();
    assert_eq!(left, [(ward.clone(), Some(Duration::from_millis(1)))]);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(store.count(&hub, &ward).await.unwrap(), 0);
    assert_eq!(store.groups_of_user(&hub, &alice).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn groups_that_nobody_touches_again_are_forgotten_in_time() {
    let store = InMemoryGroupStore::new();
    let hub = "clinical".into();
    for number in 0..10_000 {
        let name = format!("once{number}");
        let minute = Some(Duration::from_secs(60));
        store.add_user(&hub, &name.as_str().into(), &name.as_str().into(), minute).await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let held = format!("{store:?}");
    assert!(store.entries() < 1_000, "{held}");
}

#[tokio::test]
async fn a_full_last_page_says_that_it_is_the_last() {
    let store = InMemoryGroupStore::new();
    let (hub, ward, node) = ("clinical".into(), "ward:7".into(), "node-1".into());
    for connection in ["c1", "c2", "c3"] {
        store.add_connection(&hub, &ward, &connection.into(), &node).await.unwrap();
    }
    assert!(store.members(&hub, &ward, None, 2).await.unwrap().next.is_some());
    assert_eq!(store.members(&hub, &ward, None, 3).await.unwrap().next, None);
}

#[tokio::test]
async fn nothing_is_left_of_members_that_are_gone() {
    let store = InMemoryGroupStore::new();
    let (hub, ward, node) = ("clinical".into(), "ward:7".into(), "node-1".into());
    store.add_connection(&hub, &ward, &"c1".into(), &node).await.unwrap();
    store.add_connection(&hub, &ward, &"c2".into(), &node).await.unwrap();
    store.add_connection(&hub, &ward, &"c3".into(), &node).await.unwrap();
    store.add_user(&hub, &ward, &"alice".into(), None).await.unwrap();
    assert!(store.entries() > 0);
    store.remove_connection(&hub, &ward, &"c1".into()).await.unwrap();
    store.end_connection(&hub, &"c2".into()).await.unwrap();
    store.end_node(&node).await.unwrap();
    store.remove_user(&hub, &ward, &"alice".into()).await.unwrap();
    assert_eq!(store.entries(), 0);
}
