//! Membership and the queries about it: the same on every node when a call has returned.

use hubward_tests::{TestClient, eventually};
use serde_json::{Value, json};

use crate::{Pair, call, receives};

#[tokio::test]
async fn a_connection_joins_and_leaves_by_itself_and_through_the_other_node() {
    let pair = Pair::start().await;
    let [mut near, mut far] = pair.clients().await;
    call(&mut near, "Join", json!(["g"])).await;
    call(&mut near, "JoinConnection", json!([far.id, "g"])).await;
    for (sender, text) in [(0, "one"), (1, "two")] {
        let [first, second] = [&mut near, &mut far];
        call(if sender == 0 { first } else { second }, "ToGroup", json!(["g", text])).await;
    }
    receives(&mut near, &["one", "two"]).await;
    receives(&mut far, &["one", "two"]).await;
    call(&mut near, "LeaveConnection", json!([far.id, "g"])).await;
    call(&mut far, "ToGroup", json!(["g", "three"])).await;
    call(&mut near, "Leave", json!(["g"])).await;
    call(&mut far, "ToGroup", json!(["g", "four"])).await;
    receives(&mut near, &["three"]).await;
    receives(&mut far, &[]).await;
    assert_eq!(far.result("Count", json!(["g"])).await, 0);
}

#[tokio::test]
async fn a_users_membership_holds_on_both_nodes_when_the_call_returns() {
    let pair = Pair::start().await;
    let mut caller = pair.client(0).await;
    let mut alice = [pair.user(0, "alice").await, pair.user(1, "alice").await];
    for round in 0..20 {
        let (group, text) = (format!("g{round}"), round.to_string());
        call(&mut caller, "AddUser", json!(["alice", group, null])).await;
        call(&mut caller, "ToGroup", json!([group, text])).await;
        call(&mut caller, "RemoveUser", json!(["alice", group])).await;
        call(&mut caller, "ToGroup", json!([group, "missed"])).await;
        for client in &mut alice {
            receives(client, &[text.as_str()]).await;
        }
    }
    call(&mut caller, "AddUser", json!(["alice", "short", 50])).await;
    eventually("the membership to expire", async || {
        caller.result("Contains", json!(["short", { "user": "alice" }])).await == json!(false)
    })
    .await;
}

#[tokio::test]
async fn both_nodes_answer_queries_alike() {
    let pair = Pair::start().await;
    let mut clients = pair.clients().await;
    for client in &mut clients {
        call(client, "Join", json!(["g"])).await;
    }
    call(&mut clients[0], "AddUser", json!(["alice", "g", null])).await;
    let ids = clients.each_ref().map(|client| client.id.clone());
    for asked in &mut clients {
        assert_eq!(asked.result("Count", json!(["g"])).await, 3);
        let mut expected = vec![json!({ "connection": ids[0] }), json!({ "connection": ids[1] })];
        expected.push(json!({ "user": "alice" }));
        for member in &expected {
            assert_eq!(asked.result("Contains", json!(["g", member])).await, true);
            assert_eq!(asked.result("GroupsOf", json!([member])).await, json!(["g"]));
        }
        assert_eq!(asked.result("Contains", json!(["g", { "user": "bob" }])).await, false);
        let mut members = all_members(asked, 2).await;
        members.sort_by_key(Value::to_string);
        expected.sort_by_key(Value::to_string);
        assert_eq!(members, expected);
    }
    let [first, mut second] = clients;
    first.close().await;
    eventually("the membership to end", async || second.result("Count", json!(["g"])).await == 2).await;
    second.error("Contains", json!(["g", {}])).await;
}

/// Lists a group's members in pages.
async fn all_members(client: &mut TestClient, limit: usize) -> Vec<Value> {
    let (mut members, mut cursor) = (Vec::new(), json!(null));
    loop {
        let page = client.result("Members", json!(["g", cursor, limit])).await;
        members.extend(page["members"].as_array().unwrap().iter().cloned());
        cursor = page["next"].clone();
        if cursor.is_null() {
            return members;
        }
    }
}
