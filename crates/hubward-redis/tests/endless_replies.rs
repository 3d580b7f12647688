//! Servers that send without end, or more than anybody asked for: whatever it is, and wherever it is sent, the connection ends or
//! what is too much is left out, and this process needs no more memory than for what is allowed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is to fail a test")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use hubward_backplane::{
    Backplane, GroupStore, MAX_ENVELOPE_BYTES, NodeRegistry, ReceivedEnvelope, Subscriber, Topic,
};
use hubward_redis::{Redis, RedisBuilder};
use hubward_testing::redis::{RedisOptions, RedisServer};
use hubward_testing::{eventually, within};
use hubward_types::brief_causes;
use parking_lot::Mutex;

use support::address;
use support::fake_redis::{Answer, FakeRedis, name, usual};

/// What this process may need at most: all tests at once, with their servers, which have some large messages themselves.
const MAX_RESIDENT_BYTES: usize = 384 * 1024 * 1024;
/// What a server may send at most until its connection is closed: what buffers of sockets hold.
const MAX_SENT_BYTES: usize = 64 * 1024 * 1024;

/// What a node asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Asked {
    Opening,
    Change,
    Query,
    Subscription,
    Publication,
    Sentinel,
    Cluster,
}

use Asked::{Change, Cluster, Opening, Publication, Query, Sentinel, Subscription};

const ALL: [Asked; 7] = [Opening, Change, Query, Subscription, Publication, Sentinel, Cluster];

/// Notes what happens.
#[derive(Default)]
struct Noted {
    envelopes: Mutex<Vec<usize>>,
    reasons: Mutex<Vec<String>>,
}

impl Subscriber for Noted {
    fn deliver(&self, batch: &[ReceivedEnvelope]) {
        self.envelopes.lock().extend(batch.iter().map(|received| received.envelope.len()));
    }
    fn interrupted(&self, reason: &str) {
        self.reasons.lock().push(reason.to_owned());
    }
    fn resumed(&self) {}
}

fn memory_stays_bounded() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak * 1024 < MAX_RESIDENT_BYTES, "{peak} KiB");
}

impl Asked {
    /// The command whose reply it is.
    fn command(self) -> &'static str {
        match self {
            Opening => "hello",
            Change | Query => "evalsha",
            Subscription => "subscribe",
            Publication => "publish",
            Sentinel => "sentinel get-master-addr-by-name",
            Cluster => "cluster slots",
        }
    }

    fn redis(self, server: &FakeRedis) -> Redis {
        let servers = vec![address(server.address())];
        let builder: RedisBuilder = match self {
            Sentinel => Redis::sentinel(servers, "main"),
            Cluster => Redis::cluster(servers),
            _ => Redis::url(&server.url()).unwrap(),
        };
        builder.response_timeout(Duration::from_secs(2)).build().unwrap()
    }

    /// Asks for it; returns why that failed.
    async fn failure(self, server: &FakeRedis) -> String {
        let (redis, hub, group) = (self.redis(server), "hub".into(), "group".into());
        let store = redis.store();
        match self {
            Opening | Change => {
                let added = store.add_user(&hub, &group, &"user".into(), None).await;
                brief_causes(&added.unwrap_err()).to_string()
            }
            Query => brief_causes(&store.count(&hub, &group).await.unwrap_err()).to_string(),
            Subscription | Publication => {
                let (backplane, noted) = (redis.backplane(), Arc::new(Noted::default()));
                backplane.start(noted.clone()).await.unwrap();
                let result = match self {
                    Subscription => backplane.subscribe(vec![Topic::Nodes]).await.remove(0),
                    _ => backplane.publish(vec![Topic::Nodes], "envelope".into()).await,
                };
                result.unwrap_err();
                eventually("the interruption", async || !noted.reasons.lock().is_empty()).await;
                noted.reasons.lock().remove(0)
            }
            Sentinel | Cluster => {
                let report = redis.check().await;
                assert!(!report.has_passed());
                report.findings().iter().map(ToString::to_string).collect()
            }
        }
    }
}

/// Checks that whatever a server is asked for, what it sends without end fails that, for a reason.
async fn fails(first: &'static [u8], rest: &[u8], part: &str) {
    for asked in ALL {
        let endless = rest.repeat(1 + 64 * 1024 / rest.len());
        let server = FakeRedis::start(move |command| {
            if name(command) == asked.command() {
                Answer::Endless(first, endless.clone())
            } else {
                usual(command)
            }
        })
        .await;
        let failure = within("the failure", asked.failure(&server)).await;
        assert!(failure.contains(part), "{asked:?}: {failure}");
        let sent = server.endless_bytes();
        assert!(sent < MAX_SENT_BYTES, "{asked:?}: {sent} bytes");
    }
    memory_stays_bounded();
}

