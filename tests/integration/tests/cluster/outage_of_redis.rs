//! Nodes whose Redis is killed or hangs, and comes back with its data or without.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hubward::auth::KeyRing;
use hubward::redis::Redis;
use hubward::{HubHandle, Hubward, LinkResumed};
use hubward_testing::redis::{Data, RedisOptions, RedisServer};
use hubward_tests::{TestClient, TestNode, eventually, issuer, token, within};
use serde_json::json;
use tokio::time::Instant;

use crate::{hub, ready};

/// How long a Redis that hangs takes to be noticed.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Two nodes on one Redis.
struct Nodes {
    near: TestNode,
    far: TestNode,
    /// Of how many interruptions that have not ended the hubs were notified.
    interrupted: Arc<AtomicUsize>,
}

impl Nodes {
    async fn start(server: &RedisServer, response_timeout: Duration) -> Self {
        let (interrupted, keys) = (Arc::new(AtomicUsize::new(0)), KeyRing::random());
        let node = async |name: &str| {
            let redis =
                Redis::url(&server.url()).unwrap().response_timeout(response_timeout).build().unwrap();
            let (up, down) = (interrupted.clone(), interrupted.clone());
            // What they return is sent to nobody.
            let hub = hub()
                .on_link_interrupted(move |_| std::future::ready(up.fetch_add(1, Ordering::SeqCst)))
                .on_link_resumed(move |_, _: LinkResumed| {
                    std::future::ready(down.fetch_sub(1, Ordering::SeqCst))
                });
            let builder = Hubward::builder().auth(issuer().authenticator()).redis(&redis, name, keys.clone());
            TestNode::start(builder.hub("/hub", hub).build().unwrap()).await
        };
        let (near, far) = (node("near").await, node("far").await);
        Self { near, far, interrupted }
    }

    fn handle(node: &TestNode) -> HubHandle {
        node.hubs.hub("hub").unwrap()
    }

    async fn user(node: &TestNode, user: &str) -> TestClient {
        ready(node.client("/hub").token(&token(user, &[])).open().await).await
    }

    /// Waits until the hubs of this many nodes know that the link is interrupted.
    async fn are_interrupted(&self, nodes: usize) {
        let notified = async || self.interrupted.load(Ordering::SeqCst) == nodes;
        eventually("the hubs to be notified", notified).await;
    }
}

/// Sends numbers to alice, to her group and to all, each awaited; returns how long that took.
async fn send_numbers(hub: &HubHandle, from: i64) -> Duration {
    let begun = Instant::now();
    for number in from..from + 300 {
        let sending = match number % 3 {
            0 => hub.user("alice").send("N", (number,)),
            1 => hub.group("g").send("N", (number,)),
            _ => hub.all().send("N", (number,)),
        };
        sending.await.unwrap();
    }
    begun.elapsed()
}

async fn receives(client: &mut TestClient, numbers: impl Iterator<Item = i64>) {
    for number in numbers {
        let message = within("the next number", client.receive()).await;
        assert_eq!(message["arguments"], json!([number]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_while_redis_is_away_reaches_this_node_at_once_and_the_others_in_order_afterwards() {
    let mut server = RedisServer::start(RedisOptions::default()).await;
    let nodes = Nodes::start(&server, Duration::from_secs(4)).await;
    let mut bystander = Nodes::user(&nodes.near, "bob").await;
    let mut alice = Nodes::user(&nodes.far, "alice").await;
    let hub = Nodes::handle(&nodes.near);
    alice.result("Join", json!(["g"])).await;
    for (round, data) in [(1, Data::Kept), (2, Data::Lost), (3, Data::Lost)] {
        let from = 1000 * round;
        server.kill();
        nodes.are_interrupted(2).await;
        let took = send_numbers(&hub, from).await;
        assert!(took < Duration::from_secs(1), "{took:?}");
        receives(&mut bystander, (from..from + 300).filter(|number| number % 3 == 2)).await;
        server.restart(data).await;
        receives(&mut alice, from..from + 300).await;
        nodes.are_interrupted(0).await;
    }
    eventually("the connection to be a member again", async || hub.groups().count("g").await.unwrap() == 1)
        .await;
    assert!(nodes.near.hubs.gaps() >= 3);
    assert_eq!(nodes.near.hubs.discarded_messages(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_while_redis_hangs_delays_nobody_on_this_node_for_long_and_arrives_in_order() {
    let server = RedisServer::start(RedisOptions::default()).await;
    let nodes = Nodes::start(&server, RESPONSE_TIMEOUT).await;
    let mut bystander = Nodes::user(&nodes.near, "bob").await;
    let mut alice = Nodes::user(&nodes.far, "alice").await;
    alice.result("Join", json!(["g"])).await;
    let hub = Nodes::handle(&nodes.near);
    server.pause();
    // Whether this one is lost nobody can know, but it is known in time.
    let begun = Instant::now();
    let first = hub.all().send("N", (-1,)).await;
    assert!(begun.elapsed() < 3 * RESPONSE_TIMEOUT, "{:?}", begun.elapsed());
    nodes.are_interrupted(2).await;
    let took = send_numbers(&hub, 1000).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    receives(&mut bystander, std::iter::once(-1).chain((1000..1300).filter(|number| number % 3 == 2))).await;
    server.continue_();
    let mut next = within("the first number", alice.receive()).await["arguments"][0].as_i64().unwrap();
    if next == -1 {
        assert!(first.is_err(), "what was reported as sent would have arrived before");
        next = within("the next number", alice.receive()).await["arguments"][0].as_i64().unwrap();
    }
    assert_eq!(next, 1000);
    receives(&mut alice, 1001..1300).await;
    assert!(alice.has_nothing_after("Echo", json!(["here"])).await);
}
