//! A broadcast to many connections: CPU of two nodes and Redis for a delivery, beside that of one node without Redis.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use hubward_testing::frame::{TEXT, masked};
use hubward_testing::redis::{RedisOptions, RedisServer};
use hubward_tests::{Connect, within};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::processes::{Measured, cpu};

/// What a message says, in bytes.
const TEXT_BYTES: usize = 64;
const CONNECTIONS: usize = 1_000;
/// How many broadcasts are on their way at a time: one is until all connections have it.
const WINDOWS: [u64; 2] = [1, 16];
/// How often each is measured, in turn, and for how long.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);
const WARM_UP: Duration = Duration::from_millis(500);
/// What ends each hub message.
const SEPARATOR: u8 = 0x1E;

/// Nodes with their clients.
struct Cluster {
    name: &'static str,
    processes: Vec<u32>,
    /// Held for as long as they are measured.
    _nodes: Vec<Measured>,
    /// The halves to write of all connections. The first one broadcasts.
    writers: Vec<OwnedWriteHalf>,
    deliveries: Rc<Deliveries>,
}

/// What the clients of a cluster have received.
#[derive(Default)]
struct Deliveries {
    number: Cell<u64>,
    /// How many connections each broadcast has reached that has not reached all, the first one first.
    reached: RefCell<VecDeque<usize>>,
    /// How many broadcasts have reached all.
    complete: Cell<u64>,
    /// Notifies whoever sends.
    progress: Notify,
}

impl Deliveries {
    /// Notes that a connection has received broadcasts of these numbers.
    fn note(&self, received: std::ops::Range<u64>) {
        let (mut reached, complete) = (self.reached.borrow_mut(), self.complete.get());
        self.number.set(self.number.get() + received.end - received.start);
        for number in received {
            let place = (number - complete) as usize;
            if reached.len() <= place {
                reached.resize(place + 1, 0);
            }
            reached[place] += 1;
        }
        while reached.front() == Some(&CONNECTIONS) {
            reached.pop_front();
            self.complete.set(self.complete.get() + 1);
            self.progress.notify_one();
        }
    }

    /// Counts what comes over one connection.
    async fn receive(self: Rc<Self>, mut client: OwnedReadHalf) {
        let (mut received, mut buffer) = (0, vec![0; 16 * 1024]);
        while let Ok(length @ 1..) = client.read(&mut buffer).await {
            let messages = messages_in(&buffer[..length]);
            self.note(received..received + messages);
            received += messages;
        }
    }
}

/// Runs in one thread: the clients are to take little from the nodes.
pub(crate) fn measure() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, compare());
}

async fn compare() {
    println!(
        "A broadcast of {TEXT_BYTES} bytes to {CONNECTIONS} connections: CPU for a delivery in µs, the median of {ROUNDS}."
    );
    let redis = RedisServer::start(RedisOptions::default()).await;
    let one = Cluster::start("one node", 1, None).await;
    let two = Cluster::start("two nodes and Redis", 2, Some(&redis)).await;
    let mut clusters = [one, two];
    for window in WINDOWS {
        let mut costs: [Vec<f64>; 2] = Default::default();
        for _ in 0..ROUNDS {
            for (cluster, costs) in clusters.iter_mut().zip(&mut costs) {
                costs.push(cluster.run(window).await);
            }
        }
        let medians = costs.map(|mut costs| {
            costs.sort_by(f64::total_cmp);
            costs[ROUNDS / 2]
        });
        println!("{window} on their way:");
        for (cluster, cost) in clusters.iter().zip(medians) {
            println!("  {:20} {cost:6.3}", cluster.name);
        }
        println!("  ratio                {:6.2}", medians[1] / medians[0]);
    }
}

impl Cluster {
    async fn start(name: &'static str, number: usize, redis: Option<&RedisServer>) -> Self {
        let url = redis.map(RedisServer::url);
        let arguments: Vec<&str> = url.iter().flat_map(|url| ["--redis", url]).collect();
        let mut nodes = Vec::new();
        for _ in 0..number {
            nodes.push(Measured::node(&arguments).await);
        }
        let deliveries = Rc::<Deliveries>::default();
        let mut writers = Vec::new();
        for place in 0..CONNECTIONS {
            let (reader, writer) = connect(&nodes[place % number]).await.into_split();
            tokio::task::spawn_local(deliveries.clone().receive(reader));
            writers.push(writer);
        }
        let processes = nodes.iter().map(Measured::id).chain(redis.map(RedisServer::process_id)).collect();
        Self { name, processes, _nodes: nodes, writers, deliveries }
    }

    /// Has so many broadcasts on their way for some time. Returns the CPU for a delivery in µs.
    async fn run(&mut self, window: u64) -> f64 {
        let cpu_of_all = |processes: &[u32]| processes.iter().map(|process| cpu(*process)).sum::<Duration>();
        let number = &self.deliveries.number;
        let sending = send(&mut self.writers[0], window, WARM_UP + ROUND, &self.deliveries);
        let measuring = async {
            tokio::time::sleep(WARM_UP).await;
            let before = (cpu_of_all(&self.processes), number.get());
            tokio::time::sleep(ROUND).await;
            let after = (cpu_of_all(&self.processes), number.get());
            (after.0 - before.0).as_secs_f64() * 1e6 / (after.1 - before.1) as f64
        };
        let ((), cost) = tokio::join!(sending, measuring);
        cost
    }
}

/// Counts messages by what ends each. Pings, which come to clients of the cluster that is not measured, are none.
fn messages_in(bytes: &[u8]) -> u64 {
    let mut parts = bytes.split(|byte| *byte == SEPARATOR);
    parts.next_back();
    parts.filter(|part| !part.ends_with(br#"{"type":6}"#)).count() as u64
}

/// Opens a connection and returns its socket.
async fn connect(node: &Measured) -> TcpStream {
    Connect::new(node.address(), "/bench").open().await.into_http().into_parts().0
}

/// Broadcasts, again for each broadcast that has reached all, until the time is over and all have.
async fn send(sender: &mut OwnedWriteHalf, window: u64, time: Duration, deliveries: &Deliveries) {
    let call = json!({ "type": 1, "target": "Broadcast", "arguments": ["x".repeat(TEXT_BYTES)] });
    let call = masked(TEXT, &[call.to_string().as_bytes(), &[SEPARATOR]].concat());
    let end = Instant::now() + time;
    let mut sent = deliveries.complete.get();
    loop {
        let outstanding = sent - deliveries.complete.get();
        if Instant::now() >= end {
            if outstanding == 0 {
                return;
            }
        } else if outstanding < window {
            sender.write_all(&call.repeat((window - outstanding) as usize)).await.unwrap();
            sent += window - outstanding;
        }
        within("a broadcast to reach all", deliveries.progress.notified()).await;
    }
}
