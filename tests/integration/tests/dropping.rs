//! A node that is dropped is gone: its hubs, its subscriptions, its group store and its backplane are freed, whether or
//! not it was shut down.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use hubward::auth::KeyRing;
use hubward::backplane::{Backplane, InMemoryBackplane, InMemoryNetwork, InMemoryStore, Topic};
use hubward::{Hub, HubContext, HubError, Hubward};
use hubward_tests::{TestNode, eventually};
use serde_json::json;

/// What a hub's method holds: freed when the hub is.
struct State;

/// What a node is made of, without keeping any of it alive.
struct Parts {
    state: Weak<State>,
    store: Weak<InMemoryStore>,
    backplane: Weak<InMemoryBackplane>,
}

impl Parts {
    /// Those that are not freed.
    fn left(&self) -> Vec<&'static str> {
        let counts = [
            ("hub", self.state.strong_count()),
            ("group store", self.store.strong_count()),
            ("backplane", self.backplane.strong_count()),
        ];
        counts.into_iter().filter(|(_, count)| *count > 0).map(|(name, _)| name).collect()
    }
}

fn hub(state: Arc<State>) -> Hub {
    Hub::new("hub")
        .method("Join", async |cx: HubContext, group: String| cx.groups().add(group).await)
        .method("Leave", async |cx: HubContext, group: String| cx.groups().remove(group).await)
        .method("Call", move |cx: HubContext| {
            let state = state.clone();
            async move {
                cx.clients().caller().send("Called", ()).await?;
                drop(state);
                Ok::<_, HubError>(())
            }
        })
}

fn node(name: &str, network: &InMemoryNetwork, store: &InMemoryStore) -> (Hubward, Parts) {
    let (state, registry, store) = (Arc::new(State), Arc::new(store.clone()), Arc::new(store.clone()));
    let backplane = Arc::new(network.backplane(name.into()));
    let parts = Parts {
        state: Arc::downgrade(&state),
        store: Arc::downgrade(&store),
        backplane: Arc::downgrade(&backplane),
    };
    let builder =
        Hubward::builder().node(name).backplane(backplane).group_store(store).node_registry(registry);
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let builder = builder.connection_token_keys(KeyRing::random()).internal_listener(loopback);
    (builder.hub("/hub", hub(state)).build().unwrap(), parts)
}

#[tokio::test]
async fn a_node_that_was_never_started_is_freed_at_once() {
    let (node, parts) = node("node", &InMemoryNetwork::new(), &InMemoryStore::new());
    assert_eq!(parts.left(), ["hub", "group store", "backplane"]);
    drop(node);
    assert_eq!(parts.left(), [""; 0]);
}

#[tokio::test]
async fn a_node_that_was_shut_down_is_freed() {
    let (node, parts) = node("node", &InMemoryNetwork::new(), &InMemoryStore::new());
    node.start().await.unwrap();
    node.shut_down().await;
    drop(node);
    assert_eq!(parts.left(), [""; 0]);
}

#[tokio::test]
async fn a_node_that_is_dropped_while_it_serves_is_freed_and_others_no_longer_publish_to_it() {
    let (network, store) = (InMemoryNetwork::new(), InMemoryStore::new());
    let (dropped, parts) = node("dropped", &network, &store);
    let (staying, other) = node("staying", &network, &store);
    let dropped = TestNode::start(dropped).await;
    staying.start().await.unwrap();
    let other = other.backplane.upgrade().unwrap();

    let group = || Topic::Group("hub".into(), "g".into());
    let mut client = dropped.client("/hub").open().await;
    client.result("Join", json!(["g"])).await;
    assert_eq!(network.subscribers(&group()), 1);
    client.result("Call", json!([])).await;
    client.result("Leave", json!(["g"])).await;
    client.result("Join", json!(["kept"])).await;
    client.close().await;
    eventually("the connection to end", async || dropped.hubs.connection_count("hub") == 0).await;
    let id = dropped.hubs.node().clone();
    let of_node = || [Topic::Node(id.clone()), Topic::All("hub".into())];
    for topic in of_node() {
        assert_eq!(network.subscribers(&topic), 1 + usize::from(matches!(topic, Topic::All(_))));
    }
    assert!(!other.is_alone());

    drop(dropped);
    // The server's task for the socket still ends by itself.
    eventually("the dropped node to be freed", async || parts.left().is_empty()).await;
    for topic in of_node().into_iter().chain([group()]) {
        assert_eq!(network.subscribers(&topic), usize::from(matches!(topic, Topic::All(_))));
    }
    assert!(other.is_alone());
}

#[tokio::test]
async fn a_users_group_that_expires_later_does_not_keep_a_dropped_node() {
    let (node, parts) = node("node", &InMemoryNetwork::new(), &InMemoryStore::new());
    node.start().await.unwrap();
    let hour = Duration::from_secs(3600);
    node.hub("hub").unwrap().groups().add_user("alice", "g", Some(hour)).await.unwrap();
    drop(node);
    eventually("the dropped node to be freed", async || parts.left().is_empty()).await;
}
