//! Bans, who is online, and disconnecting a user: the same on every node when a call has returned.

use hubward_tests::{TestClient, eventually};
use serde_json::{Value, json};

use crate::{Pair, call, receives};

const REFUSED: &str = "HubException: The user is banned from the group 'g'.";

async fn refused(client: &mut TestClient, method: &str, arguments: Value) {
    let error = client.error(method, arguments).await;
    assert!(error.ends_with(REFUSED), "{error}");
}

#[tokio::test]
async fn a_banned_user_is_out_on_both_nodes_and_stays_out_until_unbanned() {
    let pair = Pair::start().await;
    let mut caller = pair.client(0).await;
    let mut alice = [pair.user(0, "alice").await, pair.user(1, "alice").await];
    let mut bob = pair.user(1, "bob").await;
    for round in 0..10 {
        call(&mut caller, "AddUser", json!(["alice", "g", null])).await;
        for client in alice.iter_mut().chain([&mut bob]) {
            call(client, "Join", json!(["g"])).await;
        }
        let banning = if round % 2 == 0 { &mut caller } else { &mut bob };
        call(banning, "Ban", json!(["alice", "g"])).await;
        for sender in [&mut caller, &mut bob] {
            call(sender, "ToGroup", json!(["g", "banned"])).await;
        }
        for (client, other) in [(0, 1), (1, 0)] {
            refused(&mut alice[client], "Join", json!(["g"])).await;
            let other = alice[other].id.clone();
            refused(&mut alice[client], "JoinConnection", json!([other, "g"])).await;
            refused(&mut alice[client], "AddUser", json!(["alice", "g", null])).await;
        }
        let mut later = pair.user(0, "alice").await;
        refused(&mut later, "Join", json!(["g"])).await;
        assert_eq!(
            caller.result("Members", json!(["g", null, 10])).await["members"],
            json!([{ "connection": bob.id }])
        );
        call(&mut bob, "Unban", json!(["alice", "g"])).await;
        call(&mut caller, "ToGroup", json!(["g", "unbanned"])).await;
        call(&mut alice[1], "Join", json!(["g"])).await;
        call(&mut caller, "ToGroup", json!(["g", "again"])).await;
        receives(&mut alice[0], &[]).await;
        receives(&mut alice[1], &["again"]).await;
        receives(&mut later, &[]).await;
        receives(&mut bob, &["banned", "banned", "unbanned", "again"]).await;
        call(&mut alice[1], "Leave", json!(["g"])).await;
        later.close().await;
    }
}

/// All users that are online, in pages of one, sorted.
async fn online(client: &mut TestClient) -> Vec<String> {
    let (mut users, mut cursor) = (Vec::new(), json!(null));
    loop {
        let page = client.result("UsersOnline", json!([cursor, 1])).await;
        users.extend(page["users"].as_array().unwrap().iter().map(|user| user.as_str().unwrap().to_owned()));
        cursor = page["next"].clone();
        if cursor.is_null() {
            users.sort();
            return users;
        }
    }
}

#[tokio::test]
async fn both_nodes_know_who_is_online() {
    let pair = Pair::start().await;
    let mut callers = pair.clients().await;
    let alice = [pair.user(0, "alice").await, pair.user(1, "alice").await];
    let bob = pair.user(1, "bob").await;
    let mut of_alice = alice.each_ref().map(|client| client.id.clone());
    of_alice.sort();
    for caller in &mut callers {
        assert_eq!(online(caller).await, ["alice", "bob"]);
        let mut connections = caller.result("ConnectionsOf", json!(["alice"])).await;
        connections.as_array_mut().unwrap().sort_by_key(Value::to_string);
        assert_eq!(connections, json!(of_alice));
        assert_eq!(caller.result("IsOnline", json!(["bob"])).await, true);
        assert_eq!(caller.result("IsOnline", json!(["carol"])).await, false);
    }
    bob.close().await;
    let [mut first, mut second] = callers;
    eventually("bob to be offline", async || first.result("IsOnline", json!(["bob"])).await == false).await;
    assert_eq!(online(&mut second).await, ["alice"]);
    drop(alice);
}

#[tokio::test]
async fn a_user_is_disconnected_on_both_nodes_and_may_not_reconnect_by_itself() {
    let pair = Pair::start().await;
    let mut caller = pair.client(0).await;
    let mut alice = [pair.user(0, "alice").await, pair.user(1, "alice").await, pair.user(1, "alice").await];
    let mut bob = pair.user(1, "bob").await;
    call(&mut caller, "DisconnectUser", json!(["alice"])).await;
    call(&mut caller, "ToUser", json!(["alice", "late"])).await;
    assert_eq!(caller.result("IsOnline", json!(["alice"])).await, false);
    for client in &mut alice {
        assert_eq!(client.ended().await.close, Some(json!({ "type": 7 })));
    }
    assert_eq!(bob.result("IsOnline", json!(["bob"])).await, true);
    call(&mut caller, "DisconnectUser", json!(["nobody"])).await;
    // A client may disconnect its own user, and ends without a completion.
    bob.begin("DisconnectUser", json!(["bob"])).await;
    assert_eq!(bob.ended().await.close, Some(json!({ "type": 7 })));
}

#[tokio::test]
async fn items_are_kept_for_each_connection() {
    let pair = Pair::start().await;
    let mut clients = pair.clients().await;
    for (client, text) in clients.iter_mut().zip(["one", "two"]) {
        assert_eq!(client.result("Kept", json!(["key"])).await, json!(null));
        call(client, "Keep", json!(["key", "before"])).await;
        call(client, "Keep", json!(["key", text])).await;
    }
    for (client, text) in clients.iter_mut().zip(["one", "two"]) {
        assert_eq!(client.result("Kept", json!(["key"])).await, text);
        assert_eq!(client.result("Kept", json!(["other"])).await, json!(null));
    }
}
