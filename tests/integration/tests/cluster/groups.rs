//! Groups have the same members on every node, whichever node changes them.

use std::collections::HashSet;
use std::time::Duration;

use hubward::{GroupError, GroupMember};
use hubward_tests::eventually;
use serde_json::json;

use crate::{Pair, reaches, receives};

#[tokio::test]
async fn a_connection_of_another_node_is_in_a_group_when_adding_it_returns() {
    let pair = Pair::start().await;
    let mut client = pair.client(0).await;
    let (id, far) = (client.id.clone(), pair.groups(1));
    for round in 0..50 {
        let group = format!("g{round}");
        far.add_connection(id.as_str(), group.as_str()).await.unwrap();
        pair.hubs[1].group(group.as_str()).send("N", (1,)).await.unwrap();
        pair.hubs[0].group(group.as_str()).send("N", (2,)).await.unwrap();
        far.remove_connection(id.as_str(), group.as_str()).await.unwrap();
        pair.hubs[1].group(group.as_str()).send("N", (3,)).await.unwrap();
        pair.hubs[0].group(group.as_str()).send("N", (4,)).await.unwrap();
        receives(&mut client, [1, 2]).await;
    }
    let refused = far.add_connection(id.as_str(), "secret").await;
    assert!(matches!(refused, Err(GroupError::NotAllowed { .. })), "{refused:?}");
    assert_eq!(far.count("secret").await.unwrap(), 0);
    far.add_connection("nobody", "g").await.unwrap();
    assert_eq!(far.count("g").await.unwrap(), 0, "a connection that does not exist is skipped");
}

#[tokio::test]
async fn a_users_group_holds_for_all_connections_of_now_and_later() {
    let pair = Pair::start().await;
    let (mut near, mut far) = (pair.user(0, "alice").await, pair.user(1, "alice").await);
    let mut bob = pair.user(1, "bob").await;
    pair.groups(0).add_user("alice", "g", None).await.unwrap();
    let (mut later_near, mut later_far) = (pair.user(0, "alice").await, pair.user(1, "alice").await);
    for client in [&mut near, &mut far, &mut later_near, &mut later_far] {
        assert!(reaches(&pair.hubs[0], "g", client).await);
        assert!(reaches(&pair.hubs[1], "g", client).await);
    }
    assert!(!reaches(&pair.hubs[0], "g", &mut bob).await);

    // One of them is in the group by itself, too, and stays.
    far.result("Join", json!(["g"])).await;
    pair.groups(1).remove_user("alice", "g").await.unwrap();
    for client in [&mut near, &mut later_near, &mut later_far] {
        assert!(!reaches(&pair.hubs[0], "g", client).await);
        assert!(!reaches(&pair.hubs[1], "g", client).await);
    }
    assert!(reaches(&pair.hubs[0], "g", &mut far).await);
    let mut newcomer = pair.user(0, "alice").await;
    assert!(!reaches(&pair.hubs[1], "g", &mut newcomer).await);
}

#[tokio::test]
async fn a_users_group_expires() {
    let pair = Pair::start().await;
    let mut before = [pair.user(0, "alice").await, pair.user(1, "alice").await];
    let long = Duration::from_secs(3600);
    pair.groups(0).add_user("alice", "renewed", Some(Duration::from_millis(200))).await.unwrap();
    pair.groups(1).add_user("alice", "renewed", Some(long)).await.unwrap();
    pair.groups(0).add_user("alice", "g", Some(Duration::from_millis(200))).await.unwrap();
    let after = [pair.user(0, "alice").await, pair.user(1, "alice").await];
    for client in &mut before {
        assert!(reaches(&pair.hubs[0], "renewed", client).await);
    }
    eventually("the membership to expire", async || {
        let member = GroupMember::User("alice".into());
        !pair.groups(1).contains("g", member).await.unwrap()
    })
    .await;
    for mut client in before.into_iter().chain(after) {
        eventually("delivery to end", async || !reaches(&pair.hubs[0], "g", &mut client).await).await;
        assert!(reaches(&pair.hubs[1], "renewed", &mut client).await);
    }
}

#[tokio::test]
async fn every_node_knows_who_is_in_a_group() {
    let pair = Pair::start().await;
    let mut clients = [pair.client(0).await, pair.client(0).await, pair.client(1).await];
    for client in &mut clients {
        client.result("Join", json!(["g"])).await;
    }
    clients[0].result("Join", json!(["other"])).await;
    pair.groups(0).add_user("alice", "g", None).await.unwrap();
    let ids = clients.each_ref().map(|client| GroupMember::Connection(client.id.as_str().into()));
    let alice = GroupMember::User("alice".into());
    let expected: HashSet<_> = ids.iter().cloned().chain([alice.clone()]).collect();
    for groups in [pair.groups(0), pair.groups(1)] {
        assert_eq!(groups.count("g").await.unwrap(), 4);
        assert_eq!(groups.count("none").await.unwrap(), 0);
        for member in &expected {
            assert!(groups.contains("g", member.clone()).await.unwrap(), "{member:?}");
        }
        assert!(!groups.contains("other", ids[1].clone()).await.unwrap());
        let (mut members, mut cursor) = (Vec::new(), None);
        loop {
            let page = groups.members("g", cursor, 3).await.unwrap();
            assert!(page.members.len() <= 3);
            members.extend(page.members);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((members.len(), members.into_iter().collect::<HashSet<_>>()), (4, expected.clone()));
        let mut of_first = groups.of(ids[0].clone()).await.unwrap();
        of_first.sort();
        assert_eq!(of_first, ["g".into(), "other".into()]);
        assert_eq!(groups.of(alice.clone()).await.unwrap(), ["g".into()]);
    }
    let [first, ..] = clients;
    first.close().await;
    eventually("its membership to end", async || pair.groups(1).count("g").await.unwrap() == 3).await;
    assert_eq!(pair.groups(1).of(ids[0].clone()).await.unwrap(), []);
}
