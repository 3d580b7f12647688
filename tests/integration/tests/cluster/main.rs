//! Two nodes are one hub: messages, groups, client results and aborts reach the clients of either.

mod any_node;
mod connections;
mod draining;
mod groups;
mod membership;
mod outage;
mod outage_of_redis;
mod sending;
mod shutdown;
mod slow_bodies;
mod tokens;

use std::sync::atomic::{AtomicU64, Ordering};

use hubward::{GroupName, Groups, Hub, HubContext, HubError, HubHandle, Principal};
use hubward_tests::{TestClient, TestNode, cluster, issuer, token};
use serde_json::json;

async fn echo(text: String) -> String {
    text
}

async fn join(cx: HubContext, group: String) -> Result<(), HubError> {
    Ok(cx.groups().add(group).await?)
}

async fn send_to_others(cx: HubContext, group: String, n: i64) -> Result<(), HubError> {
    Ok(cx.clients().others_in_group(group).send("N", (n,)).await?)
}

fn hub() -> Hub {
    Hub::new("hub")
        .method("Echo", echo)
        .method("Join", join)
        .method("SendToOthers", send_to_others)
        .may_join(|_: &Principal, group: &GroupName| group.as_str() != "secret")
}

/// Two nodes with the hub, and its handle on each.
struct Pair {
    nodes: Vec<TestNode>,
    hubs: [HubHandle; 2],
}

impl Pair {
    async fn start() -> Self {
        let nodes = cluster(2, |builder| builder.auth(issuer().authenticator()).hub("/hub", hub())).await;
        let hubs = [0, 1].map(|node: usize| nodes[node].hubs.hub("hub").unwrap());
        Self { nodes, hubs }
    }

    async fn client(&self, node: usize) -> TestClient {
        ready(self.nodes[node].client("/hub").open().await).await
    }

    async fn user(&self, node: usize, user: &str) -> TestClient {
        ready(self.nodes[node].client("/hub").token(&token(user, &[])).open().await).await
    }

    fn groups(&self, node: usize) -> &Groups {
        self.hubs[node].groups()
    }
}

/// Waits for a call: a client whose first call has completed can be reached from every node.
async fn ready(mut client: TestClient) -> TestClient {
    client.result("Echo", json!(["ready"])).await;
    client
}

/// Expects exactly these numbers, in this order, and nothing else.
async fn receives(client: &mut TestClient, numbers: impl IntoIterator<Item = i64>) {
    for number in numbers {
        let message = client.receive().await;
        assert_eq!((&message["target"], &message["arguments"]), (&json!("N"), &json!([number])));
    }
    assert!(client.has_nothing_after("Echo", json!(["done"])).await);
}

/// Whether a client receives what is sent to a group.
async fn reaches(hub: &HubHandle, group: &str, client: &mut TestClient) -> bool {
    // Numbered, because others probe the same group.
    static PROBES: AtomicU64 = AtomicU64::new(0);
    let number = PROBES.fetch_add(1, Ordering::Relaxed);
    hub.group(group).send("Probe", (number,)).await.unwrap();
    // From the same sender by the same way, and so after it: the result of a call could be first.
    hub.connections([client.id.as_str()]).send("Probed", ()).await.unwrap();
    client.invoked("Probed").await;
    client.take_received().iter().any(|message| message["arguments"] == json!([number]))
}
