//! Tests of a node's drain, in paused time.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use futures_util::stream;
use hubward_backplane::{InMemoryNetwork, NodeRegistry};
use hubward_hub::Hub;
use serde_json::json;
use tokio::time::Instant;
use tracing::Level;

use super::options::DrainOptions;
use super::progress::DrainPhase;
use crate::testing::client::{Next, TestClient};
use crate::testing::cluster::{TestNode, settle};
use crate::testing::faulty_store::FaultyStore;
use crate::testing::log::CapturedLog;
use crate::testing::pass;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn hub() -> Hub {
    Hub::new("hub")
        .method("Slow", async |seconds: u64| tokio::time::sleep(Duration::from_secs(seconds)).await)
        .stream("Endless", async || {
            stream::unfold((), async |()| {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Some((1, ()))
            })
        })
}

fn options(delay: u64, grace: u64, window: u64) -> DrainOptions {
    DrainOptions { delay: seconds(delay), grace: seconds(grace), close_window: Some(seconds(window)) }
}

/// Reads until the connection closes with leave to reconnect; returns when that was. Some item of a stream may come before.
async fn closed(client: &mut TestClient) -> Instant {
    loop {
        let message = client.message().await;
        if message["type"] == 7 {
            assert_eq!(message, json!({ "type": 7, "allowReconnect": true }));
            let at = Instant::now();
            assert_eq!(client.next().await, Next::Closed(1000));
            client.send_close_frame().await;
            return at;
        }
    }
}

async fn connect(node: &TestNode, count: usize) -> Vec<TestClient> {
    let mut clients = Vec::new();
    for number in 0..count {
        clients.push(TestClient::connect(&node.engine, &format!("c{number}")).await);
    }
    clients
}

/// Drains while clients read to the end; returns after what time each was closed, in order.
async fn drain_with(node: &TestNode, options: DrainOptions, clients: &mut [TestClient]) -> Vec<Duration> {
    let begun = Instant::now();
    let (_, closings) = tokio::join!(node.node.drain(options), join_all(clients.iter_mut().map(closed)));
    let mut after: Vec<_> = closings.into_iter().map(|at| at - begun).collect();
    after.sort();
    after
}

