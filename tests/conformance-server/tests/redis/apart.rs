//! What shares a Redis and is to be apart: two hubs of the same nodes, and two clusters with prefixes of their own.

use hubward_testing::redis::{RedisOptions, RedisServer};
use hubward_tests::TestClient;
use serde_json::json;

use crate::nodes::{Nodes, call, receives, three_nodes};

/// Joins `g` and sends everything that can reach others.
async fn join_all(clients: &mut [TestClient]) {
    for client in clients {
        call(client, "Join", json!(["g"])).await;
    }
}

async fn send_all(client: &mut TestClient, text: &str) {
    call(client, "ToAll", json!([text])).await;
    call(client, "ToGroup", json!(["g", text])).await;
    call(client, "ToUser", json!(["alice", text])).await;
}

#[tokio::test]
async fn two_hubs_of_the_same_nodes_do_not_hear_each_other() {
    let (_redis, nodes) = three_nodes().await;
    let mut hubs = Vec::new();
    for path in ["/cluster", "/conformance"] {
        let mut clients = Vec::new();
        for node in 0..3 {
            clients.push(nodes.user_of(path, node, "alice").await);
        }
        join_all(&mut clients).await;
        hubs.push(clients);
    }
    let [cluster, conformance] = &mut hubs[..] else { unreachable!("there are two") };
    send_all(&mut cluster[0], "cluster").await;
    send_all(&mut conformance[1], "conformance").await;
    for (clients, text) in [(cluster, "cluster"), (conformance, "conformance")] {
        for client in clients {
            receives(client, &[text; 3]).await;
        }
    }
}

#[tokio::test]
async fn two_prefixes_on_one_redis_do_not_hear_each_other_and_have_their_own_groups() {
    let redis = RedisServer::start(RedisOptions::default()).await;
    let mut clusters = Vec::new();
    // One is the beginning of the other.
    for prefix in ["a", "a.b"] {
        let nodes = Nodes::start(2, &redis.url(), prefix).await;
        let mut clients = [nodes.user(0, "alice").await, nodes.user(1, "alice").await];
        join_all(&mut clients).await;
        clusters.push((nodes, clients, prefix));
    }
    for (_, clients, prefix) in &mut clusters {
        send_all(&mut clients[0], prefix).await;
        assert_eq!(clients[1].result("Count", json!(["g"])).await, 2);
        call(&mut clients[1], "AddUser", json!(["bob", prefix, null])).await;
    }
    for (_, clients, prefix) in &mut clusters {
        for client in clients.iter_mut() {
            receives(client, &[*prefix; 3]).await;
        }
        assert_eq!(clients[0].result("GroupsOf", json!([{ "user": "bob" }])).await, json!([*prefix]));
        assert_eq!(clients[0].result("ConnectionsOf", json!(["alice"])).await.as_array().unwrap().len(), 2);
    }
    // All that is in Redis belongs to one of the two.
    let keys = redis.cli(&["keys", "*"]).await;
    assert!(keys.lines().all(|key| key.starts_with("{a}") || key.starts_with("{a.b}")), "{keys}");
}
