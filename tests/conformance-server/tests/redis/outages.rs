//! Redis that restarts, with its data and without, and Redis that hangs: what is on one node goes on, and afterwards all
//! is as before.

use std::time::Duration;

use hubward_testing::redis::{Data, RedisOptions, RedisServer};
use hubward_testing::{FaultProxy, eventually, within};
use hubward_tests::TestClient;
use serde_json::json;
use tokio::time::Instant;

use crate::nodes::{Nodes, PREFIX, becomes, call, reach_each_other, receives, succeeds, text};

/// How long may take what needs no Redis, on a machine that is busy. A call that waits for Redis takes longer.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Nodes whose clients are members of `g`, with two on node 0, and one who is so as the user alice.
struct Members {
    nodes: Nodes,
    clients: Vec<TestClient>,
    alice: TestClient,
}

async fn start(is_persistent: bool) -> (RedisServer, Members) {
    start_with_lease(is_persistent, "15000").await
}

async fn start_with_lease(is_persistent: bool, lease_ms: &str) -> (RedisServer, Members) {
    let redis = RedisServer::start(RedisOptions { is_persistent, ..RedisOptions::default() }).await;
    let arguments = ["--redis", &redis.url(), "--redis-prefix", PREFIX, "--lease", lease_ms];
    let nodes = Nodes::start_with(3, &arguments).await;
    let mut clients = nodes.clients().await;
    clients.push(nodes.client(0).await);
    for client in &mut clients {
        call(client, "Join", json!(["g"])).await;
    }
    call(&mut clients[0], "AddUser", json!(["alice", "g", null])).await;
    let alice = nodes.user(2, "alice").await;
    (redis, Members { nodes, clients, alice })
}

impl Members {
    /// What must hold while Redis is away.
    async fn go_on(&mut self) {
        let began = Instant::now();
        let sent = self.clients[0].begin("ToGroup", json!(["g", "local"])).await;
        assert_eq!(text(&mut self.clients[3]).await, "local");
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
        // The first ones may have to wait until the node knows.
        let mut early = within("a connection", self.nodes.user(0, "early")).await;
        let began = Instant::now();
        let mut late = within("a connection", self.nodes.user(0, "late")).await;
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
        // A group that cannot be recorded is not delivered for.
        late.error("Join", json!(["g"])).await;
        self.clients[0].completion(&sent).await;
        call(&mut self.clients[0], "ToConnection", json!([late.id, "local"])).await;
        receives(&mut late, &["local"]).await;
        call(&mut early, "Slow", json!([0, ""])).await;
        self.clients.push(late);
    }

    /// What must hold when Redis is back. What it has lost of users is lost, since no node knows all of it; connections
    /// are in their groups all the same.
    async fn are_as_before(mut self, data: Data) {
        // Who has come meanwhile can join.
        let mut late = self.clients.pop().unwrap();
        succeeds(&mut late, "Join", json!(["g"])).await;
        self.clients.push(late);
        for node in 0..3 {
            let members = self.clients.len() + usize::from(data == Data::Kept);
            becomes(&mut self.clients[node], "Count", json!(["g"]), json!(members)).await;
            becomes(&mut self.clients[node], "IsOnline", json!(["late"]), json!(true)).await;
        }
        if data == Data::Lost {
            self.alice.take_received();
            succeeds(&mut self.clients[1], "AddUser", json!(["alice", "g", null])).await;
        }
        self.clients.push(self.alice);
        reach_each_other(&mut self.clients).await;
        call(&mut self.clients[0], "Leave", json!(["g"])).await;
        let members = self.clients.len() - 1;
        assert_eq!(self.clients[1].result("Count", json!(["g"])).await, members);
        for node in 0..3 {
            for change in
                ["The link to the other nodes is interrupted", "The link to the other nodes is whole again"]
            {
                let lines = self.nodes.node(node).log_lines(&["WARN", change]);
                assert!(lines.len() <= 1, "an outage is logged once each way: {lines:#?}");
            }
        }
        self.nodes.have_no_errors();
    }
}

#[tokio::test]
async fn redis_that_restarts_with_its_data_is_used_again() {
    let (mut redis, mut members) = start(true).await;
    redis.kill();
    members.go_on().await;
    redis.restart(Data::Kept).await;
    members.are_as_before(Data::Kept).await;
}

#[tokio::test]
async fn redis_that_restarts_empty_has_all_members_again() {
    let (mut redis, mut members) = start(false).await;
    redis.kill();
    members.go_on().await;
    redis.restart(Data::Lost).await;
    members.are_as_before(Data::Lost).await;
}

#[tokio::test]
async fn redis_that_restarts_empty_at_once_has_all_members_again() {
    let (mut redis, mut members) = start(false).await;
    redis.restart(Data::Lost).await;
    let late = members.nodes.user(0, "late").await;
    members.clients.push(late);
    members.are_as_before(Data::Lost).await;
}

