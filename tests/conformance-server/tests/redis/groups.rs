//! Ten thousand groups, spread over clients and nodes, and nothing left of them.

use futures_util::future::join_all;
use hubward_tests::{TestClient, eventually};
use serde_json::json;

use crate::nodes::{call, lasting_keys, receives, text, three_nodes};

/// Clients of each node, and groups of each client: 10,080 groups in all.
const CLIENTS: usize = 14;
const GROUPS: usize = 240;

#[tokio::test]
async fn ten_thousand_groups_are_each_reached_from_every_node_and_leave_nothing() {
    let (redis, nodes) = three_nodes().await;
    let empty = lasting_keys(&redis).await;
    let mut members = Vec::new();
    for number in 0..3 * CLIENTS {
        members.push(nodes.client(number % 3).await);
    }
    let names = |member: usize| (0..GROUPS).map(move |group| format!("{member}/{group}"));
    let joins = members.iter_mut().enumerate().map(|(member, client)| async move {
        call_all(client, "Join", names(member).map(|name| vec![name])).await;
    });
    join_all(joins).await;

    // Each member's groups are sent to from another node than its own.
    let mut senders = nodes.clients().await;
    let sends = senders.iter_mut().enumerate().map(|(sender, client)| async move {
        let members = (0..3 * CLIENTS).filter(|member| member % 3 == (sender + 1) % 3);
        call_all(client, "ToGroup", members.flat_map(names).map(|name| vec![name.clone(), name])).await;
    });
    join_all(sends).await;
    let receive = members.iter_mut().enumerate().map(|(member, client)| async move {
        for name in names(member) {
            assert_eq!(text(client).await, name);
        }
        receives(client, &[]).await;
    });
    join_all(receive).await;

    let first = json!({ "connection": members[0].id });
    assert_eq!(senders[1].result("GroupsOf", json!([first])).await.as_array().unwrap().len(), GROUPS);
    // Half of them leave, the others just go.
    for member in members.drain(..CLIENTS) {
        member.close().await;
    }
    let leaves = members.iter_mut().enumerate().map(|(index, client)| async move {
        call_all(client, "Leave", names(index + CLIENTS).map(|name| vec![name])).await;
    });
    join_all(leaves).await;
    drop(members);
    drop(senders);
    eventually("nothing to be left of groups and connections", async || lasting_keys(&redis).await == empty)
        .await;
    eventually("no subscription to be left of groups", async || {
        let channels = redis.cli(&["pubsub", "channels"]).await;
        !channels.contains("13/")
    })
    .await;
    nodes.have_no_errors();
}

/// Calls a method again and again without waiting for the calls before.
async fn call_all(client: &mut TestClient, method: &str, calls: impl Iterator<Item = Vec<String>>) {
    let mut begun = Vec::new();
    for arguments in calls {
        begun.push(client.begin(method, json!(arguments)).await);
    }
    for call in begun {
        let completion = client.completion(&call).await;
        assert!(completion.get("error").is_none(), "{method}: {completion}");
    }
}

#[tokio::test]
async fn a_group_that_nobody_is_in_costs_no_subscription() {
    let (redis, nodes) = three_nodes().await;
    let mut clients = nodes.clients().await;
    let subscriptions = async || redis.info("pubsub_channels").await;
    let before = subscriptions().await;
    call(&mut clients[0], "ToGroup", json!(["empty", "x"])).await;
    assert_eq!(subscriptions().await, before);
    call(&mut clients[0], "Join", json!(["g"])).await;
    assert_ne!(subscriptions().await, before);
    call(&mut clients[0], "Leave", json!(["g"])).await;
    eventually("the subscription to end", async || subscriptions().await == before).await;
}
