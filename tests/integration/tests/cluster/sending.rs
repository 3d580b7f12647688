//! What one node sends reaches the clients of all nodes, once and in order.

use serde_json::json;

use crate::{Pair, receives};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_sends_arrives_in_order_on_both() {
    let pair = Pair::start().await;
    let mut clients = [pair.user(0, "alice").await, pair.user(1, "alice").await];
    for client in &mut clients {
        client.result("Join", json!(["g"])).await;
    }
    for sender in [0, 1] {
        let hub = &pair.hubs[sender];
        for round in 0..100 {
            let n = round * 4;
            hub.all().send("N", (n,)).await.unwrap();
            hub.group("g").send("N", (n + 1,)).await.unwrap();
            hub.user("alice").send("N", (n + 2,)).await.unwrap();
            let ids = clients.each_ref().map(|client| client.id.as_str());
            hub.connections(ids).send("N", (n + 3,)).await.unwrap();
        }
        for client in &mut clients {
            receives(client, 0..400).await;
        }
    }
}

#[tokio::test]
async fn excepted_connections_are_excepted_on_every_node() {
    let pair = Pair::start().await;
    let (mut a, mut b) = (pair.client(0).await, pair.client(0).await);
    let (mut c, mut d) = (pair.client(1).await, pair.client(1).await);
    for client in [&mut a, &mut b, &mut c] {
        client.result("Join", json!(["g"])).await;
    }
    for sender in [0, 1] {
        let hub = &pair.hubs[sender];
        hub.group_except("g", [&a.id, &c.id]).send("N", (1,)).await.unwrap();
        hub.all_except([&a.id, &d.id]).send("N", (2,)).await.unwrap();
    }
    c.result("SendToOthers", json!(["g", 3])).await;
    receives(&mut a, [3]).await;
    receives(&mut b, [1, 2, 1, 2, 3]).await;
    receives(&mut c, [2, 2]).await;
    receives(&mut d, []).await;
}
