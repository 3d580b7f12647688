//! Redis that restarts, with its data and without, and Redis that hangs: what is on one node goes on, and afterwards all
//! is as before.

use std::time::Duration;

use hubward_testing::redis::{Data, RedisOptions, RedisServer};
use hubward_testing::within;
use hubward_tests::TestClient;
use serde_json::json;
use tokio::time::Instant;

use crate::nodes::{Nodes, PREFIX, becomes, call, reach_each_other, receives, text};

/// How long may take what needs no Redis, on a machine that is busy. A call that waits for Redis takes longer.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Nodes whose clients are members of `g`, with two on node 0, and one who is so as the user alice.
struct Members {
    nodes: Nodes,
    clients: Vec<TestClient>,
    alice: TestClient,
}

async fn start(is_persistent: bool) -> (RedisServer, Members) {
    let redis = RedisServer::start(RedisOptions { is_persistent, ..RedisOptions::default() }).await;
    let nodes = Nodes::start(3, &redis.url(), PREFIX).await;
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
        let joined = async {
            while late.invoke("Join", json!(["g"])).await.get("error").is_some() {
                call(&mut late, "Slow", json!([20, ""])).await;
            }
        };
        within("a join", joined).await;
        self.clients.push(late);
        for node in 0..3 {
            let members = self.clients.len() + usize::from(data == Data::Kept);
            becomes(&mut self.clients[node], "Count", json!(["g"]), json!(members)).await;
            becomes(&mut self.clients[node], "IsOnline", json!(["late"]), json!(true)).await;
        }
        if data == Data::Lost {
            self.alice.take_received();
            call(&mut self.clients[1], "AddUser", json!(["alice", "g", null])).await;
        }
        self.clients.push(self.alice);
        reach_each_other(&mut self.clients).await;
        call(&mut self.clients[0], "Leave", json!(["g"])).await;
        let members = self.clients.len() - 1;
        assert_eq!(self.clients[1].result("Count", json!(["g"])).await, members);
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
