//! Tests of outages, in paused time: what is held, in which order it goes out, when, and what is not.

mod bounds;
mod racing;
mod requests;
mod returning;

use std::sync::Arc;

use hubward_hub::{Hub, HubHandle, HubOptions, Outage};

use super::*;
use crate::connection::handle::ConnectionHandle;
use crate::testing::cluster::{TestNode, settle};
use crate::testing::{handle, take_mail, user_handle};

/// What a hub holds in these tests.
const MAX_BYTES: usize = 64 * 1024;
const MAX_WAIT: Duration = Duration::from_secs(10);

const SECOND: Duration = Duration::from_secs(1);

fn hub() -> Hub {
    hub_with(Outage::Hold { max_bytes: MAX_BYTES, max_wait: MAX_WAIT })
}

fn hub_with(on_outage: Outage) -> Hub {
    Hub::new("hub").options(HubOptions { on_outage, ..HubOptions::default() })
}

fn interrupt(node: &TestNode) {
    node.network.interrupt(node.node.id());
}

fn resume(node: &TestNode) {
    node.network.resume(node.node.id());
}

/// Two nodes. The first has the connection `here`; the second `c1` of alice in the group `g`, and `c2`, of which the first
/// one does not know that it is there.
struct Cluster {
    node: TestNode,
    other: TestNode,
    here: Arc<ConnectionHandle>,
    there: Arc<ConnectionHandle>,
    unknown: Arc<ConnectionHandle>,
}

impl Cluster {
    async fn start() -> Self {
        Self::start_with(hub).await
    }

    async fn start_with(hub: impl Fn() -> Hub) -> Self {
        let (node, other) = TestNode::start_two(hub).await;
        let (here, there, unknown) = (handle("here"), user_handle("c1", "alice"), handle("c2"));
        node.open(&here).await;
        other.join(&there, "g").await;
        other.open(&unknown).await;
        node.engine.handle().connection("c1").send("Known", ()).await.unwrap();
        settle().await;
        assert_eq!(received(&there), ["Known"]);
        node.backplane.take_calls();
        Self { node, other, here, there, unknown }
    }

    fn hub(&self) -> HubHandle {
        self.node.engine.handle()
    }
}

/// The methods that a client is called with, in order.
fn received(client: &ConnectionHandle) -> Vec<String> {
    let target = |message: &String| message.split('"').nth(5).unwrap_or_default().to_owned();
    take_mail(client).0.iter().map(target).collect()
}

/// Sends without waiting, by every selector; `c2` gets the two that are for it, and `c1` the others.
fn send_by_every_selector(hub: &HubHandle) {
    drop(hub.all_except(["c2"]).send("1", ()));
    drop(hub.connection("c1").send("2", ()));
    drop(hub.connection("c2").send("a", ()));
    drop(hub.group("g").send("3", ()));
    drop(hub.user("alice").send("4", ()));
    drop(hub.group_except("g", ["c1"]).send("excluded", ()));
    drop(hub.connections(["c1", "nobody"]).send("5", ()));
    drop(hub.clients().groups(["g", "empty"]).send("6", ()));
    drop(hub.clients().users(["alice", "bob"]).send("7", ()));
    drop(hub.connection("c2").send("b", ()));
    drop(hub.all().send("8", ()));
}

const BY_EVERY_SELECTOR: [&str; 8] = ["1", "2", "3", "4", "5", "6", "7", "8"];

