//! Membership tells the truth on every node: what a change that has returned promises holds for the very next message, in
//! whatever order changes come, and whoever gives up waiting for one.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use hubward::{GroupMember, HubHandle};
use hubward_tests::{TestClient, eventually};
use serde_json::json;

use crate::{Pair, reaches, receives};

/// How often each is tried.
const ROUNDS: i64 = 50;

/// The group of a round.
fn group(round: i64) -> String {
    format!("g{round}")
}

/// Two nodes, with a connection of alice on each.
async fn start() -> (Pair, [TestClient; 2]) {
    let pair = Pair::start().await;
    let clients = [pair.user(0, "alice").await, pair.user(1, "alice").await];
    (pair, clients)
}

async fn send(hub: &HubHandle, group: &str, number: i64) {
    hub.group(group).send("N", (number,)).await.unwrap();
}

/// Sends to the groups of all rounds from both nodes, and expects that each client receives what is sent to those that
/// the store has alice in, and nothing else.
async fn expect_what_is_recorded(pair: &Pair, clients: &mut [TestClient]) {
    let alice = GroupMember::User("alice".into());
    let mut expected = Vec::new();
    for round in 0..ROUNDS {
        let recorded = pair.groups(0).contains(group(round), alice.clone()).await.unwrap();
        for hub in &pair.hubs {
            send(hub, &group(round), round).await;
            expected.extend(recorded.then_some(round));
        }
    }
    for client in clients {
        client.result("Echo", json!(["sent"])).await;
        let mut received: Vec<_> =
            client.take_received().iter().map(|message| message["arguments"][0].as_i64().unwrap()).collect();
        received.sort_unstable();
        assert_eq!(received, expected, "delivery is not what is recorded");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_right_after_a_user_was_added_arrives_and_right_after_a_removal_does_not() {
    let (pair, mut clients) = start().await;
    for round in 0..ROUNDS {
        let (group, changing) = (group(round), round as usize % 2);
        let sender = &pair.hubs[(round as usize / 2) % 2];
        pair.groups(changing).add_user("alice", group.as_str(), None).await.unwrap();
        send(sender, &group, 1).await;
        pair.groups(changing).remove_user("alice", group.as_str()).await.unwrap();
        send(sender, &group, 2).await;
        for client in &mut clients {
            receives(client, [1]).await;
        }
    }
    for client in &mut clients {
        receives(client, []).await;
    }
}

/// Adds and removes alice in a group from both nodes at once, and adds her in some in the end.
async fn storm(pair: &Pair, round: i64) {
    let group = group(round);
    let changes = (0..6).map(async |number: usize| {
        let groups = pair.groups(number % 2);
        match (number + round as usize) % 3 {
            0 => groups.remove_user("alice", group.as_str()).await.unwrap(),
            _ => groups.add_user("alice", group.as_str(), None).await.unwrap(),
        }
    });
    join_all(changes).await;
    if round % 4 == 0 {
        pair.groups(round as usize / 4 % 2).remove_user("alice", group.as_str()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_storm_of_changes_nothing_is_delivered_to_whoever_the_store_denies() {
    let (pair, mut clients) = start().await;
    join_all((0..ROUNDS).map(|round| storm(&pair, round))).await;
    expect_what_is_recorded(&pair, &mut clients).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_connects_in_a_storm_of_changes_gets_what_the_store_has() {
    let pair = Pair::start().await;
    let connecting = join_all((0..8).map(|number| pair.user(number % 2, "alice")));
    let storms = join_all((0..ROUNDS).map(|round| storm(&pair, round)));
    let (mut clients, _) = tokio::join!(connecting, storms);
    expect_what_is_recorded(&pair, &mut clients).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_several_adds_at_the_same_time_returns_only_when_messages_arrive() {
    let (pair, mut clients) = start().await;
    let id = clients[0].id.clone();
    for round in 0..ROUNDS {
        let (by_itself, by_user) = (format!("c{round}"), format!("u{round}"));
        let adds = (0..4).map(async |number: i64| {
            let node = number as usize % 2;
            pair.groups(node).add_connection(id.as_str(), by_itself.as_str()).await.unwrap();
            send(&pair.hubs[node], &by_itself, number).await;
            pair.groups(node).add_user("alice", by_user.as_str(), None).await.unwrap();
            send(&pair.hubs[node], &by_user, number).await;
        });
        join_all(adds).await;
        for (client, count) in clients.iter_mut().zip([8, 4]) {
            client.result("Echo", json!(["sent"])).await;
            assert_eq!(client.take_received().len(), count, "in round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_add_that_its_caller_gave_up_leaves_no_later_add_without_delivery() {
    let (pair, mut clients) = start().await;
    let id = clients[0].id.clone();
    for round in 0..ROUNDS {
        let (group, node) = (group(round), round as usize % 2);
        let (groups, far) = (pair.groups(node), &pair.hubs[1 - node]);
        drop(groups.add_connection(id.as_str(), group.as_str()).now_or_never());
        groups.add_connection(id.as_str(), group.as_str()).await.unwrap();
        send(far, &group, 1).await;
        drop(groups.remove_connection(id.as_str(), group.as_str()).now_or_never());
        groups.remove_connection(id.as_str(), group.as_str()).await.unwrap();
        send(far, &group, 2).await;
        drop(groups.add_user("alice", group.as_str(), None).now_or_never());
        groups.add_user("alice", group.as_str(), None).await.unwrap();
        send(far, &group, 3).await;
        drop(groups.remove_user("alice", group.as_str()).now_or_never());
        groups.remove_user("alice", group.as_str()).await.unwrap();
        send(far, &group, 4).await;
        let [first, second] = &mut clients;
        receives(first, [1, 3]).await;
        receives(second, [3]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leave_of_a_connection_cuts_off_nobody_whose_user_is_a_member() {
    let (pair, mut clients) = start().await;
    let ids = clients.each_ref().map(|client| client.id.clone());
    for round in 0..ROUNDS {
        let (group, node) = (group(round), round as usize % 2);
        let (groups, far) = (pair.groups(node), pair.groups(1 - node));
        groups.add_user("alice", group.as_str(), None).await.unwrap();
        for id in &ids {
            far.add_connection(id.as_str(), group.as_str()).await.unwrap();
            groups.remove_connection(id.as_str(), group.as_str()).await.unwrap();
        }
        send(&pair.hubs[1 - node], &group, 1).await;
        groups.add_connection(ids[0].as_str(), group.as_str()).await.unwrap();
        far.remove_user("alice", group.as_str()).await.unwrap();
        send(&pair.hubs[node], &group, 2).await;
        let [first, second] = &mut clients;
        receives(first, [1, 2]).await;
        receives(second, [1]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_membership_of_a_user_that_expires_takes_no_connection_out_that_joined_by_itself() {
    let (pair, mut clients) = start().await;
    let id = clients[0].id.clone();
    let ttl = Some(Duration::from_millis(300));
    let joins = (0..ROUNDS).map(async |round| {
        let (group, node) = (group(round), round as usize % 2);
        pair.groups(node).add_connection(id.as_str(), group.as_str()).await.unwrap();
        pair.groups(1 - node).add_user("alice", group.as_str(), ttl).await.unwrap();
    });
    join_all(joins).await;
    for round in 0..ROUNDS {
        let alice = GroupMember::User("alice".into());
        eventually("the membership to expire", async || {
            !pair.groups(0).contains(group(round), alice.clone()).await.unwrap()
        })
        .await;
        let [first, second] = &mut clients;
        eventually("delivery to end", async || !reaches(&pair.hubs[0], &group(round), second).await).await;
        assert!(reaches(&pair.hubs[1], &group(round), first).await, "it joined by itself");
        // And the other way round: its own leave ends what the expired membership no longer holds.
        pair.groups(1).remove_connection(id.as_str(), group(round)).await.unwrap();
        assert!(!reaches(&pair.hubs[1], &group(round), first).await);
    }
}
