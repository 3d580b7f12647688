//! Nodes that die, and one that was paused for so long that the others took it for dead.

use std::time::Duration;

use hubward_testing::redis::{RedisOptions, RedisServer};
use hubward_tests::TestClient;
use serde_json::json;
use tokio::time::Instant;

use crate::nodes::{Nodes, PREFIX, becomes, call, receives, text};

/// A lease that is short enough for a test to wait for its end, and long enough for a machine that is busy.
const LEASE_MS: u64 = 3000;

/// By when nothing is left of a node that died.
const SWEPT_AFTER: Duration = Duration::from_secs(30);

/// How often a client sends a ping, as SignalR's clients do, while nothing else is sent.
const PING_INTERVAL: Duration = Duration::from_secs(5);

async fn three_nodes(lease_ms: Option<u64>) -> (RedisServer, Nodes) {
    let redis = RedisServer::start(RedisOptions::default()).await;
    let (url, lease) = (redis.url(), lease_ms.map(|lease| lease.to_string()));
    let mut arguments = vec!["--redis", &url, "--redis-prefix", PREFIX];
    arguments.extend(lease.iter().flat_map(|lease| ["--lease", lease.as_str()]));
    let nodes = Nodes::start_with(3, &arguments).await;
    (redis, nodes)
}

async fn members(nodes: &Nodes) -> [TestClient; 3] {
    let mut members = nodes.clients().await;
    for member in &mut members {
        call(member, "Join", json!(["g"])).await;
    }
    members.try_into().unwrap_or_else(|_| panic!("there are three"))
}

/// Kills node 2, and checks what the others and their clients notice.
async fn a_node_is_killed(lease_ms: Option<u64>) {
    let (redis, mut nodes) = three_nodes(lease_ms).await;
    let [mut near, mut other, mut far] = members(&nodes).await;
    let alice = nodes.user(2, "alice").await;
    call(&mut near, "AddUser", json!(["alice", "of users", null])).await;
    let dead = far.result("Node", json!([])).await.as_str().unwrap().to_owned();
    assert!(all_of(&redis).await.contains(&dead));
    let asked = near.begin("Ask", json!([far.id, "why?"])).await;
    far.invoked("Question").await;

    nodes.node(2).process.kill();
    let killed = Instant::now();
    call(&mut near, "ToGroup", json!(["g", "meanwhile"])).await;
    assert_eq!(text(&mut near).await, "meanwhile");
    assert_eq!(text(&mut other).await, "meanwhile");
    assert_eq!(far.ended().await.close, None);
    // Her groups are there at once, wherever she comes back.
    let mut back = nodes.user(1, "alice").await;
    call(&mut near, "ToGroup", json!(["of users", "again"])).await;
    receives(&mut back, &["again"]).await;

    becomes(&mut other, "Count", json!(["g"]), json!(2)).await;
    becomes(&mut other, "ConnectionsOf", json!(["alice"]), json!([back.id])).await;
    assert_eq!(near.completion(&asked).await["result"], "gone: disconnected");
    assert_eq!(near.result("Ask", json!([alice.id, "why?"])).await, "gone: does not exist");
    while all_of(&redis).await.contains(&dead) {
        assert!(killed.elapsed() < SWEPT_AFTER, "{dead} is left in:\n{}", all_of(&redis).await);
        call(&mut near, "Slow", json!([100, ""])).await;
    }
    assert!(killed.elapsed() < SWEPT_AFTER, "{:?}", killed.elapsed());
    receives(&mut near, &[]).await;
    nodes.have_no_errors();
}

/// All keys with what is in them. Those that end by themselves are left out: that a connection token was used stays known
/// until the token has expired.
async fn all_of(redis: &RedisServer) -> String {
    let script = "
        local all = {}
        for _, key in ipairs(redis.call('KEYS', '*')) do
            local type = redis.call('TYPE', key).ok
            local value = type == 'string' and { redis.call('GET', key) }
                or type == 'hash' and redis.call('HGETALL', key)
                or type == 'set' and redis.call('SMEMBERS', key)
                or type == 'zset' and redis.call('ZRANGE', key, 0, -1)
                or { 'a ' .. type }
            if redis.call('PTTL', key) == -1 then
                table.insert(all, key .. ': ' .. table.concat(value, ' '))
            end
        end
        return table.concat(all, '\\n')";
    redis.cli(&["eval", script, "0"]).await
}

#[tokio::test]
async fn a_node_that_is_killed_is_noticed_by_its_own_clients_and_swept() {
    a_node_is_killed(Some(LEASE_MS)).await;
}

#[tokio::test]
#[ignore = "tests/long.sh runs it: it waits for the end of the default lease"]
async fn a_node_that_is_killed_is_swept_within_half_a_minute() {
    a_node_is_killed(None).await;
}

/// Pauses node 2 for so long that the others sweep it.
async fn a_node_is_paused(lease_ms: Option<u64>, pause: Duration) {
    let (_redis, mut nodes) = three_nodes(lease_ms).await;
    let [mut near, mut other, mut far] = members(&nodes).await;
    let mut alice = nodes.user(2, "alice").await;
    call(&mut near, "AddUser", json!(["alice", "g", null])).await;

    nodes.node(2).process.pause();
    let paused = Instant::now();
    becomes(&mut near, "Count", json!(["g"]), json!(3)).await;
    becomes(&mut near, "IsOnline", json!(["alice"]), json!(false)).await;
    assert_eq!(near.result("Ask", json!([far.id, "why?"])).await, "gone: does not exist");
    call(&mut near, "ToGroup", json!(["g", "may be missed"])).await;
    let mut pings = tokio::time::interval(PING_INTERVAL);
    while paused.elapsed() < pause {
        pings.tick().await;
        for client in [&mut near, &mut other, &mut far, &mut alice] {
            client.send(&json!({ "type": 6 })).await;
        }
    }
    nodes.node(2).process.continue_();

    becomes(&mut other, "Count", json!(["g"]), json!(4)).await;
    becomes(&mut other, "IsOnline", json!(["alice"]), json!(true)).await;
    call(&mut near, "ToGroup", json!(["g", "again"])).await;
    for client in [&mut near, &mut other, &mut far, &mut alice] {
        let first = text(client).await;
        if first == "may be missed" {
            assert_eq!(text(client).await, "again");
        } else {
            assert_eq!(first, "again");
        }
        receives(client, &[]).await;
    }
    // They are the connections that they were.
    let asked = near.begin("Ask", json!([far.id, "why?"])).await;
    let question = far.invoked("Question").await;
    far.complete(&question, json!("so")).await;
    assert_eq!(near.completion(&asked).await["result"], "answer: so");
    call(&mut far, "Leave", json!(["g"])).await;
    assert_eq!(near.result("Count", json!(["g"])).await, 3);
    nodes.have_no_errors();
}

#[tokio::test]
async fn a_node_that_comes_back_after_it_was_swept_has_all_its_connections_and_members() {
    a_node_is_paused(Some(LEASE_MS), Duration::from_secs(5)).await;
}

#[tokio::test]
#[ignore = "tests/long.sh runs it: it takes most of a minute"]
async fn a_node_that_was_paused_for_forty_seconds_has_all_its_connections_and_members() {
    a_node_is_paused(None, Duration::from_secs(40)).await;
}