/// Returns how many there are within any one second, at most.
fn most_in_a_second(times: &[Duration]) -> usize {
    let within =
        |from: &Duration| times.iter().filter(|at| *from <= **at && **at < *from + seconds(1)).count();
    times.iter().map(within).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn a_drain_goes_through_all_its_phases_in_order() {
    let log = CapturedLog::start();
    let node = TestNode::start(hub()).await;
    assert!(node.node.is_ready());
    let mut clients = connect(&node, 3).await;
    let draining = drain_with(&node, options(5, 25, 8), &mut clients);
    let watching = async {
        settle().await;
        let context = &node.engine.context;
        assert!(!node.node.is_ready());
        assert_eq!(node.node.drain_report().phase, DrainPhase::NotReady);
        assert!(!context.refusing.is_cancelled());
        let mut late = TestClient::connect(&node.engine, "late").await;
        assert!(late.call("Slow", json!([1])).await.get("error").is_none(), "everything is served");
        pass(seconds(4)).await;
        assert!(context.refusing.is_cancelled() && !context.shutdown.is_cancelled());
        assert_eq!(node.node.drain_report().phase, DrainPhase::Closing);
        closed(&mut late).await;
    };
    let (after, ()) = tokio::join!(draining, watching);
    assert!(after.iter().all(|after| (seconds(5)..seconds(14)).contains(after)), "{after:?}");
    let report = node.node.drain_report();
    let phases: Vec<_> = report.phases.iter().map(|(phase, took)| (phase.name(), took.as_secs())).collect();
    let expected = [("not_ready", 5), ("handing_over", 0), ("closing", 8), ("ending", 0)];
    assert_eq!(phases, expected);
    assert_eq!((report.connections, report.closed, report.cut, report.left), (3, 4, 0, 0));
    assert_eq!(report.phase, DrainPhase::Gone);
    let lines = log.lines(Level::INFO);
    let of_phases: Vec<_> =
        lines.iter().filter_map(|line| line.strip_prefix("A phase of the drain has ended. ")).collect();
    assert_eq!(of_phases.len(), 4, "{lines:#?}");
    assert_eq!(of_phases[0], r#"phase="not_ready" took_ms=5000 connections=4 handed_over=0"#);
    assert_eq!(of_phases[3], r#"phase="ending" took_ms=0 connections=0 handed_over=0 closed=4 cut=0 left=0"#);
    assert!(lines.iter().any(|line| line.starts_with("The node drains: it is not ready any more.")));
}

#[tokio::test(start_paused = true)]
async fn three_hundred_connections_close_with_no_more_than_a_quarter_in_a_second() {
    let node = TestNode::start(hub()).await;
    let mut clients = connect(&node, 300).await;
    let after = drain_with(&node, options(0, 20, 4), &mut clients).await;
    assert!(most_in_a_second(&after) <= 75, "{after:?}");
    assert!(after.last().unwrap() <= &seconds(4), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn streams_without_an_end_are_cut_in_turn_as_well() {
    let node = TestNode::start(hub()).await;
    let mut clients = connect(&node, 100).await;
    for client in &mut clients {
        client.stream("1", "Endless", json!([])).await;
    }
    settle().await;
    let after = drain_with(&node, options(0, 10, 4), &mut clients).await;
    assert!(most_in_a_second(&after) <= 25, "{after:?}");
    // Most of what is left after the window is each stream's: the last is cut just before everything is.
    assert!(after.iter().all(|after| (3500..=7500).contains(&after.as_millis())), "{after:?}");
    assert_eq!(node.node.drain_report().cut, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_has_all_the_time_that_there_is_and_no_more() {
    let node = TestNode::start(hub()).await;
    let mut clients = connect(&node, 2).await;
    clients[0].invoke("1", "Slow", json!([7])).await;
    clients[1].invoke("1", "Slow", json!([3600])).await;
    settle().await;
    let [first, second] = &mut clients[..] else { panic!("two clients") };
    let begun = Instant::now();
    let finished = async {
        assert_eq!(first.message().await, json!({ "type": 3, "invocationId": "1", "result": null }));
        closed(first).await
    };
    let (report, first, second) = tokio::join!(node.node.drain(options(0, 10, 4)), finished, closed(second));
    assert_eq!((first - begun).as_secs(), 6);
    assert_eq!((second - begun).as_secs(), 8);
    assert_eq!((report.cut, report.left), (1, 0));
    assert_eq!(begun.elapsed().as_secs(), 9, "the call that goes on is not waited for");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_holds_up_no_drain() {
    let node = TestNode::start(hub()).await;
    let _clients = connect(&node, 3).await;
    let begun = Instant::now();
    node.node.drain(options(0, 5, 0)).await;
    assert!(begun.elapsed() <= seconds(5), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_opens_late_is_closed_as_well() {
    let node = TestNode::start(hub()).await;
    // One closes at once, and one at the end of the window.
    let mut early = connect(&node, 2).await;
    let late = async {
        pass(seconds(2)).await;
        let mut silent = TestClient::open(&node.engine, "silent", Default::default(), Default::default());
        let mut late = TestClient::connect(&node.engine, "late").await;
        closed(&mut late).await;
        assert_eq!(silent.next().await, Next::Closed(1000));
    };
    let (after, ()) = tokio::join!(drain_with(&node, options(0, 20, 8), &mut early), late);
    assert_eq!(after.iter().map(Duration::as_secs).collect::<Vec<_>>(), [0, 8]);
    assert_eq!(node.engine.connection_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_other_nodes_learn_at_once_that_a_node_drains() {
    let (node, draining) = TestNode::start_two(hub).await;
    settle().await;
    let (id, others) = (draining.node.id(), &node.engine.context);
    assert!(others.peer_stays(id));
    let watching = async {
        settle().await;
        assert!(!others.peer_stays(id));
        pass(seconds(9)).await;
        assert!(!others.peer_stays(id), "after heartbeats and lists as well");
        let listed = node.registry.list().await.unwrap();
        let draining: Vec<_> =
            listed.iter().filter(|live| live.load.draining).map(|live| &live.info.id).collect();
        assert_eq!(draining, [id]);
    };
    tokio::join!(draining.node.drain(options(10, 20, 0)), watching);
    assert_eq!(node.registry.list().await.unwrap().len(), 1);
    assert!(node.node.is_ready() && !draining.node.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_taken_for_dead_while_it_drains_still_drains_for_the_others() {
    let (node, draining) = TestNode::start_two(hub).await;
    let watching = async {
        settle().await;
        draining.registry.heartbeats.set_failing(true);
        pass(seconds(30)).await;
        draining.registry.heartbeats.set_failing(false);
        pass(seconds(10)).await;
        let listed = node.registry.list().await.unwrap();
        assert_eq!(listed.iter().filter(|live| live.load.draining).count(), 1, "{listed:?}");
        assert!(!node.engine.context.peer_stays(draining.node.id()));
    };
    tokio::join!(draining.node.drain(options(100, 120, 0)), watching);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_hangs_holds_up_no_phase() {
    let node = TestNode::start(hub()).await;
    let mut clients = connect(&node, 1).await;
    node.registry.heartbeats.hold();
    let begun = Instant::now();
    let after = drain_with(&node, options(1, 5, 0), &mut clients).await;
    assert_eq!(after[0].as_secs(), 1);
    assert!(begun.elapsed() <= seconds(5), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_hurries_a_drain_that_has_begun() {
    let node = TestNode::start(hub()).await;
    let mut clients = connect(&node, 3).await;
    let begun = Instant::now();
    let hurrying = async {
        pass(seconds(2)).await;
        node.node.shut_down().await;
        begun.elapsed()
    };
    let (after, hurried) = tokio::join!(drain_with(&node, options(10, 60, 20), &mut clients), hurrying);
    assert!(after.iter().chain([&hurried]).all(|after| after.as_secs() == 2), "{after:?} {hurried:?}");
}

#[tokio::test(start_paused = true)]
async fn a_second_drain_joins_the_first_and_may_shorten_it() {
    let node = TestNode::start(hub()).await;
    let mut clients = connect(&node, 3).await;
    let begun = Instant::now();
    let second = async {
        pass(seconds(2)).await;
        node.node.drain(options(600, 3600, 600)).await;
        begun.elapsed()
    };
    let (_, second) = tokio::join!(drain_with(&node, options(6, 60, 0), &mut clients), second);
    assert_eq!(second.as_secs(), 6);

    let node = TestNode::start(hub()).await;
    let mut clients = connect(&node, 3).await;
    let begun = Instant::now();
    let second = async {
        pass(seconds(2)).await;
        node.node.drain(options(1, 10, 0)).await;
        begun.elapsed()
    };
    let (_, second) = tokio::join!(drain_with(&node, options(600, 3600, 600), &mut clients), second);
    assert_eq!(second.as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_drain_goes_on_where_nobody_waits_for_it() {
    let node = TestNode::start(hub()).await;
    let mut clients = connect(&node, 1).await;
    assert!(node.node.drain(options(1, 10, 0)).now_or_never().is_none());
    assert!(node.node.drain_begun().now_or_never().is_some());
    closed(&mut clients[0]).await;
    pass(seconds(1)).await;
    assert_eq!(node.node.drain_report().phase, DrainPhase::Gone);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_dropped_while_it_drains_is_freed() {
    let TestNode { engine, node, .. } = TestNode::start(hub()).await;
    node.begin_drain(options(600, 3600, 0));
    settle().await;
    let context = std::sync::Arc::downgrade(&engine.context);
    drop((engine, node));
    pass(seconds(10)).await;
    assert_eq!(context.strong_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_drains_is_not_started() {
    let node = TestNode::new(InMemoryNetwork::new(), "node-1", FaultyStore::new(), hub());
    assert!(!node.node.is_ready(), "it has not joined the others");
    node.node.begin_drain(options(5, 10, 0));
    assert!(node.node.start().await.is_err());
    node.node.drain(options(5, 10, 0)).await;
    assert_eq!(node.registry.list().await.unwrap(), []);
}
