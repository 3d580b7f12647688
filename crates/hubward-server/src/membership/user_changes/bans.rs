//! Tests of bans on two nodes: whoever is banned is out on every node when the ban returns, whatever races it.

use std::time::Duration;

use futures_util::FutureExt;
use hubward_backplane::NodeRegistry;
use hubward_hub::Hub;
use serde_json::json;

use super::*;
use crate::bounded::CALL_TIMEOUT;
use crate::connection::handle::ConnectionHandle;
use crate::membership::connection::{Change, change};
use crate::testing::client::TestClient;
use crate::testing::cluster::{TestNode, settle};
use crate::testing::{engine, handle, pass, user_handle};

/// Two nodes, with a connection of alice to each, `c1` and `c2`, both in the group `g`, as is alice herself.
async fn start() -> [(TestNode, Arc<ConnectionHandle>); 2] {
    let (first, second) = TestNode::start_two(|| Hub::new("hub")).await;
    let (of_first, of_second) = (user_handle("c1", "alice"), user_handle("c2", "alice"));
    first.join(&of_first, "g").await;
    second.join(&of_second, "g").await;
    first.engine.handle().groups().add_user("alice", "g", None).await.unwrap();
    [(first, of_first), (second, of_second)]
}

fn banning(node: &TestNode) -> impl Future<Output = Result<(), GroupError>> + Send + Unpin + use<> {
    Box::pin(ban(node.engine.clone(), "alice".into(), "g".into(), None))
}

fn unbanning(node: &TestNode) -> impl Future<Output = Result<(), GroupError>> + Send + Unpin + use<> {
    Box::pin(unban(node.engine.clone(), "alice".into(), "g".into()))
}

fn joining(
    (node, connection): &(TestNode, Arc<ConnectionHandle>),
) -> impl Future<Output = Result<(), GroupError>> + Send + Unpin + use<> {
    Box::pin(change(node.engine.clone(), connection.id.clone(), "g".into(), Change::Join, None))
}

