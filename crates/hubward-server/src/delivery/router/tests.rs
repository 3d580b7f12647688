//! Tests of the router, on two nodes.

use hubward_backplane::Frames;
use hubward_hub::{Hub, SendError};
use hubward_proto::{Protocol, encode};
use hubward_types::Principal;

use super::*;
use crate::testing::calls::{ActingCall, TestCall};
use crate::testing::cluster::TestNode;
use crate::testing::{engine, handle, handle_of, take_frames, user_handle};

/// Two nodes with connections of both protocols.
struct Cluster {
    node: TestNode,
    other: TestNode,
    here: Vec<Arc<ConnectionHandle>>,
    there: Vec<Arc<ConnectionHandle>>,
}

impl Cluster {
    /// Here `a1` and `a2` of alice, `b1` of bob and `c1` of nobody; there `a3` of alice and `b2` of bob. `a2` and `b2`
    /// speak MessagePack. In the ward are `a1`, `b1`, `a3` and `b2`; in the lab `a1`, `a2` and `a3`.
    async fn start() -> Self {
        let (node, other) = TestNode::start_two(|| Hub::new("hub")).await;
        let message_pack =
            |id, user| handle_of(id, Principal::builder().user_id(user).build(), Protocol::MessagePack);
        let here = vec![
            user_handle("a1", "alice"),
            message_pack("a2", "alice"),
            user_handle("b1", "bob"),
            handle("c1"),
        ];
        let there = vec![user_handle("a3", "alice"), message_pack("b2", "bob")];
        for (node, connections) in [(&node, &here), (&other, &there)] {
            for connection in connections {
                node.open(connection).await;
                if ["a1", "b1", "a3", "b2"].contains(&connection.id.as_str()) {
                    node.join(connection, "ward").await;
                }
                if ["a1", "a2", "a3"].contains(&connection.id.as_str()) {
                    node.join(connection, "lab").await;
                }
            }
        }
        node.backplane.take_calls();
        Self { node, other, here, there }
    }

    /// Sends to a target. Checks who gets the message, each as often as named, and what is published.
    async fn check(&self, target: Target, here: &str, published: &str, there: &str) {
        let call = TestCall::default();
        let sending = send(&self.node.engine, &target, &call, None);
        assert_eq!(received(&self.here), here, "{target:?} reaches at once");
        sending.await.unwrap();
        let calls = self.node.backplane.take_calls().join(", ").replace("publish ", "");
        assert_eq!(calls, published, "{target:?} is published on");
        assert_eq!(received(&self.there), there, "{target:?} reaches on the other node");
        assert_eq!(received(&self.here), "", "{target:?} reaches nobody again");
    }
}

/// Who received the call, once for each time, in the order of the ids. Everybody has it in the own protocol.
fn received(connections: &[Arc<ConnectionHandle>]) -> String {
    let mut ids = Vec::new();
    for connection in connections {
        for frame in take_frames(connection) {
            assert_eq!(frame, encode::invocation(connection.protocol, None, "M", &(1,)).unwrap());
            ids.push(connection.id.as_str());
        }
    }
    ids.join(" ")
}

fn ids<T: for<'a> From<&'a str>>(names: &str) -> Vec<T> {
    names.split(' ').map(T::from).collect()
}

#[tokio::test]
async fn a_broadcast_reaches_every_connection_that_is_not_excluded() {
    let cluster = Cluster::start().await;
    cluster.check(Target::All, "a1 a2 b1 c1", "all", "a3 b2").await;
    cluster.check(Target::AllExcept(ids("a1 c1 a3")), "a2 b1", "all", "b2").await;
    cluster.check(Target::AllExcept(Vec::new()), "a1 a2 b1 c1", "all", "a3 b2").await;
}