#[tokio::test(start_paused = true)]
async fn what_is_sent_in_an_outage_by_any_selector_goes_out_in_order_as_soon_as_the_link_is_whole() {
    for per_topic in [false, true] {
        let cluster = Cluster::start().await;
        cluster.node.backplane.per_topic.store(per_topic, std::sync::atomic::Ordering::SeqCst);
        interrupt(&cluster.node);
        send_by_every_selector(&cluster.hub());
        assert_eq!(received(&cluster.here), ["1", "8"], "this node's clients have theirs at once");
        tokio::time::sleep(SECOND).await;
        assert!(received(&cluster.there).is_empty());
        resume(&cluster.node);
        drop(cluster.hub().group("g").send("9", ()));
        settle().await;
        assert_eq!(received(&cluster.there), [&BY_EVERY_SELECTOR[..], &["9"]].concat());
        assert_eq!(received(&cluster.unknown), ["a", "b", "8"]);
        // The hub sends at once again.
        drop(cluster.hub().group("g").send("10", ()));
        assert_eq!(received(&cluster.there), ["10"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_looked_up_when_the_link_is_interrupted_keeps_its_turn() {
    let cluster = Cluster::start().await;
    cluster.node.store.querying.hold();
    drop(cluster.hub().connection("c2").send("a", ()));
    drop(cluster.hub().all().send("b", ()));
    settle().await;
    interrupt(&cluster.node);
    drop(cluster.hub().connection("c2").send("c", ()));
    resume(&cluster.node);
    settle().await;
    drop(cluster.hub().connection("c2").send("d", ()));
    assert!(received(&cluster.unknown).is_empty());
    cluster.node.store.querying.release();
    settle().await;
    assert_eq!(received(&cluster.unknown), ["a", "b", "c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_looked_up_when_the_store_is_back() {
    let cluster = Cluster::start().await;
    cluster.node.store.querying.set_failing(true);
    interrupt(&cluster.node);
    cluster.hub().connection("c2").send("a", ()).await.unwrap();
    cluster.hub().all().send("b", ()).await.unwrap();
    tokio::time::sleep(SECOND).await;
    cluster.node.store.querying.set_failing(false);
    resume(&cluster.node);
    settle().await;
    assert_eq!(received(&cluster.unknown), ["a", "b"]);
    // One that cannot be found fails alone.
    interrupt(&cluster.node);
    drop(cluster.hub().connection("c3").send("c", ()));
    let lost = cluster.hub().connection("nobody").send("lost", ()).until_published();
    drop(cluster.hub().all().send("d", ()));
    cluster.node.store.querying.set_failing(true);
    resume(&cluster.node);
    assert!(lost.await.is_err());
    assert_eq!(received(&cluster.unknown), ["d"]);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_is_awaited_delays_nobody_and_can_wait_until_it_is_published() {
    let cluster = Cluster::start().await;
    interrupt(&cluster.node);
    let begun = Instant::now();
    cluster.hub().all().send("1", ()).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let mut waiting = cluster.hub().all().send("2", ()).until_published();
    let dropped = cluster.hub().all().send("3", ()).until_published();
    let mut dropped = Box::pin(dropped);
    assert!(futures_util::poll!(&mut waiting).is_pending() && futures_util::poll!(&mut dropped).is_pending());
    drop(dropped);
    tokio::time::sleep(SECOND).await;
    assert!(futures_util::poll!(&mut waiting).is_pending());
    resume(&cluster.node);
    waiting.await.unwrap();
    assert_eq!(received(&cluster.there), ["1", "2", "3"], "also what nobody waits for any more");
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_holds_nothing_fails_at_once_and_goes_on_at_once_afterwards() {
    let network = hubward_backplane::InMemoryNetwork::new();
    let store = crate::testing::faulty_store::FaultyStore::new();
    let start = async |id: &str, outage| {
        TestNode::start_on(network.clone(), id, store.clone(), hub_with(outage)).await
    };
    let failing = start("node-1", Outage::Fail).await;
    let there = start("node-2", Outage::default()).await;
    let client = handle("c1");
    there.open(&client).await;
    interrupt(&failing);
    let here = handle("here");
    failing.open(&here).await;
    let failed = failing.engine.handle().all().send("1", ()).await;
    assert!(failed.is_err() && received(&here) == ["1"], "{failed:?}");
    drop(failing.engine.handle().all().send("2", ()));
    resume(&failing);
    failing.engine.handle().all().send("3", ()).await.unwrap();
    assert_eq!(received(&client), ["3"]);
}
