//! What is measured, over and over: a request or a message, by either node.

use std::collections::VecDeque;
use std::time::Duration;

use hubward_testing::Http;
use hubward_testing::frame::{TEXT, masked};
use tokio::time::Instant;

use crate::connections::{self, CALL, PING, ask};
use crate::nodes::Nodes;
use crate::processes::Measured;

/// After how many results of a stateful connection the client acknowledges them.
const ACKNOWLEDGED: u64 = 64;

/// Something that takes time, over and over.
pub(crate) trait Load {
    /// Does it for some time; returns how long each took.
    async fn run(&mut self, time: Duration) -> Vec<Duration>;
}

/// POSTs that nothing is answered to.
pub(crate) struct Posts {
    /// Keeps the connection open.
    _stream: Http,
    http: Http,
    target: String,
}

/// Polls of a result that is there.
pub(crate) struct Polls {
    /// Where the calls go: straight to the owner.
    calls: Http,
    polls: Http,
    target: String,
}

/// Results that come as events.
pub(crate) struct EventStream {
    calls: Http,
    stream: Http,
    target: String,
}

/// Calls and results over one WebSocket.
pub(crate) struct WebSocket {
    http: Http,
    window: usize,
    received: u64,
}

impl Posts {
    pub(crate) async fn start(nodes: &Nodes, by: &Measured) -> Self {
        let (stream, target) = connections::event_stream(&nodes.owner, &nodes.owner).await;
        Self { _stream: stream, http: Http::connect(by.address()).await, target }
    }
}

impl Polls {
    pub(crate) async fn start(nodes: &Nodes, by: &Measured) -> Self {
        let target = connections::long_polling(&nodes.owner).await;
        let calls = Http::connect(nodes.owner.address()).await;
        Self { calls, polls: Http::connect(by.address()).await, target }
    }
}

impl EventStream {
    pub(crate) async fn start(nodes: &Nodes, by: &Measured) -> Self {
        let (stream, target) = connections::event_stream(&nodes.owner, by).await;
        Self { calls: Http::connect(nodes.owner.address()).await, stream, target }
    }
}

impl WebSocket {
    pub(crate) async fn start(nodes: &Nodes, by: &Measured, window: usize) -> Self {
        Self { http: connections::web_socket(&nodes.owner, by).await, window, received: 0 }
    }

    /// Waits for results; returns how many have come.
    async fn results(&mut self) -> usize {
        let (_, frame) = self.http.frame().await.unwrap();
        let results = String::from_utf8_lossy(&frame).matches("\"type\":3").count();
        for _ in 0..results {
            self.received += 1;
            if self.received.is_multiple_of(ACKNOWLEDGED) {
                let acknowledgement = format!("{{\"type\":8,\"sequenceId\":{}}}\u{1e}", self.received);
                self.http.write(&masked(TEXT, acknowledgement.as_bytes())).await;
            }
        }
        results
    }
}

impl Load for Posts {
    async fn run(&mut self, time: Duration) -> Vec<Duration> {
        let (begun, mut took) = (Instant::now(), Vec::new());
        while begun.elapsed() < time {
            let sent = Instant::now();
            ask(&mut self.http, "POST", &self.target, PING).await;
            took.push(sent.elapsed());
        }
        took
    }
}

impl Load for Polls {
    async fn run(&mut self, time: Duration) -> Vec<Duration> {
        let (begun, mut took) = (Instant::now(), Vec::new());
        while begun.elapsed() < time {
            ask(&mut self.calls, "POST", &self.target, CALL).await;
            let sent = Instant::now();
            while !ask(&mut self.polls, "GET", &self.target, b"").await.contains("\"type\":3") {}
            took.push(sent.elapsed());
        }
        took
    }
}

impl Load for EventStream {
    async fn run(&mut self, time: Duration) -> Vec<Duration> {
        let (begun, mut took) = (Instant::now(), Vec::new());
        while begun.elapsed() < time {
            let sent = Instant::now();
            self.calls.send("POST", &self.target, &[], CALL).await;
            connections::until(&mut self.stream, "\"type\":3").await;
            took.push(sent.elapsed());
            assert_eq!(self.calls.response().await.status, 200);
        }
        took
    }
}

impl Load for WebSocket {
    async fn run(&mut self, time: Duration) -> Vec<Duration> {
        let (begun, mut took) = (Instant::now(), Vec::new());
        let call = masked(TEXT, CALL);
        let mut sent_at = VecDeque::from(vec![begun; self.window]);
        self.http.write(&call.repeat(self.window)).await;
        while !sent_at.is_empty() {
            let results = self.results().await;
            let now = Instant::now();
            took.extend(sent_at.drain(..results).map(|at| now - at));
            if begun.elapsed() < time && results > 0 {
                self.http.write(&call.repeat(results)).await;
                sent_at.extend(vec![now; results]);
            }
        }
        took
    }
}
