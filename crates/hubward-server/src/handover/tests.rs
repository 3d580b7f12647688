//! Sessions that move between nodes: nothing is lost, nothing comes twice, and no two nodes have one, whatever fails meanwhile.

mod nodes;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hubward_types::Target;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::nodes::{Nodes, ReturningClient, WireFault};
use super::HandedOver;
use super::calls::Method;
use crate::testing::until_in_time;

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

/// A cluster whose clients check what they get.
struct Load {
    nodes: Arc<Nodes>,
    clients: JoinSet<(String, Vec<String>, usize)>,
    senders: JoinSet<()>,
    /// How many messages each sender has sent to each target.
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
}

/// After what time without a message a client stops waiting.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);

const GROUPS: usize = 3;
const USERS: usize = 4;

fn targets(clients: usize) -> Vec<(String, Target)> {
    let groups = (0..GROUPS).map(|number| (format!("g{number}"), group(&format!("g{number}"))));
    let users =
        (0..USERS).map(|number| (format!("u{number}"), Target::Users(vec![format!("u{number}").into()])));
    let direct = (0..clients)
        .map(|number| (format!("c{number}"), Target::Connections(vec![format!("c{number}").into()])));
    groups.chain(users).chain(direct).chain([("all".to_owned(), Target::All)]).collect()
}

impl Load {
    /// Connects clients to the first node, each in a group and of a user, and begins to send from every node to everything.
    async fn start(nodes: Arc<Nodes>, clients: usize) -> Self {
        let mut tasks = JoinSet::new();
        for number in 0..clients {
            let (id, user) = (format!("c{number}"), format!("u{}", number % USERS));
            let mut client = ReturningClient::connect(&nodes, 0, &id, &user).await;
            client.call(&nodes, "Join", &format!("g{}", number % GROUPS)).await;
            let nodes = nodes.clone();
            tasks.spawn(async move {
                let (mut texts, mut ends) = (Vec::new(), 0);
                // The end comes from every sender on each of its four targets.
                while ends < 4 * nodes.nodes.len() {
                    let Ok(text) = timeout(LONGEST_SILENCE, client.text(&nodes)).await else { break };
                    let Some(text) = text else {
                        panic!("the session {id} was lost: {}", client.end);
                    };
                    if text.ends_with("end") {
                        ends += 1;
                    }
                    texts.push(text);
                }
                (id, texts, client.returns)
            });
        }
        let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let mut senders = JoinSet::new();
        for node in 0..nodes.nodes.len() {
            let (nodes, stop, sent) = (nodes.clone(), stop.clone(), sent.clone());
            senders.spawn(async move {
                let targets = targets(clients);
                let mut round = 0;
                while !stop.load(Ordering::SeqCst) {
                    for (name, target) in &targets {
                        nodes.send(node, target, &format!("{node} {name} {round}"));
                        tokio::task::yield_now().await;
                    }
                    sent.fetch_add(1, Ordering::SeqCst);
                    round += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                for (name, target) in &targets {
                    nodes.send(node, target, &format!("{node} {name} end"));
                }
            });
        }
        Self { nodes, clients: tasks, senders, stop, sent }
    }

    /// Waits until so many rounds of messages have been sent since now.
    async fn rounds(&self, rounds: usize) {
        let until = self.sent.load(Ordering::SeqCst) + rounds;
        while self.sent.load(Ordering::SeqCst) < until {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Stops sending, and checks what each client got of each sender: all, once, and in order. Returns how often clients came
    /// back.
    async fn check(mut self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(sender) = self.senders.join_next().await {
            sender.unwrap();
        }
        let mut returns = 0;
        while let Some(client) = until_in_time(self.clients.join_next()).await {
            let (id, texts, returned) = client.unwrap();
            returns += returned;
            let mut last: HashMap<(String, String), usize> = HashMap::new();
            for text in &texts {
                let fields: Vec<_> = text.split(' ').collect();
                let expected = last.entry((fields[0].to_owned(), fields[1].to_owned())).or_default();
                if fields[2] != "end" {
                    assert_eq!(fields[2].parse(), Ok(*expected), "{id} of {} to {}", fields[0], fields[1]);
                    *expected += 1;
                }
            }
            let ends = texts.iter().filter(|text| text.ends_with("end")).count();
            assert_eq!(ends, 4 * self.nodes.nodes.len(), "{id} {returned} {last:?}");
        }
        returns
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_comes_twice_while_sessions_move_twice_under_load() {
    let nodes = Arc::new(Nodes::start(3).await);
    let load = Load::start(nodes.clone(), 30).await;
    load.rounds(20).await;
    let moved = nodes.drain(0).await;
    assert_eq!(moved, HandedOver { moved: 30, ..HandedOver::default() });
    load.rounds(20).await;
    // Those that came to the second node move on to the third.
    let moved = nodes.drain(1).await;
    assert!(moved.moved > 0 && moved.stayed == 0 && moved.unclear == 0, "{moved:?}");
    load.rounds(20).await;
    let returns = load.check().await;
    assert_eq!(returns, 30 + moved.moved);
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
    nodes.wire.fail(Method::Adopt, WireFault::AnswerLost);
    assert_eq!(nodes.drain(0).await, MOVED);
    check_reached(&nodes, &mut client).await;
    assert_eq!(client.returns, 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_of_which_nobody_knows_who_has_it_starts_anew_and_is_on_one_node_at_most() {
    let (nodes, mut client) = one_session(2).await;
    nodes.wire.fail(Method::Adopt, WireFault::Lost);
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
        (Method::Prepare, WireFault::NotSent),
        (Method::Prepare, WireFault::Lost),
        (Method::Prepare, WireFault::AnswerLost),
        (Method::Adopt, WireFault::NotSent),
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
    for method in Method::ALL {
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
    nodes.wire.fail(Method::Prepare, WireFault::AnswerLost);
    nodes.wire.fail(Method::Cancel, WireFault::Lost);
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
    nodes.wire.fail(Method::Cancel, WireFault::Lost);
    nodes.wire.fail(Method::Prepare, WireFault::AnswerLost);
    nodes.drain(0).await;
    assert_eq!(nodes.nodes[1].taking.sessions(), 1);
    nodes.nodes[0].node.node.shut_down().await;
    assert_eq!(client.text(&nodes).await, None);
    tokio::time::sleep(Duration::from_secs(20)).await;
    check_nothing_is_left(&nodes);
}
