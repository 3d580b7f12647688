//! Changes of a user's membership that race sends, connects and each other on several threads.

use std::sync::Arc;
use std::time::Duration;

use hubward_hub::{GroupError, Hub};

use crate::connection::handle::ConnectionHandle;
use crate::testing::cluster::TestNode;
use crate::testing::{take_mail, user_handle};

const ROUNDS: usize = 200;

/// Two nodes, and a connection of alice to the second one.
async fn start() -> (TestNode, TestNode, Arc<ConnectionHandle>) {
    let (first, second) = TestNode::start_two(|| Hub::new("hub")).await;
    let connection = user_handle("c1", "alice");
    second.open(&connection).await;
    (first, second, connection)
}

/// Sends to the group and then to the user, and returns what has come when the second one has.
async fn receives(node: &TestNode, connection: &ConnectionHandle) -> bool {
    let hub = node.engine.handle();
    hub.clients().group("g").send("Group", ()).await.unwrap();
    hub.clients().user("alice").send("User", ()).await.unwrap();
    let mut received = Vec::new();
    let come = async {
        while !received.iter().any(|message: &String| message.contains("User")) {
            tokio::task::yield_now().await;
            received.extend(take_mail(connection).0);
        }
    };
    tokio::time::timeout(Duration::from_secs(10), come).await.expect("nothing comes");
    received.iter().any(|message| message.contains("Group"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_send_after_an_add_always_arrives_and_one_after_a_removal_never_does() {
    let (first, second, connection) = start().await;
    for round in 0..ROUNDS {
        let (changing, sending) = if round % 2 == 0 { (&first, &second) } else { (&second, &first) };
        let hub = changing.engine.handle();
        hub.groups().add_user("alice", "g", None).await.unwrap();
        assert!(receives(&first, &connection).await, "round {round}");
        assert!(receives(sending, &connection).await, "round {round}");
        hub.groups().remove_user("alice", "g").await.unwrap();
        assert!(!receives(&first, &connection).await, "round {round}");
        assert!(!receives(sending, &connection).await, "round {round}");
    }
}

/// Adds and removes alice on a node, in an order that differs by round, each time with or without waiting.
async fn storm(node: &TestNode, seed: usize) {
    let hub = node.engine.handle();
    for number in 0..8 {
        let (hub, removes) = (&hub, (seed * 7 + number * 5).is_multiple_of(3));
        let change = async move {
            if removes {
                hub.groups().remove_user("alice", "g").await
            } else {
                hub.groups().add_user("alice", "g", None).await
            }
        };
        if (seed + number).is_multiple_of(4) {
            // Dropped when it has hardly begun.
            let _ = tokio::time::timeout(Duration::ZERO, change).await;
        } else {
            change.await.unwrap();
        }
    }
}

/// The connections that the group is delivered to on a node once its changes are done.
async fn in_the_end(node: &TestNode, expected: &[&str]) {
    let come = async {
        while node.delivered_to("g") != expected {
            tokio::task::yield_now().await;
        }
    };
    let delivered = || node.delivered_to("g");
    tokio::time::timeout(Duration::from_secs(10), come)
        .await
        .unwrap_or_else(|_| panic!("{:?} instead of {expected:?}", delivered()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_storm_of_changes_while_the_user_connects_delivery_is_what_is_recorded() {
    for round in 0..ROUNDS {
        let (first, second, _connection) = start().await;
        let connecting = user_handle("c2", "alice");
        let (tasks, first, second) = (first.engine.context.tasks.clone(), Arc::new(first), Arc::new(second));
        let storms = [(first.clone(), round), (second.clone(), round + 1)]
            .map(|(node, seed)| tasks.spawn(async move { storm(&node, seed).await }));
        let opening = tasks.spawn({
            let (second, connecting) = (second.clone(), connecting.clone());
            async move { second.open(&connecting).await }
        });
        opening.await.unwrap();
        for storm in storms {
            storm.await.unwrap();
        }
        // Whatever is still under way ends before this does.
        first.engine.handle().groups().add_user("alice", "other", None).await.unwrap();
        second.engine.handle().groups().add_user("alice", "other", None).await.unwrap();
        let recorded = first.recorded_in("g").await > 0;
        in_the_end(&second, if recorded { &["c1", "c2"] } else { &[] }).await;
        in_the_end(&first, &[]).await;
    }
}

/// A connection of alice joins again and again, while she is banned and unbanned.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_send_after_a_ban_never_arrives_whatever_joins_race_it_and_one_after_a_join_always_does() {
    let (first, second, connection) = start().await;
    let tasks = first.engine.context.tasks.clone();
    for round in 0..ROUNDS {
        let (banning, sending) = if round % 2 == 0 { (&first, &second) } else { (&second, &first) };
        let joins = [&first, &second].map(|node| {
            let hub = node.engine.handle();
            tasks.spawn(async move {
                let joined = hub.groups().add_connection("c1", "g").await;
                let added = hub.groups().add_user("alice", "g", None).await;
                for result in [joined, added] {
                    assert!(matches!(result, Ok(()) | Err(GroupError::Banned { .. })), "{result:?}");
                }
            })
        });
        let hub = banning.engine.handle();
        hub.groups().ban_user("alice", "g").await.unwrap();
        assert!(!receives(sending, &connection).await, "round {round}");
        for join in joins {
            join.await.unwrap();
        }
        assert!(!receives(banning, &connection).await, "round {round}");
        hub.groups().unban_user("alice", "g").await.unwrap();
        assert!(!receives(sending, &connection).await, "round {round}");
        sending.engine.handle().groups().add_connection("c1", "g").await.unwrap();
        assert!(receives(banning, &connection).await, "round {round}");
    }
}