/// Neither node delivers the group to alice, and she is no member.
async fn check_out(nodes: &[(TestNode, Arc<ConnectionHandle>); 2]) {
    for (node, connection) in nodes {
        assert_eq!(node.delivered_to("g"), [""; 0]);
        assert!(connection.groups.reasons(&"g".into()).is_none());
    }
    assert_eq!(nodes[0].0.recorded_in("g").await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_ban_ends_every_membership_on_every_node_and_no_others() {
    let nodes = start().await;
    for (node, connection) in &nodes {
        node.join(connection, "h").await;
        node.join(&handle(&format!("of-{}", node.node.id())), "g").await;
    }
    banning(&nodes[1].0).await.unwrap();
    for (node, connection) in &nodes {
        assert_eq!(node.delivered_to("g"), [format!("of-{}", node.node.id())]);
        assert_eq!(node.delivered_to("h"), [connection.id.to_string()]);
    }
    assert_eq!(nodes[0].0.recorded_in("g").await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_banned_user_is_refused_alike_on_every_node_until_it_is_unbanned() {
    let nodes = start().await;
    banning(&nodes[0].0).await.unwrap();
    let later = user_handle("c3", "alice");
    nodes[1].0.open(&later).await;
    for (node, _) in &nodes {
        let groups = node.engine.handle().groups().clone();
        for id in ["c1", "c2", "c3"] {
            let refused = groups.add_connection(id, "g").await.unwrap_err();
            assert_eq!(refused.to_string(), "The user is banned from the group 'g'.", "{id}");
        }
        let refused = groups.add_user("alice", "g", None).await;
        assert!(matches!(&refused, Err(GroupError::Banned { group }) if group == "g"), "{refused:?}");
    }
    check_out(&nodes).await;
    unbanning(&nodes[1].0).await.unwrap();
    check_out(&nodes).await;
    adding_both(&nodes).await;
}

/// Alice and her connections join again.
async fn adding_both(nodes: &[(TestNode, Arc<ConnectionHandle>); 2]) {
    for node in nodes {
        joining(node).await.unwrap();
        assert_eq!(node.0.delivered_to("g"), [node.1.id.to_string()]);
    }
    add(nodes[0].0.engine.clone(), "alice".into(), "g".into(), None, None).await.unwrap();
    assert_eq!(nodes[0].0.recorded_in("g").await, 3);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_too_long_is_not_banned_from() {
    let nodes = start().await;
    let refused = ban(nodes[0].0.engine.clone(), "alice".into(), "g".repeat(1000).into(), None).await;
    assert!(matches!(refused, Err(GroupError::NameTooLong { .. })), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_join_that_was_recorded_before_a_ban_and_is_replied_to_after_it_is_undone() {
    for banning_node in [0, 1] {
        let nodes = start().await;
        for (node, _) in &nodes {
            node.engine.handle().groups().remove_connection("c1", "g").await.unwrap();
            node.engine.handle().groups().remove_connection("c2", "g").await.unwrap();
        }
        nodes[0].0.store.replying.hold();
        let (mut joins, mut ban) =
            ([joining(&nodes[0]), joining(&nodes[1])], banning(&nodes[banning_node].0));
        assert!(joins.iter_mut().all(|join| join.now_or_never().is_none()));
        settle().await;
        assert!((&mut ban).now_or_never().is_none());
        settle().await;
        nodes[0].0.store.replying.release();
        ban.await.unwrap();
        check_out(&nodes).await;
        for join in joins {
            let joined = join.await;
            assert!(matches!(joined, Ok(()) | Err(GroupError::Banned { .. })), "{joined:?}");
        }
        settle().await;
        check_out(&nodes).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_opens_and_joins_while_its_user_is_banned_is_out_in_the_end() {
    for yields in 0..40 {
        let nodes = start().await;
        let node = &nodes[1].0;
        node.store.changing.set_yields(yields % 5);
        node.store.querying.set_yields(yields % 7);
        let connection = user_handle("c3", "alice");
        let opening = async {
            for _ in 0..yields {
                tokio::task::yield_now().await;
            }
            node.enter(&connection);
            let joining = node.change(&connection, "g", Change::Join);
            tokio::join!(node.entered(&connection), joining).1
        };
        let (banned, joined) = tokio::join!(banning(&nodes[yields % 2].0), opening);
        banned.unwrap();
        assert!(matches!(joined, Ok(()) | Err(GroupError::Banned { .. })), "{joined:?}");
        assert!(connection.groups.reasons(&"g".into()).is_none(), "{yields} yields");
        check_out(&nodes).await;
    }
}

#[tokio::test(start_paused = true)]
async fn bans_and_unbans_dropped_at_any_await_leave_what_the_last_of_them_asks_for() {
    for polls in 1..16 {
        let nodes = start().await;
        nodes[0].0.store.changing.set_yields(2);
        nodes[0].0.store.querying.set_yields(3);
        for bans in [true, false, true, false, false, true] {
            let mut changing: std::pin::Pin<Box<dyn Future<Output = _>>> =
                if bans { Box::pin(banning(&nodes[0].0)) } else { Box::pin(unbanning(&nodes[0].0)) };
            for _ in 0..polls {
                if changing.as_mut().now_or_never().is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        settle().await;
        check_out(&nodes).await;
        let refused = joining(&nodes[1]).await;
        assert!(matches!(refused, Err(GroupError::Banned { .. })), "dropped after {polls}: {refused:?}");
        unbanning(&nodes[1].0).await.unwrap();
        adding_both(&nodes).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_ban_that_arrives_after_the_user_was_unbanned_and_has_joined_again_ends_nothing() {
    let nodes = start().await;
    let other = &nodes[1].0;
    other.network.hold(other.node.id());
    let mut ban = banning(&nodes[0].0);
    assert!((&mut ban).now_or_never().is_none());
    settle().await;
    unbanning(other).await.unwrap();
    other.change(&nodes[1].1, "g", Change::Leave).await.unwrap();
    joining(&nodes[1]).await.unwrap();
    other.network.release(other.node.id());
    ban.await.unwrap();
    assert_eq!((other.delivered_to("g"), other.recorded_in("g").await), (vec!["c2".to_owned()], 1));
}

#[tokio::test(start_paused = true)]
async fn a_ban_that_the_store_does_not_record_takes_effect_here_and_is_an_error() {
    for hangs in [false, true] {
        let nodes = start().await;
        let fault = &nodes[0].0.store.changing;
        if hangs {
            fault.hold()
        } else {
            fault.set_failing(true)
        };
        let begun = tokio::time::Instant::now();
        let banned = banning(&nodes[0].0).await;
        assert!(matches!(banned, Err(GroupError::Store { .. })), "{banned:?}");
        assert!(begun.elapsed() <= CALL_TIMEOUT, "{:?}", begun.elapsed());
        assert_eq!(nodes[0].0.delivered_to("g"), [""; 0]);
        if hangs {
            fault.release()
        } else {
            fault.set_failing(false)
        };
        pass(CALL_TIMEOUT * 12).await;
        // Alice is a member again, since nothing else was recorded; what had joined here has left.
        assert_eq!(nodes[0].0.delivered_to("g"), ["c1"]);
        if !hangs {
            assert_eq!(nodes[1].0.recorded_in("g").await, 2);
            banning(&nodes[0].0).await.unwrap();
            check_out(&nodes).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_ban_whose_reply_was_lost_is_obeyed_by_every_node() {
    let nodes = start().await;
    nodes[0].0.store.changing.set_losing_replies(true);
    assert!(matches!(banning(&nodes[0].0).await, Err(GroupError::Store { .. })));
    settle().await;
    nodes[0].0.store.changing.set_losing_replies(false);
    check_out(&nodes).await;
}

#[tokio::test(start_paused = true)]
async fn a_ban_that_cannot_be_read_is_obeyed_all_the_same() {
    let nodes = start().await;
    nodes[0].0.store.querying.set_failing(true);
    let banned = banning(&nodes[0].0).await;
    assert!(matches!(banned, Err(GroupError::Store { .. } | GroupError::Owner { .. })), "{banned:?}");
    for (node, _) in &nodes {
        assert_eq!(node.delivered_to("g"), [""; 0]);
    }
    nodes[0].0.store.querying.set_failing(false);
    pass(CALL_TIMEOUT * 12).await;
    check_out(&nodes).await;
}

#[tokio::test(start_paused = true)]
async fn a_ban_that_a_node_missed_in_a_gap_of_its_link_holds_when_the_link_is_whole() {
    let nodes = start().await;
    let other = &nodes[1].0;
    other.network.interrupt(other.node.id());
    let banned = banning(&nodes[0].0).await;
    assert!(matches!(banned, Err(GroupError::NoConfirmation)), "{banned:?}");
    assert_eq!(other.delivered_to("g"), ["c2"], "it does not know yet");
    other.network.resume(other.node.id());
    pass(CALL_TIMEOUT).await;
    check_out(&nodes).await;
}

#[tokio::test(start_paused = true)]
async fn a_ban_waits_for_no_dead_node_which_obeys_it_when_it_is_back() {
    let nodes = start().await;
    let (node, fenced) = (&nodes[0].0, &nodes[1].0);
    fenced.join(&nodes[1].1, "h").await;
    fenced.registry.heartbeats.set_failing(true);
    pass(fenced.registry.lease() * 2).await;
    let begun = tokio::time::Instant::now();
    banning(node).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    // A join that waits for the node's next life is refused in it.
    node.engine.handle().groups().ban_user("alice", "i").await.unwrap();
    let mut joining = Box::pin(fenced.change(&nodes[1].1, "i", Change::Join));
    assert!(joining.as_mut().now_or_never().is_none());
    fenced.registry.heartbeats.set_failing(false);
    let refused = joining.await;
    assert!(matches!(refused, Err(GroupError::Banned { .. })), "{refused:?}");
    pass(fenced.registry.lease()).await;
    check_out(&nodes).await;
    assert_eq!((fenced.delivered_to("h"), fenced.delivered_to("i")), (vec!["c2".to_owned()], vec![]));
    assert_eq!((node.recorded_in("h").await, node.recorded_in("i").await), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_node_alone_bans_and_unbans() {
    let join = async |cx: hubward_hub::HubContext, group: String| cx.groups().add(group).await;
    let engine = engine(Hub::new("hub").method("Join", join));
    let hub = engine.handle();
    let mut alice = TestClient::connect_user(&engine, "c1", "alice").await;
    let mut bob = TestClient::connect_user(&engine, "c2", "bob").await;
    for client in [&mut alice, &mut bob] {
        assert!(client.call("Join", json!(["g"])).await.get("error").is_none());
    }
    hub.groups().ban_user("alice", "g").await.unwrap();
    hub.clients().group("g").send("Late", ()).await.unwrap();
    assert_eq!(bob.message().await["target"], "Late");
    let refused = alice.call("Join", json!(["g"])).await;
    let text = "An unexpected error occurred invoking 'Join' on the server. \
                HubException: The user is banned from the group 'g'.";
    assert_eq!(refused["error"], text);
    hub.groups().unban_user("alice", "g").await.unwrap();
    assert!(alice.call("Join", json!(["g"])).await.get("error").is_none());
    hub.clients().group("g").send("Again", ()).await.unwrap();
    assert_eq!(alice.message().await["target"], "Again");
}
