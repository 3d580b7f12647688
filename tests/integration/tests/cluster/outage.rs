//! A node whose link to the others is interrupted goes on for its own clients, also for those that come meanwhile.

use std::sync::Arc;

use hubward::Hubward;
use hubward::auth::KeyRing;
use hubward::backplane::{InMemoryNetwork, InMemoryStore};
use hubward_tests::{TestNode, eventually, issuer, token};
use serde_json::json;

use crate::{hub, ready};

/// A node that shares its network and its store with others.
async fn node(id: &str, network: &InMemoryNetwork, store: &InMemoryStore, keys: &KeyRing) -> TestNode {
    let builder = Hubward::builder().auth(issuer().authenticator()).node(id);
    let builder = builder.backplane(Arc::new(network.backplane(id.into())));
    let builder = builder.group_store(Arc::new(store.clone())).node_registry(Arc::new(store.clone()));
    let builder = builder.connection_token_keys(keys.clone());
    TestNode::start(builder.hub("/hub", hub()).build().unwrap()).await
}

#[tokio::test]
async fn a_client_that_connects_in_an_outage_is_served_and_is_reached_by_others_afterwards() {
    let (network, store, keys) = (InMemoryNetwork::new(), InMemoryStore::new(), KeyRing::random());
    let (near, far) =
        (node("near", &network, &store, &keys).await, node("far", &network, &store, &keys).await);
    network.interrupt(&"near".into());
    let mut client = ready(near.client("/hub").token(&token("alice", &[])).open().await).await;
    let _ = near.handle().user("alice").send("N", (1,)).await;
    assert_eq!(client.receive().await["arguments"], json!([1]));
    network.resume(&"near".into());
    let far = far.handle();
    eventually("the user to be reached", async || {
        far.user("alice").send("N", (2,)).await.unwrap();
        client.result("Echo", json!(["sent"])).await;
        !client.take_received().is_empty()
    })
    .await;
    far.groups().add_user("alice", "g", None).await.unwrap();
    far.group("g").send("N", (3,)).await.unwrap();
    assert_eq!(client.receive().await["arguments"], json!([3]));
}
