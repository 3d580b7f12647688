//! Tests of what one node does for another.

use std::time::Duration;

use hubward_backplane::Frames;
use hubward_hub::{GroupError, Hub};
use hubward_types::ConnectionId;
use tracing::Level;

use super::*;
use crate::cluster::asked_changes::MOST_CHANGES;
use crate::connection::handle::ConnectionHandle;
use crate::connection::mailbox::ControlMessage;
use crate::testing::cluster::{TestNode, settle};
use crate::testing::log::CapturedLog;
use crate::testing::{handle, take_mail, user_handle};

/// Two nodes; the second one has the open connection `c1` of alice.
async fn start(hub: impl Fn() -> Hub) -> (TestNode, TestNode, Arc<ConnectionHandle>) {
    let (node, owner) = TestNode::start_two(hub).await;
    let connection = user_handle("c1", "alice");
    owner.open(&connection).await;
    (node, owner, connection)
}

fn was_aborted(connection: &ConnectionHandle) -> bool {
    match &take_mail(connection).1[..] {
        [] => false,
        [ControlMessage::Close(CloseReason::Aborted)] => true,
        other => panic!("an abort was expected, not {other:?}"),
    }
}

/// Hands the node an envelope of another one.
fn receive_on(node: &TestNode, body: Body) {
    let sender = "elsewhere".into();
    receive(&node.engine, ReceivedRequest { sender, trace: None, body, envelope_bytes: 0 });
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_another_node_joins_and_leaves_a_group() {
    let (node, owner, connection) = start(|| Hub::new("hub")).await;
    let hub = node.engine.handle();
    hub.groups().add_connection("c1", "g").await.unwrap();
    assert_eq!(owner.delivered_to("g"), ["c1"]);
    assert_eq!(node.recorded_in("g").await, 1);
    hub.clients().group("g").send("M", (1,)).await.unwrap();
    assert_eq!(take_mail(&connection).0, [r#"{"type":1,"target":"M","arguments":[1]}"#]);

    hub.groups().remove_connection("c1", "g").await.unwrap();
    assert!(owner.delivered_to("g").is_empty());
    assert_eq!(node.recorded_in("g").await, 0);
    assert_eq!(node.network.subscribers(&node.group_topic("g")), 0);
}

#[tokio::test(start_paused = true)]
async fn a_join_that_the_owner_refuses_or_cannot_record_is_an_error_with_its_reason() {
    let (node, owner, _connection) =
        start(|| Hub::new("hub").may_join(|_, group| group.as_str() != "no")).await;
    let hub = node.engine.handle();
    let reason = async |group: &str| match hub.groups().add_connection("c1", group).await {
        Err(GroupError::Owner { reason }) => reason,
        other => panic!("the owner's error was expected, not {other:?}"),
    };
    // What a client sees does not depend on the node that it is connected to.
    let refused = hub.groups().add_connection("c1", "no").await;
    assert!(matches!(&refused, Err(GroupError::NotAllowed { group }) if group == "no"), "{refused:?}");
    owner.store.changing.set_failing(true);
    assert!(reason("g").await.contains("cannot be reached"));
    assert!(owner.delivered_to("no").is_empty() && owner.delivered_to("g").is_empty());
}

#[tokio::test(start_paused = true)]
async fn changes_take_their_turns_in_the_order_in_which_they_were_received() {
    let (_node, owner, connection) = start(|| Hub::new("hub")).await;
    let (hub, id) = (owner.engine.name().clone(), connection.id.clone());
    // Its caller may wait for it no more; what comes behind it is about the same group.
    receive_on(&owner, Body::JoinGroup { id: 1, hub, connection: id, group: "g".into() });
    owner.change(&connection, "g", Change::Leave).await.unwrap();
    settle().await;
    assert!(owner.delivered_to("g").is_empty());
    assert_eq!(owner.recorded_in("g").await, 0);
}

#[tokio::test(start_paused = true)]
async fn an_invocation_is_not_overtaken_by_what_was_sent_behind_it_and_is_cancelled_before_it_is_awaited() {
    let (_node, owner, connection) = start(|| Hub::new("hub")).await;
    let hub = owner.engine.name().clone();
    let frames = |text: &'static [u8]| Frames { json: Some(text.into()), messagepack: None };
    receive_on(
        &owner,
        Body::InvokeClient {
            id: 1,
            hub: hub.clone(),
            connection: connection.id.clone(),
            frames: frames(b"\x81\x01a"),
            invocation_id: "i1".into(),
        },
    );
    let connections = vec![connection.id.clone()];
    receive_on(&owner, Body::DeliverTo { hub, connections, frames: frames(b"\x81\x01b") });
    assert_eq!(connection.pending_results(), 1);
    owner.engine.forwarded.cancel(&("elsewhere".into(), 1));
    assert_eq!(connection.pending_results(), 0);
    assert_eq!(take_mail(&connection).0, ["a", "b"]);
    settle().await;
    assert_eq!((connection.pending_results(), owner.engine.forwarded.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_change_for_a_connection_that_its_node_has_lost_is_confirmed_and_changes_nothing() {
    let (node, owner, connection) = start(|| Hub::new("hub")).await;
    // Gone, and its record not yet removed.
    owner.engine.index.remove(&connection);
    node.engine.handle().groups().add_connection("c1", "g").await.unwrap();
    assert_eq!(node.recorded_in("g").await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_aborted_on_whichever_node_it_is() {
    let (node, owner, there) = start(|| Hub::new("hub")).await;
    let (here, bystander) = (handle("c2"), handle("c3"));
    node.open(&here).await;
    owner.open(&bystander).await;
    let abort =
        async |id: &str| node.engine.handle().clients().connection(ConnectionId::from(id)).abort().await;
    abort("c1").await.unwrap();
    assert!(was_aborted(&there) && !was_aborted(&here));
    abort("c2").await.unwrap();
    assert!(was_aborted(&here) && !was_aborted(&there));
    abort("gone").await.unwrap();
    assert!(!was_aborted(&bystander));
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_after_an_abort_does_not_reach_the_client() {
    let (node, _owner, connection) = start(|| Hub::new("hub")).await;
    let client = node.engine.handle().clients().connection("c1");
    client.send("Before", ()).await.unwrap();
    client.abort().await.unwrap();
    client.send("After", ()).await.unwrap();
    assert_eq!(take_mail(&connection).0, [r#"{"type":1,"target":"Before","arguments":[]}"#]);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_a_user_takes_effect_where_the_store_confirms_it() {
    let (node, owner, _connection) = start(|| Hub::new("hub")).await;
    let changed = |id| Body::UserChanged { id, hub: "hub".into(), user: "alice".into(), group: "g".into() };
    let groups = node.engine.handle();
    receive_on(&owner, changed(1));
    settle().await;
    assert!(owner.delivered_to("g").is_empty(), "the store says that she is no member");
    groups.groups().add_user("alice", "g", None).await.unwrap();
    assert_eq!(owner.delivered_to("g"), ["c1"]);
    receive_on(&owner, changed(2));
    settle().await;
    assert_eq!(owner.delivered_to("g"), ["c1"], "the store says that she is a member");
    groups.groups().remove_user("alice", "g").await.unwrap();
    assert!(owner.delivered_to("g").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_request_is_confirmed_to_the_node_that_sent_it_also_where_nothing_is_to_be_done() {
    let (_node, owner, _connection) = start(|| Hub::new("hub")).await;
    owner.backplane.take_calls();
    receive_on(&owner, Body::Abort { id: 7, hub: "hub".into(), connection: "gone".into() });
    let (hub, connection, group) = ("hub".into(), "gone".into(), "g".into());
    receive_on(&owner, Body::JoinGroup { id: 8, hub, connection, group });
    settle().await;
    assert_eq!(owner.backplane.take_calls(), ["publish node elsewhere", "publish node elsewhere"]);
    assert_eq!(owner.recorded_in("g").await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_request_changes_nothing() {
    let (_node, owner, connection) = start(|| Hub::new("hub")).await;
    owner.backplane.take_calls();
    receive_on(&owner, Body::Confirmed { id: 0, failure: None });
    receive_on(&owner, Body::CancelInvokeClient { id: 7 });
    settle().await;
    assert!(take_mail(&connection).0.is_empty());
    assert!(owner.backplane.take_calls().iter().all(|call| !call.starts_with("publish")));
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_a_trace_is_logged_with_it_where_it_arrives() {
    let (node, owner, _connection) = start(|| Hub::new("hub")).await;
    owner.join(&user_handle("c2", "alice"), "g").await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let hub = node.engine.handle();
    let traced = hub.with_trace_context(TraceContext::parse(trace).unwrap());
    for (hub, lines) in [(&hub, 0), (&traced, 1)] {
        let log = CapturedLog::start();
        let logged = |message: &str, what: &str| {
            let fields = "trace_id=0af7651916cd43dd8448eb211c80319c parent_id=b7ad6b7169203331";
            let found = log.lines(Level::TRACE);
            let found: Vec<_> = found.iter().filter(|line| line.contains("trace_id")).collect();
            assert_eq!(found.len(), lines, "{what}: {found:?}");
            assert!(
                found.iter().all(|line| line.starts_with(message) && line.ends_with(fields)),
                "{found:?}"
            );
            CapturedLog::start();
        };
        const DELIVERED: &str = "A message of another node is delivered.";
        for (what, recipients) in [
            ("all", hub.all()),
            ("a group", hub.group("g")),
            ("a user", hub.user("alice")),
            ("a connection", hub.connections(["c1"])),
        ] {
            recipients.send("M", ()).await.unwrap();
            settle().await;
            logged(DELIVERED, what);
        }
        const CARRIED_OUT: &str = "A request of another node is carried out.";
        let groups = hub.groups();
        let invocation = hub.connection("c1").invoke::<()>("M", ());
        assert!(tokio::time::timeout(Duration::from_secs(1), invocation).await.is_err());
        logged(CARRIED_OUT, "a client result");
        groups.add_connection("c1", "h").await.unwrap();
        logged(CARRIED_OUT, "a join");
        groups.remove_connection("c1", "h").await.unwrap();
        logged(CARRIED_OUT, "a leave");
        groups.add_user("alice", "h", None).await.unwrap();
        logged(CARRIED_OUT, "a user's join");
        groups.remove_user("alice", "h").await.unwrap();
        logged(CARRIED_OUT, "a user's leave");
        groups.ban_user("alice", "i").await.unwrap();
        logged(CARRIED_OUT, "a ban");
        if lines > 0 {
            hub.connection("c1").abort().await.unwrap();
            logged(CARRIED_OUT, "an abort");
            let _ = hub.users().disconnect("alice").await;
            logged(CARRIED_OUT, "a disconnect");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_says_again_and_again_that_it_was_interrupted_is_not_asked_as_often() {
    let (node, owner, _connection) = start(|| Hub::new("hub")).await;
    owner.store.changing.hold();
    let hub = node.engine.handle();
    let mut joining = Box::pin(hub.groups().add_connection("c1", "g"));
    for _ in 0..1_000 {
        tokio::select! {
            joined = &mut joining => panic!("{joined:?}"),
            () = settle() => node.engine.context.pending.node_interrupted(&owner.engine.context.id),
        }
    }
    let asked = node.backplane.take_calls().len();
    assert!((2..=12).contains(&asked), "it was asked {asked} times in a second");
    owner.store.changing.release();
    joining.await.unwrap();
    assert_eq!(owner.delivered_to("g"), ["c1"]);
}

#[tokio::test(start_paused = true)]
async fn changes_beyond_a_bound_are_refused_and_made_up_for() {
    let (node, owner, _connection) = start(|| Hub::new("hub")).await;
    let hub = node.engine.handle();
    hub.groups().add_user("alice", "left", None).await.unwrap();
    owner.store.querying.hold();
    let changed = |id, group: String| {
        let (hub, user) = (owner.engine.name().clone(), "alice".into());
        receive_on(&owner, Body::UserChanged { id, hub, user, group: group.into() });
    };
    for number in 0..MOST_CHANGES {
        changed(number as u64, format!("g{number}"));
    }
    owner.backplane.take_calls();
    changed(1, "one more".into());
    assert_eq!(owner.backplane.take_calls(), ["publish node elsewhere"]);
    // What is recorded and refused.
    let (joined, left) = tokio::join!(
        hub.groups().add_user("alice", "joined", None),
        hub.groups().remove_user("alice", "left"),
    );
    for refused in [joined, left] {
        assert!(
            matches!(&refused, Err(GroupError::Owner { reason }) if reason.contains("too many")),
            "{refused:?}"
        );
    }
    assert_eq!(owner.delivered_to("left"), ["c1"]);
    owner.store.querying.release();
    settle().await;
    assert_eq!(owner.delivered_to("joined"), ["c1"]);
    assert!(owner.delivered_to("left").is_empty());
    hub.groups().add_user("alice", "later", None).await.unwrap();
}
