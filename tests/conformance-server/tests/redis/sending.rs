//! Messages across nodes: in order, once, and to none that is excluded.

use futures_util::future::join_all;
use hubward_tests::TestClient;
use serde_json::{Value, json};

use crate::nodes::{call, receives, text, three_nodes};

/// Messages of each sender. Six kinds of sends take turns.
const MESSAGES: usize = 300;

/// What a sender calls for its message number `number`, which is to reach each of these once: users `u0`, … with the
/// connections `ids`, all members of `g`.
fn sends(number: usize, text: &str, ids: &[String]) -> Vec<(&'static str, Value)> {
    let users: Vec<String> = (0..ids.len()).map(|user| format!("u{user}")).collect();
    match number % 6 {
        0 => vec![("ToGroup", json!(["g", text]))],
        1 => vec![("ToAll", json!([text]))],
        2 => vec![("ToUsers", json!([users, text]))],
        3 => vec![("ToGroups", json!([["g", "nobody"], text]))],
        4 => ids.iter().map(|id| ("ToConnection", json!([id, text]))).collect(),
        _ => users.iter().map(|user| ("ToUser", json!([user, text]))).collect(),
    }
}

#[tokio::test]
async fn what_one_sender_sends_by_whatever_way_arrives_once_and_in_order_on_every_node() {
    let (_redis, nodes) = three_nodes().await;
    let mut receivers = Vec::new();
    for node in 0..3 {
        let mut receiver = nodes.user(node, &format!("u{node}")).await;
        call(&mut receiver, "Join", json!(["g"])).await;
        receivers.push(receiver);
    }
    let ids: Vec<String> = receivers.iter().map(|receiver| receiver.id.clone()).collect();
    let mut senders = nodes.clients().await;
    join_all(senders.iter_mut().enumerate().map(|(sender, client)| send_all(client, sender, &ids))).await;
    for receiver in &mut receivers {
        let mut next = [0; 3];
        for _ in 0..3 * MESSAGES {
            let text = text(receiver).await;
            let (sender, number) = text.split_once(':').unwrap();
            let sender: usize = sender.parse().unwrap();
            assert_eq!(number, next[sender].to_string(), "from sender {sender}");
            next[sender] += 1;
        }
        receives(receiver, &[]).await;
    }
    nodes.have_no_errors();
}

/// Calls without waiting for the calls before, as clients may; the server runs them one after the other.
async fn send_all(client: &mut TestClient, sender: usize, ids: &[String]) {
    let mut calls = Vec::new();
    for number in 0..MESSAGES {
        for (method, arguments) in sends(number, &format!("{sender}:{number}"), ids) {
            calls.push(client.begin(method, arguments).await);
        }
    }
    for call in calls {
        let completion = client.completion(&call).await;
        assert!(completion.get("error").is_none(), "{completion}");
    }
}

#[tokio::test]
async fn a_burst_of_awaited_sends_keeps_its_order_on_every_node() {
    let (_redis, nodes) = three_nodes().await;
    let mut clients = nodes.clients().await;
    for client in &mut clients {
        call(client, "Join", json!(["g"])).await;
    }
    call(&mut clients[1], "Burst", json!(["g", 2000])).await;
    for client in &mut clients {
        for number in 0..2000 {
            assert_eq!(text(client).await, number.to_string());
        }
        receives(client, &[]).await;
    }
}

#[tokio::test]
async fn a_member_in_several_ways_is_sent_one_copy() {
    let (_redis, nodes) = three_nodes().await;
    let mut sender = nodes.client(0).await;
    let mut alice = [nodes.user(1, "alice").await, nodes.user(2, "alice").await];
    call(&mut sender, "AddUser", json!(["alice", "g", null])).await;
    for client in &mut alice {
        call(client, "Join", json!(["g"])).await;
        call(client, "Join", json!(["g"])).await;
    }
    call(&mut sender, "ToGroup", json!(["g", "group"])).await;
    call(&mut sender, "ToUsers", json!([["alice", "alice"], "users"])).await;
    for client in &mut alice {
        receives(client, &["group", "users"]).await;
    }
}

#[tokio::test]
async fn who_is_excluded_is_so_on_every_node() {
    let (_redis, nodes) = three_nodes().await;
    let mut clients =
        [nodes.clients().await, nodes.clients().await].into_iter().flatten().collect::<Vec<_>>();
    for client in &mut clients {
        call(client, "Join", json!(["g"])).await;
    }
    // One of the two of each node, and one that does not exist.
    let excluded: Vec<String> = clients[..3].iter().map(|client| client.id.clone()).collect();
    let excluded = [excluded, vec!["nobody".to_owned()]].concat();
    for (sender, client) in clients.iter_mut().enumerate().take(3) {
        let text = format!("from {sender}");
        call(client, "ToGroupExcept", json!(["g", text, excluded])).await;
    }
    for (number, client) in clients.iter_mut().enumerate() {
        let mut received: Vec<String> = Vec::new();
        call(client, "Slow", json!([0, ""])).await;
        if number >= 3 {
            for _ in 0..3 {
                received.push(text(client).await);
            }
            received.sort();
            assert_eq!(received, ["from 0", "from 1", "from 2"]);
        }
        receives(client, &[]).await;
    }
}

#[tokio::test]
async fn a_client_of_another_node_answers_and_is_aborted() {
    let (_redis, nodes) = three_nodes().await;
    let mut clients = nodes.clients().await;
    let far = clients[2].id.clone();
    let id = clients[0].begin("Ask", json!([far, "why?"])).await;
    let question = clients[2].invoked("Question").await;
    clients[2].complete(&question, json!("so")).await;
    assert_eq!(clients[0].completion(&id).await["result"], "answer: so");
    assert_eq!(clients[0].result("Ask", json!(["nobody", "why?"])).await, "gone: does not exist");
    call(&mut clients[1], "AbortConnection", json!([far])).await;
    assert_eq!(clients[2].ended().await.close, Some(json!({ "type": 7 })));
    assert_eq!(clients[0].result("Ask", json!([far, "why?"])).await, "gone: does not exist");
}
