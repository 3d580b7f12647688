//! Redis that refuses: because of who asks, what it is, or how full it is. The log says what to do about it.

use hubward_testing::redis::{RedisCluster, RedisOptions, RedisSentinels, RedisServer};
use hubward_tests::eventually;
use serde_json::json;

use crate::nodes::{Nodes, call, reach_each_other, receives, succeeds, three_nodes};

/// The guide's page, which has the rule of a user that may do no more than a node needs.
const GUIDE: &str = include_str!("../../../../docs/guide/several-nodes.md");

/// The guide's rule, part by part: the user's name, then what it may do.
pub(crate) fn rule() -> impl Iterator<Item = &'static str> {
    let rule = GUIDE.lines().find(|line| line.starts_with("user hubward "));
    rule.unwrap().split(' ').skip(1)
}

/// Gives the servers the user of the guide's rule, and lets nodes be that.
async fn all_is_allowed(servers: &[RedisServer], url: &str) {
    let set_user: Vec<&str> = ["acl", "setuser"].into_iter().chain(rule()).collect();
    for server in servers {
        server.cli(&set_user).await;
    }
    let nodes = Nodes::start(2, &url.replace("://", "://hubward:PASSWORD@"), "clinic").await;
    let mut clients = [nodes.user(0, "alice").await, nodes.user(1, "bob").await];
    for client in &mut clients {
        call(client, "Join", json!(["g"])).await;
    }
    reach_each_other(&mut clients).await;
    let [alice, bob] = &mut clients;
    for (method, arguments) in [
        ("AddUser", json!(["bob", "users", 50])),
        ("Ban", json!(["bob", "banned"])),
        ("Unban", json!(["bob", "banned"])),
        ("Members", json!(["g", null, 10])),
        ("UsersOnline", json!([null, 10])),
        ("ConnectionsOf", json!(["bob"])),
        ("LeaveConnection", json!([bob.id, "g"])),
    ] {
        call(alice, method, arguments).await;
    }
    // Connections that are made again ask for more than the first ones.
    for server in servers {
        server.cli(&["client", "kill", "user", "hubward"]).await;
    }
    succeeds(alice, "JoinConnection", json!([bob.id, "g"])).await;
    reach_each_other(&mut clients).await;
    for server in servers {
        assert_eq!(server.cli(&["acl", "log"]).await, "", "Redis has refused something");
    }
    nodes.have_no_errors();
}

#[tokio::test]
async fn the_guides_acl_rule_lets_a_node_do_all_that_it_does() {
    let redis = RedisServer::start(RedisOptions::default()).await;
    all_is_allowed(std::slice::from_ref(&redis), &redis.url()).await;
}

#[tokio::test]
async fn the_guides_acl_rule_suffices_on_a_cluster() {
    let mut redis = RedisCluster::start().await;
    let url = redis.url();
    all_is_allowed(redis.nodes(), &url).await;
}

#[tokio::test]
async fn the_guides_acl_rule_suffices_behind_sentinels() {
    let mut redis = RedisSentinels::start().await;
    let url = redis.url();
    all_is_allowed(redis.servers(), &url).await;
}

#[tokio::test]
async fn a_node_that_redis_refuses_does_not_start_and_says_what_to_do() {
    let users = vec!["weak on >secret -@all +@connection".to_owned()];
    let password = Some("secret".to_owned());
    let redis = RedisServer::start(RedisOptions { users, password, ..RedisOptions::default() }).await;
    let settings = vec![format!("replicaof 127.0.0.1 {}", redis.address().port())];
    let replica = RedisServer::start(RedisOptions { settings, ..RedisOptions::default() }).await;
    let (address, replica) = (redis.address(), replica.address());
    for (url, advice) in [
        (format!("redis://:wrong@{address}"), "check the user name and the password"),
        (format!("redis://{address}"), "check the user name and the password"),
        (format!("redis://weak:secret@{address}"), "the ACL rule that it needs"),
        (format!("redis://{replica}"), "connect to its primary"),
    ] {
        let said = Nodes::refused(&["--redis", &url]).await;
        assert!(said.contains(advice), "{url}: {said}");
        assert!(!said.contains("wrong") && !said.contains(":secret"), "{said}");
    }
}

#[tokio::test]
async fn redis_that_is_full_refuses_joins_and_carries_messages_until_it_has_room() {
    let (redis, mut nodes) = three_nodes().await;
    let mut clients = nodes.clients().await;
    for client in &mut clients {
        call(client, "Join", json!(["g"])).await;
    }
    redis.cli(&["config", "set", "maxmemory", "1"]).await;
    clients[0].error("Join", json!(["more"])).await;
    call(&mut clients[1], "ToGroup", json!(["g", "still there"])).await;
    call(&mut clients[0], "ToGroup", json!(["more", "nobody"])).await;
    for client in &mut clients {
        receives(client, &["still there"]).await;
    }
    let advice = "raise it, or free memory";
    eventually("the advice", async || !nodes.node(0).log_lines(&["WARN", advice]).is_empty()).await;
    redis.cli(&["config", "set", "maxmemory", "0"]).await;
    succeeds(&mut clients[0], "Join", json!(["more"])).await;
    assert_eq!(clients[2].result("Count", json!(["more"])).await, 1);
}