#[tokio::test]
async fn connections_get_a_message_once_and_only_those_elsewhere_are_published_for() {
    let cluster = Cluster::start().await;
    let twice = Target::Connections(ids("b1 a3 b1 a3 gone"));
    cluster.check(twice, "b1", "node node-2", "a3").await;
    cluster.check(Target::Connections(ids("a1 a2")), "a1 a2", "", "").await;
    cluster.check(Target::Connections(ids("b2")), "", "node node-2", "b2").await;
    cluster.check(Target::Connections(Vec::new()), "", "", "").await;
}

#[tokio::test]
async fn a_connection_that_moves_while_a_message_is_sent_to_it_gets_it_from_one_node() {
    let cluster = Cluster::start().await;
    let index = &cluster.node.engine.index;
    let (a1, a3) = (&cluster.here[0], user_handle("a3", "alice"));
    let (context, hub) = (&cluster.node.engine.context, cluster.node.engine.name());
    let leaves = ActingCall(|| {
        index.remove(a1);
        context.owners.note(hub, &a1.id, "node-2".into());
    });
    send(&cluster.node.engine, &Target::Connections(ids("a1")), &leaves, None).await.unwrap();
    assert_eq!((received(&cluster.here), cluster.node.backplane.take_calls()), ("a1".into(), Vec::new()));
    let comes = ActingCall(|| index.add(&a3));
    send(&cluster.node.engine, &Target::Connections(ids("a3 b1")), &comes, None).await.unwrap();
    assert_eq!(cluster.node.backplane.take_calls(), ["publish node node-2"]);
    assert_eq!((received(&cluster.here), received(&cluster.there)), ("b1".into(), "a3".into()));
}

#[tokio::test]
async fn a_group_reaches_its_members_that_are_not_excluded() {
    let cluster = Cluster::start().await;
    cluster.check(Target::Group("ward".into()), "a1 b1", "group ward", "a3 b2").await;
    cluster.check(Target::GroupExcept("ward".into(), ids("a1 b2")), "b1", "group ward", "a3").await;
    cluster.check(Target::Group("empty".into()), "", "group empty", "").await;
}

#[tokio::test]
async fn groups_reach_a_connection_once_for_each_group_it_is_in() {
    let cluster = Cluster::start().await;
    let both = Target::Groups(ids("ward lab"));
    cluster.check(both, "a1 a1 a2 b1", "group ward, group lab", "a3 a3 b2").await;
    let twice = Target::Groups(ids("lab lab"));
    cluster.check(twice, "a1 a1 a2 a2", "group lab, group lab", "a3 a3").await;
}

#[tokio::test]
async fn users_get_a_message_once_on_all_of_their_connections() {
    let cluster = Cluster::start().await;
    cluster.check(Target::Users(ids("alice")), "a1 a2", "user alice", "a3").await;
    let twice = Target::Users(ids("alice bob alice"));
    cluster.check(twice, "a1 a2 b1", "user alice, user bob", "a3 b2").await;
}

#[tokio::test]
async fn a_broadcast_is_encoded_once_for_each_protocol() {
    let cluster = Cluster::start().await;
    let call = TestCall::default();
    send(&cluster.node.engine, &Target::All, &call, None).await.unwrap();
    let mut encoded = call.encoded();
    encoded.sort_by_key(|protocol| protocol.index());
    assert_eq!(encoded, Protocol::ALL);
}

#[tokio::test]
async fn a_node_that_is_alone_publishes_nothing_and_encodes_only_what_its_clients_speak() {
    let Cluster { node, other, here, .. } = Cluster::start().await;
    other.node.shut_down().await;
    let call = TestCall::default();
    send(&node.engine, &Target::Connections(ids("a1 b1 elsewhere")), &call, None).await.unwrap();
    assert_eq!(received(&here), "a1 b1");
    assert_eq!(call.encoded(), [Protocol::Json]);
    assert!(node.backplane.take_calls().is_empty());
}

