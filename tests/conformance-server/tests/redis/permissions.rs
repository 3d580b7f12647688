//! What a node's user may do in Redis is taken away while the node runs, one permission after the other: the log says what to
//! do about it, what needs no Redis goes on, and all is as before when it is given back.

use hubward_testing::redis::{RedisOptions, RedisServer};
use hubward_tests::{TestClient, eventually};
use serde_json::{Value, json};

use crate::nodes::{Nodes, call, text};
use crate::refusals::rule;

const ADVICE: &str = "the ACL rule that it needs";

/// How many lines a missing permission may cause in the log of a node, beside those of methods that failed: whatever is done
/// again and again, such as heartbeats and sweeping, has one.
const MOST_LINES: usize = 12;

/// Permissions that are never needed with one server.
const NOT_NEEDED: [&str; 6] =
    ["+select", "+role", "+cluster|slots", "+spublish", "+ssubscribe", "+sunsubscribe"];

async fn start() -> (RedisServer, Nodes) {
    let redis = RedisServer::start(RedisOptions::default()).await;
    allow_all_but(&redis, None).await;
    let nodes = start_nodes(&redis).await;
    (redis, nodes)
}

async fn start_nodes(redis: &RedisServer) -> Nodes {
    let url = redis.url().replace("://", "://hubward:PASSWORD@");
    Nodes::start_with(2, &["--redis", &url, "--redis-prefix", "clinic", "--lease", "3000"]).await
}

async fn allow_all_but(redis: &RedisServer, missing: Option<&str>) {
    let mut command = vec!["acl", "setuser"];
    command.extend(rule().take(1).chain(["reset"]));
    command.extend(rule().skip(1).filter(|part| Some(*part) != missing));
    redis.cli(&command).await;
}

/// Does whatever asks Redis for something. Returns what has failed.
async fn act(caller: &mut TestClient, other: &str) -> Vec<Value> {
    let calls: [(&str, Value); 14] = [
        ("Join", json!(["joined"])),
        ("Leave", json!(["joined"])),
        ("ToGroup", json!(["g", "message"])),
        ("ToConnection", json!([other, "message"])),
        ("AddUser", json!(["bob", "users", 50])),
        ("RemoveUser", json!(["bob", "users"])),
        ("Ban", json!(["bob", "banned"])),
        ("Unban", json!(["bob", "banned"])),
        ("Members", json!(["g", null, 10])),
        ("UsersOnline", json!([null, 10])),
        ("ConnectionsOf", json!(["bob"])),
        ("Count", json!(["g"])),
        ("JoinConnection", json!([other, "joined"])),
        ("LeaveConnection", json!([other, "joined"])),
    ];
    let mut failed = Vec::new();
    for (method, arguments) in calls {
        let completion = caller.invoke(method, arguments).await;
        if completion.get("error").is_some() {
            failed.push(completion);
        }
    }
    failed
}

#[tokio::test]
async fn a_channel_that_is_taken_away_is_said_once_and_subscribed_to_again_when_it_is_given_back() {
    let (redis, mut nodes) = start().await;
    for (pattern, channel, words) in [
        ("&{clinic}:1:*", "{clinic}:1:events", "watched"),
        ("&clinic:1:*", "clinic:1:nodes", "refuses the link"),
    ] {
        let subscribed = async || redis.cli(&["pubsub", "numsub", channel]).await == format!("{channel}\n2");
        eventually("both to subscribe", subscribed).await;
        allow_all_but(&redis, Some(pattern)).await;
        eventually("advice", async || !nodes.node(0).log_lines(&["WARN", words, ADVICE]).is_empty()).await;
        // It is tried again meanwhile.
        let denied = async || redis.info("errorstat_NOPERM").await;
        let before = denied().await;
        eventually("another attempt", async || denied().await != before).await;
        assert_eq!(nodes.node(0).log_lines(&["WARN", words]).len(), 1);
        allow_all_but(&redis, None).await;
        eventually("both to subscribe again", subscribed).await;
    }
    nodes.have_no_errors();
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn each_permission_is_missed_with_advice_and_all_is_as_before_when_it_is_given_back() {
    let redis = RedisServer::start(RedisOptions::default()).await;
    let may = rule().filter(|part| part.starts_with(['+', '~', '&']));
    for missing in may.filter(|part| !NOT_NEEDED.contains(part)) {
        allow_all_but(&redis, None).await;
        // Other ones each time, since of many failures of a method only some are logged.
        misses(&redis, &mut start_nodes(&redis).await, missing).await;
    }
}

async fn misses(redis: &RedisServer, nodes: &mut Nodes, missing: &str) {
    let (mut alice, mut bob) = (nodes.user(0, "alice").await, nodes.user(1, "bob").await);
    let mut neighbour = nodes.client(0).await;
    for client in [&mut alice, &mut bob, &mut neighbour] {
        call(client, "Join", json!(["g"])).await;
    }
    allow_all_but(redis, Some(missing)).await;
    let denied = !act(&mut alice, &bob.id).await.is_empty();
    // Connections that are made again ask for more than the first ones.
    redis.cli(&["client", "kill", "user", "hubward"]).await;
    let sent = alice.begin("ToGroup", json!(["g", "local"])).await;
    while text(&mut neighbour).await != "local" {}
    alice.completion(&sent).await;

    let node = nodes.node(0);
    eventually(&format!("advice without {missing}"), async || {
        let is_well = !denied && act(&mut alice, &bob.id).await.is_empty();
        is_well || !node.log_lines(&["WARN", ADVICE]).is_empty()
    })
    .await;
    let mut lines = node.log_lines(&["WARN"]);
    lines.retain(|line| !line.contains("invocation::failures"));
    assert!(lines.len() <= MOST_LINES, "without {missing}: {lines:#?}");

    allow_all_but(redis, None).await;
    eventually(missing, async || act(&mut alice, &bob.id).await.is_empty()).await;
    bob.take_received();
    eventually(missing, async || {
        call(&mut alice, "ToGroup", json!(["g", "back"])).await;
        call(&mut bob, "Slow", json!([20, ""])).await;
        !bob.take_received().is_empty()
    })
    .await;
    nodes.have_no_errors();
}

#[tokio::test]
#[ignore = "takes longer than idle connections are asked for whether they work"]
async fn an_idle_node_whose_user_may_not_ping_stays_connected() {
    let (redis, mut nodes) = start().await;
    allow_all_but(&redis, Some("+ping")).await;
    let denied = async || {
        let commands = redis.cli(&["info", "commandstats"]).await;
        let pings = commands.lines().find(|line| line.starts_with("cmdstat_ping:"));
        let refused = pings.and_then(|line| line.split("rejected_calls=").nth(1)?.split(',').next());
        refused.and_then(|refused| refused.parse().ok()).unwrap_or(0)
    };
    eventually("pings of all connections", async || denied().await >= 6).await;
    assert_eq!(nodes.node(0).log_lines(&["interrupted"]), Vec::<String>::new());
    nodes.have_no_errors();
}