#[tokio::test]
async fn a_string_that_no_redis_allows() {
    fails(b"$9223372036854775807\r\n", b"x", "proto-max-bulk-len").await;
    fails(b"*1\r\n$9223372036854775807\r\n", b"x", "proto-max-bulk-len").await;
    fails(b">2\r\n$7\r\nmessage\r\n$9223372036854775807\r\n", b"x", "proto-max-bulk-len").await;
}

#[tokio::test]
async fn a_reply_of_too_many_values() {
    for first in [&b"*9223372036854775807\r\n"[..], b"*100000000\r\n", b"~100000000\r\n", b"%100000000\r\n"] {
        fails(first, b":1\r\n", "more than 524288 values").await;
    }
    fails(b"*500000\r\n", b"*2\r\n:1\r\n:2\r\n", "more than 524288 values").await;
    fails(b">100000000\r\n$7\r\nmessage\r\n", b":1\r\n", "more than 524288 values").await;
}

#[tokio::test]
async fn a_line_without_an_end() {
    for first in [&b"+"[..], b"-ERR ", b":", b"("] {
        fails(first, b"1\n", "a line of more than").await;
    }
    fails(b"$", b"1", "not Redis's protocol").await;
}

#[tokio::test]
async fn values_within_values_without_an_end() {
    fails(b"", b"*1\r\n", "within each other").await;
    fails(b"", b"%1\r\n:1\r\n", "within each other").await;
    // Attributes come before what they are about.
    fails(b"", b"|1\r\n+a\r\n+b\r\n", "within each other").await;
    // What comes unasked is never within anything.
    fails(b"*500000\r\n", b">2\r\n$7\r\nmessage\r\n+a\r\n", "not Redis's protocol").await;
}

#[tokio::test]
async fn another_protocol() {
    fails(b"HTTP/1.1 400 Bad Request\r\n\r\n", b"x", "check that the address and the port").await;
}

#[tokio::test]
async fn messages_and_nothing_else() {
    for asked in [Change, Subscription, Sentinel] {
        let server = FakeRedis::start(move |command| {
            if name(command) == asked.command() {
                let message = b">3\r\n$7\r\nmessage\r\n$7\r\nchannel\r\n$1\r\nx\r\n";
                Answer::Endless(b"", message.repeat(1_000))
            } else {
                usual(command)
            }
        })
        .await;
        let failure = within("the failure", asked.failure(&server)).await;
        assert!(!failure.is_empty());
    }
    memory_stays_bounded();
}

#[tokio::test]
async fn replies_that_nobody_has_asked_for_end_the_connection() {
    let server = FakeRedis::start(|command| match &*name(command) {
        "evalsha" => Answer::Endless(b"*1\r\n$2\r\nOK\r\n", b"+OK\r\n".repeat(10_000)),
        _ => usual(command),
    })
    .await;
    let store = Change.redis(&server).store();
    let add = async || store.add_user(&"hub".into(), &"group".into(), &"user".into(), None).await;
    add().await.unwrap();
    eventually("another connection", async || server.connections() > 1).await;
    assert!(server.endless_bytes() < MAX_SENT_BYTES);
    memory_stays_bounded();
}

#[tokio::test]
async fn confirmations_that_nobody_has_asked_for_end_the_connection() {
    let server = FakeRedis::start(|command| match &*name(command) {
        "subscribe" => {
            let channel = |number| format!(">3\r\n$9\r\nsubscribe\r\n$8\r\n{number:08}\r\n:1\r\n");
            let others: String = (0..10_000).map(channel).collect();
            Answer::Endless(b">3\r\n$9\r\nsubscribe\r\n$15\r\nhubward:1:nodes\r\n:1\r\n", others.into_bytes())
        }
        _ => usual(command),
    })
    .await;
    let (backplane, noted) = (Subscription.redis(&server).backplane(), Arc::new(Noted::default()));
    backplane.start(noted.clone()).await.unwrap();
    let _ = backplane.subscribe(vec![Topic::Nodes]).await;
    eventually("the interruption", async || !noted.reasons.lock().is_empty()).await;
    let reason = noted.reasons.lock().remove(0);
    assert!(reason.contains("nobody has asked for"), "{reason}");
    assert!(server.endless_bytes() < MAX_SENT_BYTES);

    // As well where nodes are watched.
    drop(backplane);
    let connections = server.connections();
    let store = Subscription.redis(&server).store();
    let _events = store.watch();
    eventually("another connection", async || server.connections() > connections + 1).await;
    memory_stays_bounded();
}

#[tokio::test]
async fn a_reply_of_more_values_than_are_held_fails_its_call_only() {
    let server = FakeRedis::start(|command| match &*name(command) {
        "evalsha" if command.contains(&b"many".to_vec()) => {
            Answer::Reply([b"*600000\r\n".to_vec(), b"_\r\n".repeat(600_000)].concat())
        }
        _ => usual(command),
    })
    .await;
    let redis = Redis::url(&server.url()).unwrap().build().unwrap();
    let store = redis.store();
    let add = async |user: &str| store.add_user(&"hub".into(), &"group".into(), &user.into(), None).await;
    add("user").await.unwrap();
    let connections = server.connections();
    for _ in 0..3 {
        let failure = brief_causes(&add("many").await.unwrap_err()).to_string();
        assert!(failure.contains("too many values") && failure.contains("groups"), "{failure}");
        add("user").await.unwrap();
    }
    assert_eq!(server.connections(), connections);
    memory_stays_bounded();
}

