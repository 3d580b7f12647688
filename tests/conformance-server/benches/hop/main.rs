//! What the way between two nodes costs: requests and messages of connections that another node holds, beside the same at the
//! node that holds them. It starts `redis-server` and the nodes by itself, each a process. Measurements, not tests: ratios of
//! one run on one machine.
//!
//! `cargo bench -p hubward-conformance-server --bench hop -- requests` compares POSTs and polls; `-- messages` messages through a
//! WebSocket and an event stream; `-- idle` compares memory and files of what waits.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement that cannot be made is to end with the reason, and prints what it measures"
)]

mod connections;
mod idle;
mod loads;
mod nodes;
#[path = "../redis/processes.rs"]
#[allow(dead_code, reason = "the other benchmark needs more of it")]
mod processes;

use std::time::Duration;

use crate::loads::{EventStream, Load, Polls, Posts, WebSocket};
use crate::nodes::Nodes;
use crate::processes::{Measured, cpu, microseconds_each};

/// How often each is measured, in turn, and for how long. The least CPU of all counts.
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(1);
/// How many messages of a WebSocket are on their way at a time.
const WINDOWS: [usize; 2] = [1, 16];

/// What one request or message cost in one round, in µs: CPU of the owner and of the other node, and latency.
#[derive(Clone, Copy)]
struct Cost {
    cpu: [f64; 2],
    median: f64,
    p99: f64,
}

#[tokio::main]
async fn main() {
    // Cargo adds arguments of its own, which begin with dashes.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    match wanted.as_deref() {
        None => {
            let nodes = Nodes::start().await;
            requests(&nodes).await;
            messages(&nodes).await;
            drop(nodes);
            idle::measure().await;
        }
        Some("requests") => requests(&Nodes::start().await).await,
        Some("messages") => messages(&Nodes::start().await).await,
        Some("idle") => idle::measure().await,
        Some(other) => {
            panic!("there is no measurement of '{other}': say 'requests', 'messages' or 'idle'")
        }
    }
}

async fn requests(nodes: &Nodes) {
    println!("Requests, one after the other.");
    let posts = nodes.ways().map(|by| Posts::start(nodes, by));
    compare(nodes, "POST of 11 bytes", both(posts).await).await;
    let polls = nodes.ways().map(|by| Polls::start(nodes, by));
    compare(nodes, "poll of a result, after a POST to its node", both(polls).await).await;
}

async fn messages(nodes: &Nodes) {
    println!("Calls without arguments, and their results.");
    for window in WINDOWS {
        let sockets = nodes.ways().map(|by| WebSocket::start(nodes, by, window));
        compare(nodes, &format!("WebSocket, {window} on their way"), both(sockets).await).await;
    }
    let streams = nodes.ways().map(|by| EventStream::start(nodes, by));
    compare(nodes, "event stream, after a POST to its node", both(streams).await).await;
}

async fn both<T>(starting: [impl Future<Output = T>; 2]) -> [T; 2] {
    let [direct, hop] = starting;
    [direct.await, hop.await]
}

/// Measures the same at the node itself and by the other one, in turn.
async fn compare<L: Load>(nodes: &Nodes, name: &str, mut loads: [L; 2]) {
    println!(
        "{name}: µs each; CPU of its node + the other, the least of {ROUNDS}; latency, the median of {ROUNDS}"
    );
    let mut costs: [Vec<Cost>; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (load, costs) in loads.iter_mut().zip(&mut costs) {
            costs.push(round(nodes, load).await);
        }
    }
    let [direct, hop] = costs.map(|costs| best(&costs));
    let total = |cost: &Cost| cost.cpu.iter().sum::<f64>();
    for (name, cost) in [("direct", direct), ("hop", hop)] {
        let [owner, other] = cost.cpu;
        println!(
            "  {name:6} CPU {:6.1} = {owner:5.1} + {other:5.1}   latency {:7.1}, 99th percentile {:7.1}",
            total(&cost),
            cost.median,
            cost.p99
        );
    }
    println!(
        "  ratio  CPU {:6.2}                   latency {:7.2}, 99th percentile {:7.2}",
        total(&hop) / total(&direct),
        hop.median / direct.median,
        hop.p99 / direct.p99
    );
    println!(
        "  added  CPU {:6.1} = {:5.1} + {:5.1}   latency {:7.1}, 99th percentile {:7.1}",
        total(&hop) - total(&direct),
        hop.cpu[0] - direct.cpu[0],
        hop.cpu[1] - direct.cpu[1],
        hop.median - direct.median,
        hop.p99 - direct.p99
    );
}

async fn round(nodes: &Nodes, load: &mut impl Load) -> Cost {
    let processes = nodes.ways().map(Measured::id);
    load.run(ROUND / 10).await;
    let before = processes.map(cpu);
    let mut latencies = load.run(ROUND).await;
    let after = processes.map(cpu);
    latencies.sort_unstable();
    let number = latencies.len();
    let percentile = |percent: usize| microseconds_each(latencies[(number - 1) * percent / 100], 1);
    let used = |place: usize| microseconds_each(after[place] - before[place], number);
    Cost { cpu: [0, 1].map(used), median: percentile(50), p99: percentile(99) }
}

/// The CPU of the round that took least, and the median of the latencies of all.
fn best(costs: &[Cost]) -> Cost {
    let least = costs.iter().min_by(|a, b| a.cpu.iter().sum::<f64>().total_cmp(&b.cpu.iter().sum()));
    let median = |of: fn(&Cost) -> f64| {
        let mut all: Vec<f64> = costs.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    Cost { cpu: least.unwrap().cpu, median: median(|cost| cost.median), p99: median(|cost| cost.p99) }
}
