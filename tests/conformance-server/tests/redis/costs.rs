//! What nodes ask of Redis: how many commands each thing costs that a client does, counted by Redis itself.

use std::collections::BTreeMap;

use hubward_testing::redis::{RedisOptions, RedisServer};
use hubward_tests::{TestClient, eventually};
use serde_json::{Value, json};

use crate::nodes::{Nodes, PREFIX, call, receives, text};

/// How often each thing is done.
const TIMES: usize = 40;
/// Connections that do nothing.
const IDLE: usize = 200;

/// Commands by name, and how often clients have sent them since the last reset.
type Counts = BTreeMap<String, usize>;

/// A Redis, and two nodes that send no heartbeat while a test lasts, so that whatever is counted has another cause.
async fn two_nodes_without_heartbeats() -> (RedisServer, Nodes) {
    let redis = RedisServer::start(RedisOptions::default()).await;
    let url = redis.url();
    let arguments = ["--redis", &url, "--redis-prefix", PREFIX, "--lease", "3600000"];
    let nodes = Nodes::start_with(2, &arguments).await;
    (redis, nodes)
}

/// Counts commands from now on.
async fn reset(redis: &RedisServer) {
    redis.cli(&["config", "resetstat"]).await;
}

/// Returns the counts of what a node sends: not those of the tests' own commands, nor of what scripts call.
async fn counts(redis: &RedisServer) -> Counts {
    const SENT: [&str; 12] = [
        "evalsha",
        "eval",
        "script",
        "publish",
        "subscribe",
        "unsubscribe",
        "psubscribe",
        "ping",
        "client",
        "hello",
        "scan",
        "keys",
    ];
    let info = redis.cli(&["info", "commandstats"]).await;
    let count = |line: &str| {
        let (name, statistics) = line.trim().strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let name = name.split('|').next()?;
        let calls: usize = statistics.split(',').next()?.parse().ok()?;
        SENT.contains(&name).then(|| (name.to_owned(), calls))
    };
    let mut counts = Counts::new();
    for (name, calls) in info.lines().filter_map(count) {
        *counts.entry(name).or_default() += calls;
    }
    // Whether links work is asked whenever they are idle; the test below counts that.
    counts.remove("ping");
    counts
}

/// Checks that exactly these commands were sent, once nothing is under way any more.
async fn cost(redis: &RedisServer, what: &str, expected: &[(&str, usize)]) {
    let expected: Counts = expected.iter().map(|(name, calls)| ((*name).to_owned(), *calls)).collect();
    let reached = |counts: &Counts| {
        expected.iter().all(|(name, calls)| counts.get(name).is_some_and(|counted| counted >= calls))
    };
    eventually(what, async || reached(&counts(redis).await)).await;
    assert_eq!(counts(redis).await, expected, "{what}");
}

/// Calls a method again and again, and waits until the receiver has so many messages of each.
async fn send(
    sender: &mut TestClient,
    method: &str,
    arguments: Value,
    receiver: &mut TestClient,
    copies: usize,
) {
    for _ in 0..TIMES {
        call(sender, method, arguments.clone()).await;
        for _ in 0..copies {
            assert_eq!(text(receiver).await, "m", "{method}");
        }
    }
}

#[tokio::test]
async fn a_send_is_one_publication_for_each_topic_and_nothing_else() {
    let (redis, nodes) = two_nodes_without_heartbeats().await;
    let (mut sender, mut receiver) = (nodes.client(0).await, nodes.user(1, "alice").await);
    for group in ["a", "b", "c"] {
        call(&mut receiver, "Join", json!([group])).await;
    }
    let id = receiver.id.clone();
    // Where the connection is, is asked once.
    send(&mut sender, "ToConnection", json!([id, "m"]), &mut receiver, 1).await;
    for (method, arguments, topics, copies) in [
        ("ToAll", json!(["m"]), 1, 1),
        ("ToGroup", json!(["a", "m"]), 1, 1),
        ("ToGroupExcept", json!(["a", "m", ["nobody"]]), 1, 1),
        ("ToGroups", json!([["a", "b", "c"], "m"]), 3, 3),
        ("ToUser", json!(["alice", "m"]), 1, 1),
        ("ToUsers", json!([["alice", "bob"], "m"]), 2, 1),
        ("ToConnection", json!([id, "m"]), 1, 1),
    ] {
        reset(&redis).await;
        send(&mut sender, method, arguments, &mut receiver, copies).await;
        cost(&redis, method, &[("publish", TIMES * topics)]).await;
        if method == "ToAll" {
            receives(&mut sender, &["m"; TIMES]).await;
        }
    }
    nodes.have_no_errors();
}

#[tokio::test]
async fn a_join_is_one_script_and_a_subscription_only_for_the_first_of_a_node() {
    let (redis, nodes) = two_nodes_without_heartbeats().await;
    let (mut first, mut second) = (nodes.client(0).await, nodes.client(0).await);
    reset(&redis).await;
    for number in 0..TIMES {
        call(&mut first, "Join", json!([format!("g{number}")])).await;
    }
    cost(&redis, "the first joins", &[("evalsha", TIMES), ("subscribe", TIMES)]).await;
    reset(&redis).await;
    for number in 0..TIMES {
        call(&mut second, "Join", json!([format!("g{number}")])).await;
    }
    cost(&redis, "joins of groups that the node has", &[("evalsha", TIMES)]).await;
    reset(&redis).await;
    for number in 0..TIMES {
        call(&mut second, "Leave", json!([format!("g{number}")])).await;
    }
    cost(&redis, "leaves", &[("evalsha", TIMES)]).await;
    nodes.have_no_errors();
}

#[tokio::test]
async fn a_connect_is_one_script_and_its_end_another() {
    let (redis, nodes) = two_nodes_without_heartbeats().await;
    let _another = nodes.user(0, "alice").await;
    reset(&redis).await;
    let mut clients = Vec::new();
    for _ in 0..TIMES {
        clients.push(nodes.user(0, "alice").await);
    }
    cost(&redis, "connects of a user", &[("evalsha", TIMES)]).await;
    reset(&redis).await;
    for client in clients.drain(..) {
        client.close().await;
    }
    cost(&redis, "ends", &[("evalsha", TIMES)]).await;
    reset(&redis).await;
    for _ in 0..TIMES {
        clients.push(nodes.client(0).await);
    }
    cost(&redis, "connects without a user", &[("evalsha", TIMES)]).await;
    nodes.have_no_errors();
}

#[tokio::test]
async fn connections_that_do_nothing_cost_nothing() {
    let (redis, nodes) = two_nodes_without_heartbeats().await;
    let mut clients = Vec::new();
    for number in 0..IDLE {
        clients.push(nodes.user(number % 2, &format!("u{number}")).await);
        call(&mut clients[number], "Join", json!([format!("g{number}")])).await;
    }
    reset(&redis).await;
    // Each node asks over both of its links whether they work, when they have been idle for some seconds.
    let pings = async || {
        let info = redis.cli(&["info", "commandstats"]).await;
        let line = info.lines().find_map(|line| line.strip_prefix("cmdstat_ping:calls="));
        line.and_then(|line| line.split(',').next()?.parse::<usize>().ok()).unwrap_or_default()
    };
    eventually("idle links to be asked", async || pings().await >= 2 * 2).await;
    assert_eq!(counts(&redis).await, Counts::new());
    assert!(pings().await < IDLE / 2, "{}", pings().await);
    nodes.have_no_errors();
}