#[tokio::test]
async fn a_cluster_of_more_primaries_than_there_can_be_is_not_connected_to() {
    let server = FakeRedis::start(|command| match &*name(command) {
        "cluster slots" => {
            let range = |number: u32| {
                let (first, last, port) = (8 * number, 8 * number + 7, 1 + number);
                format!("*3\r\n:{first}\r\n:{last}\r\n*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n")
            };
            let ranges: String = (0..2_048).map(range).collect();
            Answer::Reply(format!("*2048\r\n{ranges}").into_bytes())
        }
        _ => usual(command),
    })
    .await;
    let failure = Cluster.failure(&server).await;
    assert!(failure.contains("more than 1000 primaries"), "{failure}");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_host_with_a_name_of_megabytes_is_not_connected_to_and_not_named() {
    for asked in [Sentinel, Cluster] {
        let server = FakeRedis::start(move |command| {
            let host = format!("${}\r\n{}\r\n", 4_000_000, "h".repeat(4_000_000));
            match &*name(command) {
                "sentinel get-master-addr-by-name" => {
                    Answer::Reply(format!("*2\r\n{host}$4\r\n6379\r\n").into_bytes())
                }
                "cluster slots" => {
                    Answer::Reply(format!("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n{host}:6379\r\n").into_bytes())
                }
                _ => usual(command),
            }
        })
        .await;
        let failure = asked.failure(&server).await;
        assert!(failure.contains("whose host has more than 255 bytes"), "{asked:?}");
        assert!(failure.len() < 1_000, "{asked:?}: {} bytes", failure.len());
    }
}

#[tokio::test]
async fn a_message_of_hundreds_of_megabytes_is_skipped_as_it_is_read() {
    const BYTES: usize = 400_000_000;
    let first = b">3\r\n$9\r\nsubscribe\r\n$15\r\nhubward:1:nodes\r\n:1\r\n\
                  >3\r\n$7\r\nmessage\r\n$15\r\nhubward:1:nodes\r\n$400000000\r\n";
    let server = FakeRedis::start(|command| match &*name(command) {
        "subscribe" => Answer::Endless(first, vec![b'x'; 1024 * 1024]),
        _ => usual(command),
    })
    .await;
    let (backplane, noted) = (Subscription.redis(&server).backplane(), Arc::new(Noted::default()));
    backplane.start(noted.clone()).await.unwrap();
    backplane.subscribe(vec![Topic::Nodes]).await.remove(0).unwrap();
    // What follows it is not the beginning of anything.
    eventually("the interruption", async || !noted.reasons.lock().is_empty()).await;
    let reason = noted.reasons.lock().remove(0);
    assert!(reason.contains("not Redis's protocol"), "{reason}");
    assert_eq!(backplane.unreadable_messages(), 1);
    let sent = server.endless_bytes();
    assert!((BYTES..BYTES + MAX_SENT_BYTES).contains(&sent), "{sent} bytes");
    memory_stays_bounded();
}

#[tokio::test]
async fn a_message_that_is_too_long_is_counted_and_ignored() {
    // Redis would close a subscriber for which that much waits, by default.
    let settings = vec!["client-output-buffer-limit pubsub 0 0 0".to_owned()];
    let server = RedisServer::start(RedisOptions { settings, ..RedisOptions::default() }).await;
    let backplane = Redis::url(&server.url()).unwrap().build().unwrap().backplane();
    let noted = Arc::new(Noted::default());
    backplane.start(noted.clone()).await.unwrap();
    backplane.subscribe(vec![Topic::Nodes]).await.remove(0).unwrap();
    for length in [0, MAX_ENVELOPE_BYTES, MAX_ENVELOPE_BYTES + 1, MAX_ENVELOPE_BYTES + 8 * 1024 * 1024, 3] {
        let header = [b"\x93\x01\xc4\x08another!\xc6", &u32::try_from(length).unwrap().to_be_bytes()[..]];
        let message = [header.concat(), vec![b'x'; length]].concat();
        // As somebody else does who may publish there.
        assert_eq!(server.cli_with(&["PUBLISH", "hubward:1:nodes"], &message).await, "1");
    }
    eventually("the last one", async || noted.envelopes.lock().last() == Some(&3)).await;
    assert_eq!(*noted.envelopes.lock(), [0, MAX_ENVELOPE_BYTES, 3]);
    assert_eq!(backplane.unreadable_messages(), 2);
    assert_eq!(*noted.reasons.lock(), Vec::<String>::new());
    memory_stays_bounded();
}
