//! A message to one user on another node beside the floor: CPU of sender, Redis and receiver, and latency. A program
//! sends when a byte comes over its control connection, so that both are driven alike; a node's message ends at a client
//! over a WebSocket, the floor's at a control connection.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use hubward::auth::{KeyRing, SealingKey};
use hubward::redis::Redis;
use hubward::{Hub, Hubward};
use hubward_testing::redis::{RedisOptions, RedisServer};
use hubward_tests::{Connect, TestClient, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::processes::{Measured, cpu, microseconds_each, token};

/// What a message says, in bytes.
const TEXT_BYTES: usize = 64;
/// How many messages are on their way at a time.
const WINDOWS: [usize; 2] = [1, 16];
/// How often each is measured, in turn, and for how long. The least CPU of all counts.
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(2);
/// Where the sender's program is in Redis.
const PREFIX: &str = "bench";

/// A sender and a receiver.
struct Pair {
    name: &'static str,
    sender: Measured,
    receiver: Measured,
    control: TcpStream,
    received: Received,
}

/// Where messages end.
enum Received {
    AtClient(TestClient),
    AtControl(TcpStream),
}

/// What a message cost in one round, in µs: CPU of sender, Redis and receiver, and latency.
#[derive(Clone, Copy)]
struct Cost {
    cpu: [f64; 3],
    median: f64,
    p99: f64,
}

pub(crate) async fn measure() {
    let redis = RedisServer::start(RedisOptions::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut nodes = nodes(&redis, &listener).await;
    let (channel, message) = published(&redis, &mut nodes).await;
    let floor = floor(&redis, &listener, &channel, &message).await;
    println!(
        "A message of {TEXT_BYTES} bytes to one user of another node: {} bytes in Redis.",
        message.len()
    );
    println!(
        "µs a message; CPU of sender + Redis + receiver, the least of {ROUNDS}; latency, the median of {ROUNDS}"
    );
    let mut pairs = [floor, nodes];
    for window in WINDOWS {
        let mut costs: [Vec<Cost>; 2] = Default::default();
        for _ in 0..ROUNDS {
            for (pair, costs) in pairs.iter_mut().zip(&mut costs) {
                costs.push(pair.run(&redis, window).await);
            }
        }
        let total = |cost: &Cost| cost.cpu.iter().sum::<f64>();
        let best =
            costs.each_ref().map(|costs| *costs.iter().min_by(|a, b| total(a).total_cmp(&total(b))).unwrap());
        let median = |of: fn(&Cost) -> f64| {
            costs.each_ref().map(|costs| {
                let mut all: Vec<f64> = costs.iter().map(of).collect();
                all.sort_by(f64::total_cmp);
                all[ROUNDS / 2]
            })
        };
        let (medians, p99s) = (median(|cost| cost.median), median(|cost| cost.p99));
        println!("{window} on their way:");
        for (place, pair) in pairs.iter().enumerate() {
            let [sender, server, receiver] = best[place].cpu;
            println!(
                "  {:6} CPU {:6.1} = {sender:5.1} + {server:5.1} + {receiver:5.1}   latency {:7.1}, 99th percentile {:7.1}",
                pair.name,
                total(&best[place]),
                medians[place],
                p99s[place],
            );
        }
        println!(
            "  ratio  CPU {:6.2}   latency {:.2}",
            total(&best[1]) / total(&best[0]),
            medians[1] / medians[0]
        );
    }
}

async fn nodes(redis: &RedisServer, listener: &TcpListener) -> Pair {
    let (url, control) = (redis.url(), listener.local_addr().unwrap().to_string());
    let receiver = Measured::node(&["--redis", &url, "--redis-prefix", PREFIX]).await;
    let client = Connect::new(receiver.address(), "/bench").token(&token("alice")).open().await;
    let sender = Measured::role(&["node-sender", &url, &control]);
    let control = accept(listener).await;
    Pair { name: "nodes", sender, receiver, control, received: Received::AtClient(client) }
}

async fn floor(redis: &RedisServer, listener: &TcpListener, channel: &str, message: &[u8]) -> Pair {
    let (url, control) = (redis.url(), listener.local_addr().unwrap().to_string());
    let file = redis.folder().join("message");
    std::fs::write(&file, message).unwrap();
    let receiver = Measured::role(&["floor-receiver", &url, &control, channel]);
    let received = Received::AtControl(accept(listener).await);
    let sender = Measured::role(&["floor-sender", &url, &control, channel, file.to_str().unwrap()]);
    let control = accept(listener).await;
    Pair { name: "floor", sender, receiver, control, received }
}

/// Waits for a program that is ready.
async fn accept(listener: &TcpListener) -> TcpStream {
    let (mut control, _) = within("a program to connect", listener.accept()).await.unwrap();
    control.set_nodelay(true).unwrap();
    within("a program to be ready", control.read_u8()).await.unwrap();
    control
}

/// Returns the channel and the bytes that a node publishes; the floor's channel is another of the same length.
async fn published(redis: &RedisServer, nodes: &mut Pair) -> (String, Vec<u8>) {
    let mut subscriber = redis::Client::open(redis.url()).unwrap().get_async_pubsub().await.unwrap();
    subscriber.psubscribe(format!("{PREFIX}:*")).await.unwrap();
    nodes.control.write_all(b".").await.unwrap();
    nodes.received.some().await;
    let message = within("the publication", subscriber.on_message().next()).await.unwrap();
    let channel: String = message.get_channel().unwrap();
    (channel.replacen(PREFIX, "floor", 1), message.get_payload_bytes().to_vec())
}

impl Pair {
    async fn run(&mut self, redis: &RedisServer, window: usize) -> Cost {
        let processes = [self.sender.id(), redis.process_id(), self.receiver.id()];
        self.exchange(window, ROUND / 10).await;
        let before = processes.map(cpu);
        let mut latencies = self.exchange(window, ROUND).await;
        let after = processes.map(cpu);
        latencies.sort_unstable();
        let messages = latencies.len();
        let percentile = |percent: usize| microseconds_each(latencies[(messages - 1) * percent / 100], 1);
        let used = |place: usize| microseconds_each(after[place] - before[place], messages);
        Cost { cpu: [0, 1, 2].map(used), median: percentile(50), p99: percentile(99) }
    }

    /// Has so many messages on their way for some time; returns the latency of each.
    async fn exchange(&mut self, window: usize, time: Duration) -> Vec<Duration> {
        let (began, mut latencies) = (Instant::now(), Vec::new());
        let mut sent_at = std::collections::VecDeque::from(vec![began; window]);
        self.control.write_all(&vec![b'.'; window]).await.unwrap();
        while !sent_at.is_empty() {
            let received = self.received.some().await;
            let now = Instant::now();
            latencies.extend(sent_at.drain(..received).map(|at| now - at));
            if began.elapsed() < time {
                self.control.write_all(&vec![b'.'; received]).await.unwrap();
                sent_at.extend(vec![now; received]);
            }
        }
        latencies
    }
}

impl Received {
    /// Waits for messages; returns how many have come.
    async fn some(&mut self) -> usize {
        match self {
            Self::AtClient(client) => {
                client.receive().await;
                // All that has come, as the control connection's reads take it: what is sent next leaves together, too.
                1 + std::iter::from_fn(|| client.next().now_or_never()).map(Result::unwrap).count()
            }
            Self::AtControl(control) => within("a message", control.read(&mut [0; 1024])).await.unwrap(),
        }
    }
}

/// The role of the node that sends.
pub(crate) async fn send(url: &str, control: &str) {
    let redis = Redis::url(url).unwrap().prefix(PREFIX).build().unwrap();
    let keys =
        KeyRing::new(vec![SealingKey::from_bytes(*b"benchmarks-of-nodes-token-key-32").unwrap()]).unwrap();
    let hubs =
        Hubward::builder().hub("/bench", Hub::new("bench")).redis(&redis, "sender", keys).build().unwrap();
    hubs.start().await.unwrap();
    let (hub, text) = (hubs.hub("bench").unwrap(), "x".repeat(TEXT_BYTES));
    let mut control = TcpStream::connect(control).await.unwrap();
    control.write_all(b"!").await.unwrap();
    let mut wanted = [0; 1024];
    while let Ok(messages @ 1..) = control.read(&mut wanted).await {
        for _ in 0..messages {
            hub.clients().user("alice").send("Message", (&text,)).await.unwrap();
        }
    }
}
