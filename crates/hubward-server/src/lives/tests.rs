//! Tests of nodes that die, are taken for dead, and begin anew.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt, stream};
use hubward_backplane::{Body, GroupStore, InMemoryNetwork, NodeEvent, NodeInfo, NodeRegistry};
use hubward_hub::{ClientResultError, Hub, HubContext, HubOptions};
use serde_json::json;
use tracing::Level;

use super::*;
use crate::cluster::pending::Settled;
use crate::cluster::requests::request;
use crate::testing::client::TestClient;
use crate::testing::cluster::{TestNode, settle};
use crate::testing::faulty_store::FaultyStore;
use crate::testing::log::CapturedLog;
use crate::testing::{handle, pass};

/// The lease of the in-memory store.
const LEASE: Duration = Duration::from_secs(15);

/// A hub whose nodes wait for each other for as long as they live.
fn hub() -> Hub {
    Hub::new("hub")
        .options(HubOptions { confirmation_timeout: Duration::from_secs(3600), ..HubOptions::default() })
        .method("Join", async |cx: HubContext, group: String| cx.groups().add(group).await)
}

/// Lets a node be taken for dead by the others, without its knowledge.
async fn let_die(node: &TestNode) {
    node.registry.heartbeats.set_failing(true);
    pass(LEASE * 2).await;
}

#[test]
fn heartbeats_come_within_a_third_of_the_lease_and_not_at_the_same_time() {
    let interval = LEASE / HEARTBEATS_PER_LEASE;
    let pauses: Vec<_> = (0..100).map(|_| jittered(interval)).collect();
    assert!(pauses.iter().all(|pause| (interval / 5 * 4..=interval).contains(pause)), "{pauses:?}");
    assert!(pauses.iter().any(|pause| *pause != pauses[0]));
}

