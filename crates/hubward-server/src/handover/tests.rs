//! Sessions that move between nodes: nothing is lost, nothing comes twice, and no two nodes have one, whatever fails meanwhile.

mod load;
mod nodes;
mod parked;

use std::sync::Arc;
use std::time::Duration;

use hubward_types::Target;

use self::nodes::{Nodes, ReturningClient, WireFault};
use super::HandedOver;
use super::calls::HandoverCall;

fn group(name: &str) -> Target {
    Target::Group(name.into())
}

#[tokio::test(start_paused = true)]
async fn a_session_moves_with_its_groups_and_what_it_has_not_received() {
    let nodes = Nodes::start(2).await;
    let mut client = ReturningClient::connect(&nodes, 0, "c1", "alice").await;
    client.call(&nodes, "Join", "ward").await;
    nodes.send(0, &group("ward"), "before");
    assert_eq!(nodes.drain(0).await, HandedOver { moved: 1, ..HandedOver::default() });
    assert_eq!(nodes.recorded("c1").await.as_deref(), Some("n2"));
    for (text, target) in [
        ("group", group("ward")),
        ("all", Target::All),
        ("user", Target::Users(vec!["alice".into()])),
        ("direct", Target::Connections(vec!["c1".into()])),
    ] {
        nodes.send(0, &target, text);
        nodes.send(1, &target, text);
    }
    let mut texts = Vec::new();
    for _ in 0..9 {
        texts.push(client.text(&nodes).await.unwrap());
    }
    assert_eq!((texts[0].as_str(), client.returns), ("before", 1));
    texts.sort();
    assert_eq!(texts, ["all", "all", "before", "direct", "direct", "group", "group", "user", "user"]);
    assert_eq!(nodes.nodes[1].taking.sessions(), 0, "its client has come");
}

/// One session on the first of two nodes, in a group, with a message that it has not received.
async fn one_session(nodes: usize) -> (Nodes, ReturningClient) {
    let nodes = Nodes::start(nodes).await;
    let mut client = ReturningClient::connect(&nodes, 0, "c1", "alice").await;
    client.call(&nodes, "Join", "ward").await;
    (nodes, client)
}

/// Sends a message to the group from each node, and checks that the client gets each once.
async fn check_reached(nodes: &Nodes, client: &mut ReturningClient) {
    for node in 0..nodes.nodes.len() {
        nodes.send(node, &group("ward"), &format!("from {node}"));
        nodes.send(node, &Target::Connections(vec!["c1".into()]), &format!("to it from {node}"));
    }
    let mut texts = Vec::new();
    for _ in 0..2 * nodes.nodes.len() {
        texts.push(client.text(nodes).await.unwrap_or_else(|| panic!("lost: {}", client.end)));
    }
    texts.sort();
    let mut expected: Vec<_> = (0..nodes.nodes.len())
        .flat_map(|node| [format!("from {node}"), format!("to it from {node}")])
        .collect();
    expected.sort();
    assert_eq!(texts, expected);
}

const MOVED: HandedOver = HandedOver { moved: 1, parked: 0, stayed: 0, unclear: 0 };
const STAYED: HandedOver = HandedOver { moved: 0, parked: 0, stayed: 1, unclear: 0 };
const UNCLEAR: HandedOver = HandedOver { moved: 0, parked: 0, stayed: 0, unclear: 1 };

