//! What is sent after an awaited join is never missed, and after an awaited removal or ban never delivered: a thousand
//! rounds of each, while another connection of the member's node joins and leaves, so that subscriptions come and go.

use hubward_tests::TestClient;
use serde_json::{Value, json};

use crate::nodes::{Nodes, call, receives, text, three_nodes};

const ROUNDS: usize = 1000;

/// Three nodes with a member of `g`, another client of its node, and others.
struct Race {
    _redis: hubward_testing::redis::RedisServer,
    nodes: Nodes,
    /// On node 1.
    member: TestClient,
    /// On node 1, too.
    rival: TestClient,
    /// On node 0.
    changer: TestClient,
    /// On node 2.
    sender: TestClient,
}

impl Race {
    async fn start() -> Self {
        let (redis, nodes) = three_nodes().await;
        let (member, rival) = (nodes.user(1, "alice").await, nodes.client(1).await);
        let (changer, sender) = (nodes.client(0).await, nodes.client(2).await);
        Self { _redis: redis, nodes, member, rival, changer, sender }
    }

    /// Calls a method of `caller` while the rival joins or leaves, and sends when it has returned.
    async fn change_and_send(&mut self, round: usize, by_member: bool, call: (&str, Value), sent: &str) {
        let rivals = if round.is_multiple_of(2) { "Join" } else { "Leave" };
        let rivals = self.rival.begin(rivals, json!(["g"])).await;
        let caller = if by_member { &mut self.member } else { &mut self.changer };
        caller.result(call.0, call.1).await;
        self.sender.result("ToGroup", json!(["g", sent])).await;
        let completion = self.rival.completion(&rivals).await;
        assert!(completion.get("error").is_none(), "{completion}");
        self.rival.take_received();
    }

    /// What the sender has sent has come, or does not: a later message to the member itself is the next one that it
    /// receives.
    async fn has_nothing_else(&mut self) {
        self.sender.result("ToConnection", json!([self.member.id, "last"])).await;
        assert_eq!(text(&mut self.member).await, "last");
    }

    /// Nothing came but what was expected.
    async fn end(mut self) {
        receives(&mut self.member, &[]).await;
        self.nodes.have_no_errors();
    }
}

#[tokio::test]
async fn a_connections_joins_and_leaves_hold_when_they_return() {
    let mut race = Race::start().await;
    let member = race.member.id.clone();
    for round in 0..ROUNDS {
        // By itself, and by a client of another node.
        let by_member = round % 4 < 2;
        let (join, leave) = match by_member {
            true => (("Join", json!(["g"])), ("Leave", json!(["g"]))),
            false => (("JoinConnection", json!([member, "g"])), ("LeaveConnection", json!([member, "g"]))),
        };
        let inside = format!("in {round}");
        race.change_and_send(round, by_member, join, &inside).await;
        assert_eq!(text(&mut race.member).await, inside);
        race.change_and_send(round, by_member, leave, &format!("out {round}")).await;
        race.has_nothing_else().await;
    }
    race.end().await;
}

#[tokio::test]
async fn a_users_memberships_hold_when_the_call_returns() {
    let mut race = Race::start().await;
    for round in 0..ROUNDS {
        let inside = format!("in {round}");
        race.change_and_send(round, false, ("AddUser", json!(["alice", "g", null])), &inside).await;
        assert_eq!(text(&mut race.member).await, inside);
        let outside = format!("out {round}");
        race.change_and_send(round, false, ("RemoveUser", json!(["alice", "g"])), &outside).await;
        race.has_nothing_else().await;
    }
    race.end().await;
}

#[tokio::test]
async fn a_ban_holds_when_the_call_returns_also_against_joins_that_race_with_it() {
    let mut race = Race::start().await;
    for round in 0..ROUNDS {
        let inside = format!("in {round}");
        let add = match round % 2 {
            0 => ("AddUser", json!(["alice", "g", null])),
            _ => ("JoinConnection", json!([race.member.id, "g"])),
        };
        race.change_and_send(round, false, add, &inside).await;
        assert_eq!(text(&mut race.member).await, inside);

        let racing = race.member.begin("Join", json!(["g"])).await;
        race.change_and_send(round, false, ("Ban", json!(["alice", "g"])), &format!("out {round}")).await;
        // Whether it came before or after the ban, it has no effect now.
        race.member.completion(&racing).await;
        assert!(race.member.error("Join", json!(["g"])).await.contains("banned"));
        let contains = json!(["g", { "connection": race.member.id }]);
        assert_eq!(race.sender.result("Contains", contains).await, false);
        call(&mut race.sender, "ToGroup", json!(["g", "out as well"])).await;
        race.has_nothing_else().await;
        call(&mut race.changer, "Unban", json!(["alice", "g"])).await;
    }
    race.end().await;
}
