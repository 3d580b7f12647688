//! Messages that were accepted before an interruption, and not sent.
#![allow(clippy::unwrap_used, reason = "a failure here is to fail a test")]

use std::sync::Arc;

use hubward_backplane::{Backplane, ReceivedEnvelope, Subscriber, Topic, UnsentEnvelope};
use hubward_redis::{Redis, RedisBackplane};
use hubward_testing::redis::{RedisOptions, RedisServer};
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

    fn take_back(&self, unsent: Vec<UnsentEnvelope>) -> Vec<bool> {
        self.offered.lock().extend(unsent.iter().map(|unsent| text(&unsent.topic, &unsent.envelope)));
        unsent.iter().map(|unsent| unsent.topic == Topic::Nodes).collect()
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
    proxy.interrupt().await;
    proxy.release();
    proxy.resume().await;
    for published in publishing {
        within("what becomes of it", published).await.unwrap();
    }
    eventually("the link", async || *sent.is_up.lock()).await;
    publish(&topics[..1], "last".to_owned()).await.unwrap();
    eventually("the last one", async || {
        received.received.lock().last().is_some_and(|last| last == "nodes last")
    })
    .await;

    let both = (0..MANY).flat_map(|number| [format!("nodes {number}"), format!("hub {number}")]);
    assert!(*sent.offered.lock() == both.collect::<Vec<_>>());
    let mut expected = vec!["nodes first".to_owned()];
    expected.extend((0..MANY).map(|number| format!("hub {number}")));
    expected.push("nodes last".to_owned());
    assert!(*received.received.lock() == expected);
}
