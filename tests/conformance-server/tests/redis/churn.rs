//! What nodes, connections, groups, users and bans that have gone leave in Redis: nothing but what ends by itself.

use futures_util::future::join_all;
use hubward_testing::redis::{RedisOptions, RedisServer};
use hubward_tests::{TestClient, eventually};
use serde_json::{Value, json};

use crate::nodes::{Nodes, PREFIX, call, lasting_keys, succeeds};

const ROUNDS: usize = 3;
/// Users of each round. Each has a connection on every node.
const USERS: usize = 6;

#[tokio::test]
async fn nodes_and_clients_that_come_and_go_leave_nothing() {
    let redis = RedisServer::start(RedisOptions::default()).await;
    let url = redis.url();
    let redis_arguments = ["--redis", url.as_str(), "--redis-prefix", PREFIX, "--lease", "2000"];
    let arguments = [&redis_arguments[..], &["--close-window", "0"]].concat();
    let lasting = Nodes::start_with(2, &arguments).await;
    let mut caller = lasting.client(0).await;
    call(&mut caller, "Join", json!(["lasting"])).await;
    let before = lasting_keys(&redis).await;
    for round in 0..ROUNDS {
        let mut leaving = Nodes::start_with(2, &arguments).await;
        let mut clients = Vec::new();
        for user in 0..USERS {
            let name = format!("user {round} {user}");
            for node in 0..2 {
                clients.push(lasting.user(node, &name).await);
                clients.push(leaving.user(node, &name).await);
            }
        }
        join_all(clients.iter_mut().map(|client| act(client, round))).await;
        leaving.node(0).process.kill();
        leaving.node(1).process.terminate();
        // Half of the others say that they leave, half do not.
        for client in clients.into_iter().filter(|client| client.id.as_bytes()[0] % 2 == 0) {
            let _ = client.into_http();
        }
        for user in 0..USERS {
            let name = format!("user {round} {user}");
            // Until the node that was killed counts as dead, nobody can know whether it still delivers to the user.
            succeeds(&mut caller, "RemoveUser", json!([name, "of users"])).await;
            succeeds(&mut caller, "Unban", json!([name, "banned from"])).await;
        }
    }
    eventually("nothing to be left", async || lasting_keys(&redis).await == before).await;
    // One that was still draining is dead, too, when its lease has ended.
    for key in ["alive", "nodes"] {
        let key = format!("{{{PREFIX}}}:1:{key}");
        eventually("the others to be gone", async || redis.cli(&["hlen", &key]).await == "2").await;
    }
    let keys = redis.cli(&["--scan"]).await;
    let others = keys.lines().filter(|key| !before.iter().any(|kept| kept == key));
    let unexplained: Vec<&str> = others.filter(|key| !key.contains(":1:claim:")).collect();
    assert!(unexplained.is_empty(), "{unexplained:?}");
    lasting.have_no_errors();
}

/// What each client does: whatever leaves something in Redis.
async fn act(client: &mut TestClient, round: usize) {
    let me = client.result("Me", json!([])).await;
    let user = me["user"].as_str().unwrap();
    let calls: [(&str, Value); 8] = [
        ("Join", json!([format!("group {round}")])),
        ("Join", json!(["lasting"])),
        ("Join", json!(["left"])),
        ("Leave", json!(["left"])),
        ("AddUser", json!([user, "of users", null])),
        ("AddUser", json!([user, "for a moment", 300])),
        ("AddUser", json!([user, "banned from", null])),
        ("Ban", json!([user, "banned from"])),
    ];
    for (method, arguments) in calls {
        // Another connection of the user may have banned it already.
        if client.invoke(method, arguments.clone()).await.get("error").is_some() {
            assert_eq!(arguments[1], "banned from", "{method}");
        }
    }
}