#[tokio::test]
async fn a_message_that_cannot_be_encoded_is_an_error_and_reaches_nobody_on_any_node() {
    let cluster = Cluster::start().await;
    let call = TestCall::failing_in(&Protocol::ALL);
    let sent = send(&cluster.node.engine, &Target::All, &call, None).await;
    assert!(matches!(sent, Err(SendError::Encode { method, .. }) if method == "M"));
    assert_eq!((received(&cluster.here), received(&cluster.there)), (String::new(), String::new()));
    assert!(cluster.node.backplane.take_calls().is_empty());
}

#[tokio::test]
async fn a_message_that_one_protocol_cannot_encode_is_not_published_for_the_other() {
    let cluster = Cluster::start().await;
    let call = TestCall::failing_in(&[Protocol::Json]);
    // The recipient here speaks MessagePack; that JSON fails shows only when all is encoded for the other nodes.
    let sent = send(&cluster.node.engine, &Target::Connections(ids("a2 b2")), &call, None).await;
    assert!(matches!(sent, Err(SendError::Encode { .. })));
    assert_eq!(received(&cluster.there), "");
}

#[tokio::test]
async fn a_backplane_that_fails_is_an_error_after_the_recipients_of_this_node_have_the_message() {
    let cluster = Cluster::start().await;
    cluster.node.backplane.publishing.set_failing(true);
    let sent = send(&cluster.node.engine, &Target::All, &TestCall::default(), None).await;
    assert!(matches!(sent, Err(SendError::Backplane { .. })));
    assert_eq!(received(&cluster.here), "a1 a2 b1 c1");
}

/// Delivers what another node published on a topic, and returns who received it.
fn deliver_on(cluster: &Cluster, topic: Topic, except: &str) -> String {
    let json = encode::invocation(Protocol::Json, None, "M", &(1,)).unwrap();
    let message_pack = encode::invocation(Protocol::MessagePack, None, "M", &(1,)).unwrap();
    let frames =
        Frames { json: Some(json.websocket().clone()), messagepack: Some(message_pack.websocket().clone()) };
    deliver_received(
        &cluster.node.engine,
        &topic,
        Source::Unnumbered,
        &ReceivedFrames::new(frames, 0),
        &ids(except),
    );
    received(&cluster.here)
}

#[tokio::test]
async fn what_is_published_on_a_topic_reaches_the_connections_that_it_stands_for() {
    let cluster = Cluster::start().await;
    let hub = cluster.node.engine.name();
    let check = |topic, except, expected| assert_eq!(deliver_on(&cluster, topic, except), expected);
    check(Topic::All(hub.clone()), "b1 a3", "a1 a2 c1");
    check(Topic::Group(hub.clone(), "lab".into()), "", "a1 a2");
    check(Topic::Group(hub.clone(), "lab".into()), "a2", "a1");
    check(Topic::User(hub.clone(), "alice".into()), "a1", "a2");
    check(Topic::Node("node-1".into()), "", "");
}

#[tokio::test]
async fn an_envelope_without_a_protocol_reaches_only_clients_of_the_other() {
    let cluster = Cluster::start().await;
    let json = encode::invocation(Protocol::Json, None, "M", &(1,)).unwrap();
    let frames = Frames { json: Some(json.websocket().clone()), messagepack: None };
    let topic = Topic::All(cluster.node.engine.name().clone());
    deliver_received(&cluster.node.engine, &topic, Source::Unnumbered, &ReceivedFrames::new(frames, 0), &[]);
    assert_eq!(received(&cluster.here), "a1 b1 c1");
}

#[tokio::test]
async fn what_comes_for_connections_reaches_those_that_this_node_has() {
    let cluster = Cluster::start().await;
    let json = encode::invocation(Protocol::Json, None, "M", &(1,)).unwrap();
    let frames = Frames { json: Some(json.websocket().clone()), messagepack: None };
    let absent = deliver_to(&cluster.node.engine, ids("c1 gone a1"), &ReceivedFrames::new(frames, 0));
    assert_eq!(absent, ids("gone"));
    assert_eq!(received(&cluster.here), "a1 c1");
}