#[tokio::test(start_paused = true)]
async fn the_log_says_that_the_node_has_joined_and_that_another_is_gone() {
    let log = CapturedLog::start();
    let (_node, dying) = TestNode::start_two(hub).await;
    settle().await;
    let joined = log.lines(Level::INFO);
    assert!(joined.iter().all(|line| line.starts_with("The node has joined the cluster.")), "{joined:?}");
    assert_eq!(joined.len(), 2, "{joined:?}");
    let_die(&dying).await;
    let gone = log.lines(Level::INFO).split_off(2);
    let expected = format!(
        "Another node has left the cluster or died; what it held is removed. node={}",
        dying.engine.context.id
    );
    assert_eq!(gone, [expected]);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_that_fail_are_a_warning_only_where_the_link_to_the_others_is_whole() {
    let node = TestNode::start(hub()).await;
    node.network.interrupt(node.node.id());
    settle().await;
    let log = CapturedLog::start();
    node.registry.heartbeats.set_failing(true);
    pass(LEASE).await;
    assert_eq!(log.lines(Level::WARN), Vec::<String>::new());
    node.network.resume(node.node.id());
    let log = CapturedLog::start();
    pass(LEASE).await;
    let warned = log.lines(Level::WARN);
    let warned = warned.iter().filter(|line| line.starts_with("The node's heartbeats cannot be recorded"));
    assert_eq!(warned.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn forged_ends_of_nodes_fill_no_log() {
    let node = TestNode::start(hub()).await;
    let (context, hubs): (_, WeakHubs) = (&node.engine.context, Arc::new([]));
    let registry = context.registry.as_ref().unwrap();
    let log = CapturedLog::start();
    for number in 0..1_000 {
        let forged = Owner::alone(format!("forged {number}").into());
        context.peers.joined(forged.node.clone());
        others::ended(context, registry, registry.lease(), &hubs, &forged).await.unwrap();
    }
    let lines = log.lines(Level::INFO);
    let ends = lines.iter().filter(|line| line.contains("node=forged")).count();
    assert_eq!(ends, 10, "{} lines", lines.len());
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_node_learns_when_it_dies() {
    let (node, dying) = TestNode::start_two(hub).await;
    dying.open(&handle("c1")).await;
    let (asking, adding) = (node.engine.handle(), node.engine.handle());
    dying.network.hold(dying.node.id());
    let tasks = &node.engine.context.tasks;
    let asked = tasks.spawn(async move { asking.connection("c1").invoke::<i64>("Add", ()).await });
    let added = tasks.spawn(async move { adding.groups().add_connection("c1", "g").await });
    let_die(&dying).await;
    let asked = asked.await.unwrap();
    assert!(matches!(asked, Err(ClientResultError::Disconnected(_))), "{asked:?}");
    added.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_node_asked_of_this_nodes_clients_is_not_waited_for() {
    let (dying, node) = TestNode::start_two(hub).await;
    let client = handle("c1");
    node.open(&client).await;
    let asking = dying.engine.handle();
    let asked = dying
        .engine
        .context
        .tasks
        .spawn(async move { asking.connection("c1").invoke::<i64>("Add", ()).await });
    settle().await;
    assert_eq!((node.engine.forwarded.len(), client.pending_results()), (1, 1));
    let_die(&dying).await;
    assert_eq!((node.engine.forwarded.len(), client.pending_results()), (0, 0));
    asked.abort();
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_node_left_is_swept_once_in_bounded_steps() {
    let (network, store) = (InMemoryNetwork::new(), FaultyStore::new());
    let start = |id: &'static str| TestNode::start_on(network.clone(), id, store.clone(), hub());
    let (first, second, dying) = (start("node-1").await, start("node-2").await, start("node-3").await);
    for number in 0..250 {
        dying.join(&handle(&format!("c{number}")), "g").await;
    }
    let_die(&dying).await;
    assert_eq!(first.recorded_in("g").await, 0);
    let steps = [first.registry.take_swept(), second.registry.take_swept()].concat();
    assert!(steps.iter().all(|removed| *removed <= 100), "{steps:?}");
    assert_eq!(steps.iter().sum::<usize>(), 250, "{steps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_taken_for_dead_restores_what_it_holds_and_its_clients_notice_nothing() {
    let (node, fenced) = TestNode::start_two(hub).await;
    let there = node.engine.handle();
    there.groups().add_user("alice", "ward", None).await.unwrap();
    let mut client = TestClient::connect_user(&fenced.engine, "c1", "alice").await;
    client.call("Join", json!(["g"])).await;
    let before = fenced.engine.context.owner();
    let_die(&fenced).await;
    assert_eq!(node.recorded_in("g").await, 0, "it was swept");

    // The store fails when the node begins anew, and for a while.
    fenced.store.changing.set_failing(true);
    fenced.registry.heartbeats.set_failing(false);
    pass(LEASE).await;
    assert!(fenced.engine.context.owner().epoch > before.epoch);
    fenced.store.changing.set_failing(false);
    pass(LEASE).await;
    assert_eq!(node.recorded_in("g").await, 1);
    for send in [there.clients().group("g"), there.clients().group("ward"), there.clients().user("alice")] {
        send.send("M", ()).await.unwrap();
        assert_eq!(client.message().await["target"], "M");
    }
    there.connection("c1").send("M", ()).await.unwrap();
    assert_eq!(client.message().await["target"], "M");
    client.call("Join", json!(["h"])).await;
    assert_eq!(node.recorded_in("h").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_while_its_node_restores_is_not_put_back() {
    let (node, fenced) = TestNode::start_two(hub).await;
    let (leaving, ending) = (handle("c1"), handle("c2"));
    for connection in [&leaving, &ending] {
        fenced.join(connection, "g").await;
    }
    let_die(&fenced).await;
    fenced.registry.heartbeats.set_failing(false);
    fenced.store.changing.hold();
    pass(LEASE / 2).await;
    let groups = fenced.engine.handle();
    let left =
        fenced.engine.context.tasks.spawn(async move { groups.groups().remove_connection("c1", "g").await });
    settle().await;
    let released = async {
        settle().await;
        fenced.store.changing.release();
    };
    tokio::join!(fenced.close(&ending), released);
    left.await.unwrap().unwrap();
    pass(LEASE).await;
    assert_eq!(node.recorded_in("g").await, 0);
    let owner = async |id: &str| node.store.owner(&"hub".into(), &id.into()).await.unwrap();
    assert_eq!(owner("c1").await, Some(fenced.engine.context.owner()));
    assert_eq!(owner("c2").await, None);
}

#[tokio::test(start_paused = true)]
async fn nodes_that_died_in_a_gap_of_the_events_are_found_by_listing_those_that_live() {
    let node = TestNode::start(hub()).await;
    let context = node.engine.context.clone();
    let (mut dead, mut alive) = (
        context.pending.confirmations.expect(&"dead".into()),
        context.pending.confirmations.expect(&"node-1".into()),
    );
    // More than a watcher of the in-memory registry may be behind.
    for number in 0..300 {
        let id = format!("other-{number}").into();
        let info = NodeInfo { id, address: None, hubs: Vec::new() };
        let epoch = node.registry.announce(info.clone()).await.unwrap();
        node.registry.withdraw(&Owner { node: info.id, epoch }).await.unwrap();
    }
    assert_eq!(dead.wait().await, Settled::Gone);
    assert!(tokio::time::timeout(LEASE, alive.wait()).await.is_err());
}

#[test]
fn a_lease_without_end_has_an_interval() {
    assert!(jittered(Duration::MAX) > Duration::MAX / 2);
}

/// Another node's life begins, in the record alone.
async fn announce_other(node: &TestNode) -> Owner {
    let info = NodeInfo { id: "other".into(), address: None, hubs: Vec::new() };
    let epoch = node.registry.announce(info).await.unwrap();
    Owner { node: "other".into(), epoch }
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_of_a_node_that_is_back_is_not_taken_for_done_but_asked_again() {
    let node = TestNode::start(hub()).await;
    let context = node.engine.context.clone();
    let first = announce_other(&node).await;
    settle().await;
    node.registry.withdraw(&first).await.unwrap();
    announce_other(&node).await;
    // Asked of its second life, before anybody here has learned that the first one has ended.
    let mut asked = context.pending.confirmations.expect(&"other".into());
    assert_eq!(asked.wait().await, Settled::Interrupted);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_does_not_list_the_nodes_hides_no_death() {
    let node = TestNode::start(hub()).await;
    let context = node.engine.context.clone();
    let other = announce_other(&node).await;
    node.registry.listing.hold();
    let mut asked = context.pending.confirmations.expect(&"other".into());
    node.registry.withdraw(&other).await.unwrap();
    assert_eq!(tokio::time::timeout(LEASE, asked.wait()).await.unwrap(), Settled::Gone);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_lives_is_known_again_where_no_list_came_when_its_end_was_announced() {
    let node = TestNode::start(hub()).await;
    let context = node.engine.context.clone();
    let (announced, announce) = tokio::sync::oneshot::channel::<Owner>();
    let ends = async { NodeEvent::Died(announce.await.unwrap()) };
    let events = stream::once(ends).chain(stream::pending());
    let watching = others::watch(Arc::downgrade(&context), Box::pin(events), LEASE / 3, Arc::new([]));
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(watching);
    let other = announce_other(&node).await;
    pass(LEASE / 3 + Duration::from_millis(100)).await;
    assert!(context.peers.contains(&"other".into()));
    node.registry.listing.set_failing(true);
    announced.send(Owner::alone(other.node)).unwrap();
    settle().await;
    assert!(!context.peers.contains(&"other".into()), "it is believed meanwhile");
    node.registry.listing.set_failing(false);
    pass(LEASE / 3 + Duration::from_millis(100)).await;
    assert!(context.peers.contains(&"other".into()));
}

#[tokio::test(start_paused = true)]
async fn changes_of_users_that_are_made_while_a_node_is_taken_for_dead_hold_when_it_is_back() {
    let (node, fenced) = TestNode::start_two(hub).await;
    let there = node.engine.handle();
    there.groups().add_user("alice", "removed", None).await.unwrap();
    let mut client = TestClient::connect_user(&fenced.engine, "c1", "alice").await;
    client.call("Join", json!(["own"])).await;
    let_die(&fenced).await;
    // The dead node has nothing to confirm: nobody waits for it.
    let begun = tokio::time::Instant::now();
    there.groups().remove_user("alice", "removed").await.unwrap();
    there.groups().add_user("alice", "added", None).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    fenced.registry.heartbeats.set_failing(false);
    pass(LEASE).await;
    assert!(fenced.delivered_to("removed").is_empty());
    assert_eq!(
        (fenced.delivered_to("added"), fenced.delivered_to("own")),
        (vec!["c1".to_owned()], vec!["c1".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_asked_again_of_a_node_that_is_back_waits_for_its_confirmation() {
    const REQUESTS: usize = 2_000;
    let node = TestNode::start(hub()).await;
    let context = node.engine.context.clone();
    let first = announce_other(&node).await;
    node.registry.withdraw(&first).await.unwrap();
    announce_other(&node).await;
    let confirmed = Arc::new(AtomicUsize::new(0));
    for _ in 0..REQUESTS {
        let (asking, confirmed) = (context.clone(), confirmed.clone());
        context.tasks.spawn(async move {
            let hub: HubName = "hub".into();
            let body = |id| Body::Abort { id, hub: hub.clone(), connection: "c1".into() };
            _ = request(&asking, &"other".into(), LEASE, None, body).await;
            confirmed.fetch_add(1, Ordering::SeqCst);
        });
    }
    let waiting = || context.pending.confirmations.len();
    while waiting() < REQUESTS {
        tokio::task::yield_now().await;
    }
    let registry = context.registry.clone().unwrap();
    others::ended(&context, &registry, LEASE, &Arc::from([]), &first).await.unwrap();
    while waiting() + confirmed.load(Ordering::SeqCst) < REQUESTS {
        tokio::task::yield_now().await;
    }
    assert_eq!(confirmed.load(Ordering::SeqCst), 0, "nobody has confirmed anything");
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_reports_how_many_connections_the_node_has() {
    let (node, _other) = TestNode::start_two(hub).await;
    let load = async || {
        let nodes = node.engine.context.registry.as_ref().unwrap().list().await.unwrap();
        nodes.into_iter().find(|live| live.info.id == *node.node.id()).unwrap().load.connections
    };
    assert_eq!(load().await, 0);
    for id in ["c1", "c2"] {
        node.open(&handle(id)).await;
    }
    pass(LEASE / HEARTBEATS_PER_LEASE).await;
    assert_eq!(load().await, 2);
}
