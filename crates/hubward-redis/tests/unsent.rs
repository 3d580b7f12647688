//! Messages that were accepted before an interruption, and not sent.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failure here is to fail a test"
)]

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::ready;
use hubward_backplane::{
    Backplane, BackplaneError, PublishOutcome, ReceivedEnvelope, Subscriber, Topic, UnsentEnvelope,
};
use hubward_redis::{Address, Redis, RedisBackplane};
use hubward_testing::redis::{RedisCluster, RedisOptions, RedisServer};
use hubward_testing::{FaultProxy, eventually, within};
use parking_lot::Mutex;

/// Records what it is called with. Takes back what is for all nodes.
#[derive(Default)]
struct Recorder {
    received: Mutex<Vec<String>>,
    offered: Mutex<Vec<String>>,
    is_up: Mutex<bool>,
}

fn text(topic: &Topic, envelope: &[u8]) -> String {
    let kind = if *topic == Topic::Nodes { "nodes" } else { "hub" };
    format!("{kind} {}", String::from_utf8_lossy(envelope))
}

impl Subscriber for Recorder {
    fn deliver(&self, batch: &[ReceivedEnvelope]) {
        self.received.lock().extend(batch.iter().map(|received| text(&received.topic, &received.envelope)));
    }

    fn interrupted(&self, _: &str) {
        *self.is_up.lock() = false;
    }

    fn take_back(&self, unsent: Vec<UnsentEnvelope>) -> Vec<Option<PublishOutcome>> {
        self.offered.lock().extend(unsent.iter().map(|unsent| text(&unsent.topic, &unsent.envelope)));
        let taken = |unsent: &UnsentEnvelope| -> Option<PublishOutcome> {
            (unsent.topic == Topic::Nodes)
                .then(|| Box::pin(ready(Err(BackplaneError::Stopped))) as PublishOutcome)
        };
        unsent.iter().map(taken).collect()
    }

    fn resumed(&self) {
        *self.is_up.lock() = true;
    }
}

async fn start(address: std::net::SocketAddr) -> (RedisBackplane, Arc<Recorder>) {
    let backplane = Redis::url(&format!("redis://{address}")).unwrap().build().unwrap().backplane();
    let recorder = Arc::new(Recorder::default());
    backplane.start(recorder.clone()).await.unwrap();
    (backplane, recorder)
}

/// How many messages are so many that senders wait.
const MANY: usize = 1_500;

#[tokio::test]
async fn what_was_accepted_and_not_sent_is_handed_back_once_and_what_is_not_taken_is_sent() {
    let server = RedisServer::start(RedisOptions::default()).await;
    let proxy = FaultProxy::start(server.address()).await;
    let (sender, sent) = start(proxy.address()).await;
    let (receiver, received) = start(server.address()).await;
    let topics = [Topic::Nodes, Topic::All("hub".into())];
    receiver.subscribe(topics.to_vec()).await.into_iter().for_each(Result::unwrap);

    // The first one is on its way, and what follows waits for the reply to it.
    proxy.hold();
    let publish = |topics: &[Topic], text: String| sender.publish(topics.to_vec(), text.into());
    drop(publish(&topics[..1], "first".to_owned()));
    eventually("the first one", async || received.received.lock().len() == 1).await;
    let publishing: Vec<_> = (0..MANY).map(|number| publish(&topics, number.to_string())).collect();
    let taken = publish(&topics[..1], "taken".to_owned());
    proxy.interrupt().await;
    proxy.release();
    proxy.resume().await;
    for published in publishing {
        within("what becomes of it", published).await.unwrap();
    }
    // As whoever holds it now says.
    let outcome = within("what becomes of what is taken", taken).await;
    assert!(matches!(outcome, Err(BackplaneError::Stopped)), "{outcome:?}");
    eventually("the link", async || *sent.is_up.lock()).await;
    publish(&topics[..1], "last".to_owned()).await.unwrap();
    eventually("the last one", async || {
        received.received.lock().last().is_some_and(|last| last == "nodes last")
    })
    .await;

    let both = (0..MANY).flat_map(|number| [format!("nodes {number}"), format!("hub {number}")]);
    assert!(*sent.offered.lock() == both.chain(["nodes taken".to_owned()]).collect::<Vec<_>>());
    let mut expected = vec!["nodes first".to_owned()];
    expected.extend((0..MANY).map(|number| format!("hub {number}")));
    expected.push("nodes last".to_owned());
    assert!(*received.received.lock() == expected);
}

/// Finds a hub whose topic is on a primary of which this holds. Returns the topic, its slot, and the place of the primary.
async fn topic_on(cluster: &RedisCluster, is_right: impl Fn(usize) -> bool) -> (Topic, u16, usize) {
    for number in 0..1_000 {
        let hub = format!("hub{number}");
        let slot = cluster.slot(&format!("hubward:1:a:{hub}")).await;
        let primary = cluster.primary_of(slot).await;
        if is_right(primary) {
            return (Topic::All(hub.into()), slot, primary);
        }
    }
    panic!("no hub is on such a primary");
}

#[tokio::test]
async fn what_a_cluster_has_moved_is_handed_back_though_another_server_has_not_responded() {
    let mut cluster = RedisCluster::start().await;
    let mut proxies = HashMap::new();
    for address in cluster.addresses() {
        proxies.insert(address, FaultProxy::start(address).await);
    }
    let proxies = Arc::new(proxies);
    let proxied = proxies.clone();
    let map = move |at: &Address| {
        let is_it =
            |upstream: &std::net::SocketAddr| Address::new(upstream.ip().to_string(), upstream.port()) == *at;
        let proxy = proxied.iter().find(|(upstream, _)| is_it(upstream)).map(|(_, proxy)| proxy.address());
        proxy.map_or_else(|| at.clone(), |proxy| Address::new(proxy.ip().to_string(), proxy.port()))
    };
    let backplane = Redis::url(&cluster.url()).unwrap().map_addresses(map).build().unwrap().backplane();
    let recorder = Arc::new(Recorder::default());
    backplane.start(recorder.clone()).await.unwrap();

    let (moved, slot, from) = topic_on(&cluster, |_| true).await;
    let to = cluster.other_primary_than_of(slot).await;
    let (pending, _, slow) = topic_on(&cluster, |primary| primary != from && primary != to).await;
    cluster.move_slot(slot, from, to).await;
    let proxy_of = |place: usize, cluster: &mut RedisCluster| &proxies[&cluster.nodes()[place].address()];
    proxy_of(slow, &mut cluster).hold();
    drop(backplane.publish(vec![moved, pending], "message".into()));
    eventually("the reply that it has moved", async || {
        cluster.nodes()[from].cli(&["INFO", "errorstats"]).await.contains("MOVED")
    })
    .await;
    // So that the reply has come, too.
    let (other, ..) = topic_on(&cluster, |primary| primary == from).await;
    backplane.subscribe(vec![other]).await.remove(0).unwrap();
    proxy_of(to, &mut cluster).interrupt().await;
    eventually("the interruption", async || !recorder.offered.lock().is_empty()).await;
    assert_eq!(*recorder.offered.lock(), ["hub message"]);
}