/// Sends to a group, of a hub on a node that is alone, with a member of the user alice in it and in `others`. While the
/// message is being encoded, does `meanwhile` in another thread. Checks that it returns, and the group's member received
/// what `meanwhile` and the send have sent it.
fn check_while_encoding(meanwhile: impl Fn(&Arc<Engine>) + Sync, expected: usize) {
    let engine = engine(Hub::new("hub"));
    let member = user_handle("member", "alice");
    engine.index.add(&member);
    engine.index.join(&"ward".into(), &member);
    for target in [Target::All, Target::Group("ward".into()), Target::Users(ids("alice"))] {
        let (encoding, begun) = std::sync::mpsc::channel();
        let held = parking_lot::Mutex::new(());
        let hold = held.lock();
        let returned = std::thread::scope(|threads| {
            let (engine, held) = (&engine, &held);
            let call = ActingCall(move || {
                encoding.send(()).unwrap();
                drop(held.lock());
            });
            threads.spawn(move || drop(send(engine, &target, &call, None)));
            begun.recv_timeout(BOUND).unwrap();
            let (returned, has_returned) = std::sync::mpsc::channel();
            let meanwhile = &meanwhile;
            threads.spawn(move || {
                meanwhile(engine);
                returned.send(()).unwrap();
            });
            let returned = has_returned.recv_timeout(BOUND);
            drop(hold);
            returned
        });
        returned.expect("it waits for the message to be encoded");
        assert_eq!(take_frames(&member).len(), expected);
    }
}

/// Within which everything returns that waits for nothing.
const BOUND: std::time::Duration = std::time::Duration::from_secs(10);

#[test]
fn whoever_joins_or_leaves_does_not_wait_for_a_message_that_is_being_encoded() {
    check_while_encoding(
        |engine| {
            let (new, bob) = (user_handle("new", "alice"), user_handle("bob", "bob"));
            for connection in [&new, &bob] {
                engine.index.add(connection);
                // So many groups that each shard has some.
                for group in ids("ward").into_iter().chain((0..1000).map(|n| format!("g{n}").as_str().into()))
                {
                    assert!(engine.index.join(&group, connection));
                    assert!(engine.index.leave(&group, connection));
                }
                engine.index.remove(connection);
            }
        },
        1,
    );
}

#[test]
fn others_send_to_a_group_while_a_message_to_it_is_being_encoded() {
    let target = || Target::Group("ward".into());
    check_while_encoding(|engine| drop(send(engine, &target(), &TestCall::default(), None)), 2);
}

#[test]
fn what_is_encoded_may_send_join_and_leave_itself() {
    let engine = engine(Hub::new("hub"));
    let (member, joins) = (user_handle("member", "alice"), user_handle("joins", "alice"));
    engine.index.add(&member);
    engine.index.join(&"ward".into(), &member);
    for target in [Target::All, Target::Group("ward".into()), Target::Users(ids("alice"))] {
        let call = ActingCall(|| {
            engine.index.add(&joins);
            engine.index.join(&"ward".into(), &joins);
            drop(send(&engine, &target, &TestCall::default(), None));
            engine.index.leave(&"ward".into(), &joins);
            engine.index.remove(&joins);
        });
        drop(send(&engine, &target, &call, None));
        // It was no member when the message was sent, and is none any more.
        assert_eq!((take_frames(&member).len(), take_frames(&joins).len()), (2, 1), "{target:?}");
    }
}

#[test]
fn a_panic_of_what_is_encoded_leaves_nothing_locked() {
    let engine = engine(Hub::new("hub"));
    let member = handle("member");
    engine.index.add(&member);
    engine.index.join(&"ward".into(), &member);
    let call = ActingCall(|| panic!("Serialize"));
    let target = Target::Group("ward".into());
    let sent =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(send(&engine, &target, &call, None))));
    assert!(sent.is_err());
    assert!(engine.index.leave(&"ward".into(), &member));
    assert!(engine.index.join(&"ward".into(), &member));
    drop(send(&engine, &target, &TestCall::default(), None));
    assert_eq!(take_frames(&member).len(), 1);
}