#[tokio::test(start_paused = true)]
async fn where_the_last_answer_was_lost_the_store_says_who_has_the_session() {
    let (nodes, mut client) = one_session(2).await;
    nodes.wire.fail(HandoverCall::Adopt, WireFault::AnswerLost);
    assert_eq!(nodes.drain(0).await, MOVED);
    check_reached(&nodes, &mut client).await;
    assert_eq!(client.returns, 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_of_which_nobody_knows_who_has_it_starts_anew_and_is_on_one_node_at_most() {
    let (nodes, mut client) = one_session(2).await;
    nodes.wire.fail(HandoverCall::Adopt, WireFault::Lost);
    assert_eq!(nodes.drain(0).await, UNCLEAR);
    assert_eq!(client.text(&nodes).await, None);
    assert!(client.end.contains("allowReconnect"), "{}", client.end);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(nodes.recorded("c1").await, None);
    check_nothing_is_left(&nodes);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_no_node_takes_goes_on_where_it_is() {
    for (method, fault) in [
        (HandoverCall::Prepare, WireFault::NotSent),
        (HandoverCall::Prepare, WireFault::Lost),
        (HandoverCall::Prepare, WireFault::AnswerLost),
        (HandoverCall::Adopt, WireFault::NotSent),
    ] {
        let (nodes, mut client) = one_session(2).await;
        nodes.wire.fail(method, fault);
        assert_eq!(nodes.drain(0).await, STAYED, "{method:?} {fault:?}");
        nodes.wire.heal();
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(nodes.recorded("c1").await.as_deref(), Some("n1"), "{method:?} {fault:?}");
        check_reached(&nodes, &mut client).await;
        assert_eq!(client.returns, 0);
        assert_eq!(nodes.nodes[1].taking.sessions(), 0, "{method:?} {fault:?}");
    }
}

/// No node has a place or an interest for a session.
fn check_nothing_is_left(nodes: &Nodes) {
    for node in &nodes.nodes {
        assert_eq!(node.node.engine.connection_count(), 0);
        assert_eq!(node.taking.sessions(), 0);
        assert_eq!(node.node.delivered_to("ward"), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_the_first_node_does_not_take_moves_to_another() {
    let (nodes, mut client) = one_session(3).await;
    // Both others drain, but nobody has heard it of the second.
    nodes.nodes[1].node.engine.context.refusing.cancel();
    assert_eq!(nodes.drain(0).await, MOVED);
    assert_eq!(nodes.recorded("c1").await.as_deref(), Some("n3"));
    check_reached(&nodes, &mut client).await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_come_twice_do_nothing_twice() {
    let (nodes, mut client) = one_session(2).await;
    for method in HandoverCall::ALL {
        nodes.wire.fail(method, WireFault::Twice);
    }
    assert_eq!(nodes.drain(0).await, MOVED);
    check_reached(&nodes, &mut client).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_store_nobody_takes_a_session() {
    let (nodes, mut client) = one_session(2).await;
    nodes.store.changing.set_failing(true);
    let drained = nodes.drain(0).await;
    assert_eq!(drained.moved, 0, "{drained:?}");
    nodes.store.changing.set_failing(false);
    // The other node could not say whether it has become the owner, and the store says that it has not.
    assert_eq!(drained, UNCLEAR);
    assert_eq!(client.text(&nodes).await, None);
    tokio::time::sleep(Duration::from_secs(60)).await;
    check_nothing_is_left(&nodes);
}

#[tokio::test(start_paused = true)]
async fn two_nodes_that_drain_at_once_keep_what_nobody_else_takes() {
    let (nodes, mut client) = one_session(2).await;
    let mut other = ReturningClient::connect(&nodes, 1, "c2", "bob").await;
    nodes.nodes[1].node.engine.context.refusing.cancel();
    nodes.nodes[0].node.engine.context.refusing.cancel();
    assert_eq!(tokio::join!(nodes.drain(0), nodes.drain(1)), (STAYED, STAYED));
    nodes.send(0, &Target::All, "last");
    assert_eq!(client.text(&nodes).await.as_deref(), Some("last"));
    assert_eq!(other.text(&nodes).await.as_deref(), Some("last"));
}

#[tokio::test(start_paused = true)]
async fn a_node_has_room_for_so_many_sessions_and_the_others_stay() {
    let room = || Arc::new(super::room::Room::of(3, 1 << 20));
    let nodes = Nodes::start_with(2, nodes::hub, room).await;
    let mut clients = Vec::new();
    for number in 0..5 {
        clients.push(ReturningClient::connect(&nodes, 0, &format!("c{number}"), "alice").await);
    }
    let drained = nodes.drain(0).await;
    assert_eq!((drained.moved, drained.unclear), (3, 0));
    assert_eq!(nodes.nodes[1].taking.sessions(), 3);
    nodes.send(1, &Target::All, "to all");
    for client in &mut clients[..] {
        if nodes.holder(client.id()).is_some() {
            assert_eq!(client.text(&nodes).await.as_deref(), Some("to all"));
        }
    }
    assert_eq!(nodes.nodes[1].taking.sessions(), 0, "all have come");
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_to_a_session_alone_on_a_node_that_does_not_take_it_is_not_lost() {
    let (nodes, mut client) = one_session(2).await;
    nodes.wire.fail(HandoverCall::Prepare, WireFault::AnswerLost);
    nodes.wire.fail(HandoverCall::Cancel, WireFault::Lost);
    assert_eq!(nodes.drain(0).await.moved, 0);
    assert_eq!(nodes.nodes[1].taking.sessions(), 1, "it does not know yet that nothing comes");
    nodes.send(1, &Target::Connections(vec!["c1".into()]), "alone");
    nodes.send(1, &group("ward"), "together");
    assert_eq!(client.text(&nodes).await.as_deref(), Some("together"));
    assert_eq!(client.text(&nodes).await.as_deref(), Some("alone"));
    assert_eq!(nodes.nodes[1].taking.sessions(), 0);
}

/// Two nodes that both have made a place for one session are given its content at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_that_take_a_session_at_once_one_has_it() {
    let nodes = Nodes::start(3).await;
    let mut wins = [0, 0];
    for round in 0..1_000 {
        let id = format!("c{round}");
        let client = ReturningClient::connect(&nodes, 0, &id, "alice").await;
        let offers = nodes.race(&id).await;
        let adopted: Vec<_> =
            offers.iter().enumerate().filter(|(_, won)| **won).map(|(node, _)| node).collect();
        assert_eq!(adopted.len(), 1, "round {round}: {adopted:?}");
        wins[adopted[0]] += 1;
        let expected = format!("n{}", adopted[0] + 2);
        assert_eq!(nodes.recorded(&id).await, Some(expected), "round {round}");
        drop(client);
    }
    assert!(wins.iter().all(|wins| *wins > 0), "one was always first: {wins:?}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_takes_is_kept_for_the_node_that_its_client_comes_to() {
    let (mut nodes, mut client) = one_session(1).await;
    let (hub, id, user) = (nodes.nodes[0].node.engine.name().clone(), "c1".into(), "alice".into());
    nodes.send(0, &group("ward"), "before");
    assert_eq!(nodes.drain(0).await, HandedOver { parked: 1, ..HandedOver::default() });
    nodes.send(0, &group("ward"), "missed");
    nodes.nodes[0].node.node.shut_down().await;
    nodes.add(nodes::hub(), Arc::default()).await;
    nodes.add(nodes::hub(), Arc::default()).await;
    let unpark = async |node: usize, nodes: &Nodes| {
        let engine = &nodes.nodes[node].node.engine;
        super::parking::unpark(engine, &id, Some(&user), std::time::SystemTime::now()).await
    };
    let (one, two) = tokio::join!(unpark(1, &nodes), unpark(2, &nodes));
    assert!(one != two, "one has it");
    assert_eq!(client.text(&nodes).await.as_deref(), Some("before"));
    for node in [1, 2] {
        nodes.send(node, &group("ward"), "after");
        assert_eq!(client.text(&nodes).await.as_deref(), Some("after"));
    }
    use hubward_backplane::GroupStore;
    assert_eq!(nodes.store.inner.count(&hub, &"ward".into()).await.unwrap(), 1);
    assert_eq!(nodes.store.inner.nodes_of_user(&hub, &user).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_twice_at_once_for_its_parked_session_finds_it_both_times() {
    let (mut nodes, mut client) = one_session(1).await;
    assert_eq!(nodes.drain(0).await, HandedOver { parked: 1, ..HandedOver::default() });
    nodes.nodes[0].node.node.shut_down().await;
    nodes.add(nodes::hub(), Arc::default()).await;
    let (id, user) = ("c1".into(), "alice".into());
    let unpark = async || {
        let engine = &nodes.nodes[1].node.engine;
        super::parking::unpark(engine, &id, Some(&user), std::time::SystemTime::now()).await
    };
    assert_eq!(tokio::join!(unpark(), unpark()), (true, true));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(nodes.recorded("c1").await.as_deref(), Some("n2"));
    nodes.send(1, &group("ward"), "after");
    assert_eq!(client.text(&nodes).await.as_deref(), Some("after"));
}

#[tokio::test(start_paused = true)]
async fn a_session_goes_to_a_node_that_lives_where_the_one_that_was_chosen_has_died() {
    let (nodes, mut client) = one_session(3).await;
    nodes.wire.remove("n2");
    assert_eq!(nodes.drain(0).await, MOVED);
    assert_eq!(nodes.recorded("c1").await.as_deref(), Some("n3"));
    check_reached(&nodes, &mut client).await;
}

#[tokio::test(start_paused = true)]
async fn where_the_old_node_dies_half_way_its_session_is_whole_on_the_other_one_or_nowhere() {
    // It has the session when the other node dies, or it does not hear any more of it.
    let (nodes, mut client) = one_session(2).await;
    nodes.wire.fail(HandoverCall::Cancel, WireFault::Lost);
    nodes.wire.fail(HandoverCall::Prepare, WireFault::AnswerLost);
    nodes.drain(0).await;
    assert_eq!(nodes.nodes[1].taking.sessions(), 1);
    nodes.nodes[0].node.node.shut_down().await;
    assert_eq!(client.text(&nodes).await, None);
    tokio::time::sleep(Duration::from_secs(20)).await;
    check_nothing_is_left(&nodes);
}