#[tokio::test]
async fn redis_that_hangs_is_used_again() {
    let (redis, mut members) = start(false).await;
    redis.pause();
    members.go_on().await;
    redis.continue_();
    members.are_as_before(Data::Kept).await;
}

#[tokio::test]
async fn redis_that_hangs_for_a_moment_costs_nothing() {
    let (redis, mut members) = start(false).await;
    for round in 0..3 {
        redis.pause();
        let text_sent = format!("{round}");
        let sent = members.clients[0].begin("ToGroup", json!(["g", text_sent])).await;
        assert_eq!(text(&mut members.clients[3]).await, text_sent);
        redis.continue_();
        members.clients[0].completion(&sent).await;
        for client in [0, 1, 2] {
            assert_eq!(text(&mut members.clients[client]).await, text_sent);
        }
        assert_eq!(text(&mut members.alice).await, text_sent);
    }
}

#[tokio::test]
async fn redis_that_was_away_for_longer_than_a_lease_has_all_members_again() {
    let lease = Duration::from_secs(2);
    for data in [Data::Kept, Data::Lost] {
        let (mut redis, mut members) = start_with_lease(true, "2000").await;
        redis.kill();
        members.go_on().await;
        call(&mut members.clients[1], "Slow", json!([2 * lease.as_millis(), "away"])).await;
        redis.restart(data).await;
        members.are_as_before(data).await;
    }
}

#[tokio::test]
async fn redis_that_hangs_for_longer_than_a_lease_has_all_members_again() {
    let lease = Duration::from_secs(2);
    let (redis, mut members) = start_with_lease(false, "2000").await;
    redis.pause();
    members.go_on().await;
    call(&mut members.clients[1], "Slow", json!([2 * lease.as_millis(), "away"])).await;
    redis.continue_();
    members.are_as_before(Data::Kept).await;
}

/// As a server that writes to its disk once in a second does, or a replica that the last changes had not reached.
#[tokio::test]
async fn redis_that_restarts_with_older_data_has_all_members_of_now() {
    let (mut redis, members) = start(false).await;
    let Members { nodes, mut clients, .. } = members;
    let (mut stays, mut goes) = (nodes.client(1).await, nodes.client(1).await);
    for client in [&mut stays, &mut goes] {
        call(client, "Join", json!(["before"])).await;
    }
    redis.cli(&["save"]).await;
    let mut comes = nodes.client(1).await;
    call(&mut comes, "Join", json!(["after"])).await;
    call(&mut stays, "Leave", json!(["before"])).await;
    call(&mut stays, "Join", json!(["after"])).await;
    let gone = goes.id.clone();
    goes.close().await;
    becomes(&mut clients[0], "Count", json!(["before"]), json!(0)).await;

    redis.kill();
    redis.restart(Data::Kept).await;
    for client in &mut clients {
        becomes(client, "Count", json!(["before"]), json!(0)).await;
        becomes(client, "Count", json!(["after"]), json!(2)).await;
        becomes(client, "GroupsOf", json!([{ "connection": gone }]), json!([])).await;
    }
    reach_each_other(&mut clients).await;
    nodes.have_no_errors();
}

/// What a node that alone has no Redis sends, until it has.
#[tokio::test]
async fn what_is_sent_while_a_node_is_cut_off_comes_in_order_when_it_is_back() {
    const MESSAGES: usize = 50;
    let redis = RedisServer::start(RedisOptions::default()).await;
    let proxy = FaultProxy::start(redis.address()).await;
    let url = format!("redis://{}", proxy.address());
    let arguments = ["--redis", &url, "--redis-prefix", PREFIX];
    let mut cut_off = Nodes::start_logging("warn,hubward_redis=debug", 1, &arguments).await;
    let others = Nodes::start(2, &redis.url(), PREFIX).await;
    let (mut sender, mut beside) = (cut_off.client(0).await, cut_off.client(0).await);
    let mut attempts = || cut_off.node(0).log_lines(&["Redis cannot be reached; it is tried again."]).len();
    let mut remote = others.clients().await;
    for client in remote.iter_mut().chain([&mut beside]) {
        call(client, "Join", json!(["g"])).await;
    }
    for round in 0..3 {
        if round == 1 {
            proxy.hold()
        } else {
            let before = attempts();
            proxy.interrupt().await;
            // What is sent before the node knows is lost.
            eventually("the node to know", async || attempts() > before).await;
        }
        call(&mut sender, "Burst", json!(["g", MESSAGES])).await;
        for number in 0..MESSAGES {
            assert_eq!(text(&mut beside).await, number.to_string());
        }
        if round == 1 {
            proxy.release()
        } else {
            proxy.resume().await
        }
        for client in &mut remote {
            for number in 0..MESSAGES {
                assert_eq!(text(client).await, number.to_string());
            }
            receives(client, &[]).await;
        }
    }
    cut_off.have_no_errors();
    others.have_no_errors();
}
