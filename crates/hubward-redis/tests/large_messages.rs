//! Large messages through a Redis with its default settings, which closes a subscriber for which 32 MiB wait: one, and many in
//! quick succession, reach every node, and no link is interrupted.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure here is to fail a test"
)]

mod support;

use std::sync::Arc;

use bytes::Bytes;
use hubward_backplane::{Backplane, MAX_ENVELOPE_BYTES, ReceivedEnvelope, Subscriber, Topic};
use hubward_redis::{Redis, RedisBackplane};
use hubward_testing::eventually;
use hubward_testing::redis::{RedisOptions, RedisServer};
use parking_lot::Mutex;

use support::fake_redis::{FakeRedis, name, usual};

/// Notes what happens.
#[derive(Default)]
struct Noted {
    /// The first byte of each envelope, and its length.
    envelopes: Mutex<Vec<(u8, usize)>>,
    reasons: Mutex<Vec<String>>,
}

impl Subscriber for Noted {
    fn deliver(&self, batch: &[ReceivedEnvelope]) {
        let noted = batch.iter().map(|received| (received.envelope[0], received.envelope.len()));
        self.envelopes.lock().extend(noted);
    }
    fn interrupted(&self, reason: &str) {
        self.reasons.lock().push(reason.to_owned());
    }
    fn resumed(&self) {}
}

async fn node(server: &RedisServer) -> (RedisBackplane, Arc<Noted>) {
    let backplane = Redis::url(&server.url()).unwrap().build().unwrap().backplane();
    let noted = Arc::new(Noted::default());
    backplane.start(noted.clone()).await.unwrap();
    backplane.subscribe(vec![Topic::Nodes]).await.remove(0).unwrap();
    (backplane, noted)
}

/// Publishes so many of the largest envelopes, and expects each of them on two other nodes.
async fn check(messages: u8, awaits_each: bool) {
    let server = RedisServer::start(RedisOptions::default()).await;
    let (sender, own) = node(&server).await;
    let others = [node(&server).await, node(&server).await];
    let mut publishing = Vec::new();
    for number in 0..messages {
        let published = sender.publish(vec![Topic::Nodes], vec![number; MAX_ENVELOPE_BYTES].into());
        if awaits_each {
            published.await.unwrap();
        } else {
            publishing.push(published);
        }
    }
    for published in publishing {
        published.await.unwrap();
    }
    sender.publish(vec![Topic::Nodes], Bytes::from_static(b"\xff")).await.unwrap();
    let mut expected: Vec<_> = (0..messages).map(|number| (number, MAX_ENVELOPE_BYTES)).collect();
    expected.push((0xff, 1));
    for (_, noted) in &others {
        let settled =
            || noted.envelopes.lock().last() == Some(&(0xff, 1)) || !noted.reasons.lock().is_empty();
        eventually("the last one", async || settled()).await;
        assert_eq!(*noted.reasons.lock(), Vec::<String>::new());
        assert_eq!(*noted.envelopes.lock(), expected);
    }
    assert_eq!(*own.reasons.lock(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_message_reaches_every_node() {
    check(1, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_that_are_sent_at_once_reach_every_node() {
    check(7, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_that_follow_each_other_reach_every_node() {
    check(20, true).await;
}

#[tokio::test]
async fn between_large_messages_redis_has_turns_to_write_them() {
    let commands = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&commands);
    let server = FakeRedis::start(move |command| {
        noted.lock().push(name(command));
        usual(command)
    })
    .await;
    let backplane = Redis::url(&server.url()).unwrap().build().unwrap().backplane();
    backplane.start(Arc::new(Noted::default())).await.unwrap();
    let publish = |bytes: usize| backplane.publish(vec![Topic::Nodes], vec![0; bytes].into());
    let pings = || commands.lock().iter().filter(|command| *command == "ping").count();
    for published in (0..20).map(|_| publish(1_000)).collect::<Vec<_>>() {
        published.await.unwrap();
    }
    assert_eq!(pings(), 0);
    for published in (0..7).map(|_| publish(MAX_ENVELOPE_BYTES)).collect::<Vec<_>>() {
        published.await.unwrap();
    }
    // Fewer where more time passes, in which Redis has had turns.
    assert!(pings() > 0, "{:?}", commands.lock());
}
