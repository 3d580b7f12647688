//! What waits costs memory and files on both nodes: WebSockets without messages, and polls without results.

use std::time::Duration;

use hubward_testing::Http;

use crate::connections::{long_polling, web_socket};
use crate::nodes::Nodes;
use crate::processes::Measured;

/// Of each kind, and on each way.
const CONNECTIONS: usize = 1_000;
const FIRST: usize = 50;
/// As long as an allocator takes to return what it does not need.
const SETTLING: Duration = Duration::from_secs(1);

/// What a process has.
#[derive(Clone, Copy)]
struct Held {
    bytes: usize,
    files: usize,
}

pub(crate) async fn measure() {
    println!("Idle connections, the mean of {CONNECTIONS}: memory and files at their node + the other");
    for kind in [Kind::WebSocket, Kind::Poll] {
        for (way, number) in [("direct", 0), ("hop", 1)] {
            // New ones: memory that was used before would be used again.
            let nodes = Nodes::start().await;
            let by = nodes.ways()[number];
            // What the first connections cost besides is not theirs.
            let _first = waiting(&nodes, by, kind, FIRST).await;
            let before = held(&nodes);
            let _waiting = waiting(&nodes, by, kind, CONNECTIONS).await;
            tokio::time::sleep(SETTLING).await;
            let after = held(&nodes);
            let each = |of: fn(&Held) -> usize| {
                [0, 1]
                    .map(|place| (of(&after[place]) as f64 - of(&before[place]) as f64) / CONNECTIONS as f64)
            };
            let ([owner, other], files) = (each(|held| held.bytes), each(|held| held.files));
            println!(
                "  {:9} {way:6} {:5.1} + {:5.1} KiB, {:.2} + {:.2} files",
                kind.name(),
                owner / 1024.0,
                other / 1024.0,
                files[0],
                files[1]
            );
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    WebSocket,
    Poll,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "WebSocket",
            Self::Poll => "poll",
        }
    }
}

async fn waiting(nodes: &Nodes, by: &Measured, kind: Kind, number: usize) -> Vec<Http> {
    let mut waiting = Vec::new();
    for _ in 0..number {
        waiting.push(match kind {
            Kind::WebSocket => web_socket(&nodes.owner, by).await,
            Kind::Poll => {
                let target = long_polling(&nodes.owner).await;
                let mut http = Http::connect(by.address()).await;
                http.send("GET", &target, &[], b"").await;
                http
            }
        });
    }
    waiting
}

fn held(nodes: &Nodes) -> [Held; 2] {
    [&nodes.owner, &nodes.other]
        .map(|node| Held { bytes: resident_bytes(node.id()), files: files(node.id()) })
}

/// Returns how much memory of a process is resident.
fn resident_bytes(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Counts the open files of a process.
fn files(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}
