//! How a process drains on SIGTERM, from outside: what is served in each phase, and that it ends in time.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, and clippy takes only test functions for tests"
)]

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use hubward_testing::Port;
use hubward_tests::{Connect, Http, Response, TestClient, eventually, within};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::Instant;

struct Process {
    child: Child,
    port: Port,
}

impl Process {
    /// Starts a node that drains in so many milliseconds, and waits until it listens.
    async fn start(drain_delay: u64, grace: u64) -> Self {
        let port = Port::reserve();
        let (delay, grace) = (drain_delay.to_string(), grace.to_string());
        let mut child = Command::new(env!("CARGO_BIN_EXE_conformance-server"))
            .args(["--listen", &port.address().to_string(), "--drain-delay", &delay, "--grace", &grace])
            .env("HUBWARD_LOG", "info")
            .env("NO_COLOR", "1")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let mut listening = async || lines.next_line().await.unwrap().unwrap() == "listening";
        within("the node to listen", async { while !listening().await {} }).await;
        Self { child, port }
    }

    fn address(&self) -> SocketAddr {
        self.port.address()
    }

    fn terminate(&self) {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
    }

    async fn get(&self, path: &str) -> Response {
        Http::exchange(self.address(), "GET", path, &[], b"").await
    }

    async fn client(&self) -> TestClient {
        Connect::new(self.address(), "/cluster").open().await
    }

    async fn until_not_ready(&self) {
        eventually("the node to be not ready", async || self.get("/health/ready").await.status == 503).await;
    }

    /// Waits for the end; returns with what the process has logged.
    async fn ended(mut self) -> (ExitStatus, String) {
        let mut log = String::new();
        let status = within("the process to end", self.child.wait()).await.unwrap();
        self.child.stdout.as_mut().unwrap().read_to_string(&mut log).await.unwrap();
        (status, log)
    }
}

/// The Close message that the client gets next, whatever else comes before.
async fn closed(client: &mut TestClient) -> Value {
    within("the Close message", client.ended()).await.close.unwrap()
}

#[tokio::test]
async fn a_node_is_not_ready_then_refuses_connections_then_closes_those_it_has_and_ends() {
    let process = Process::start(1_500, 8_000).await;
    let ready = process.get("/health/ready").await;
    assert_eq!(
        (ready.status, ready.text(), ready.header("cache-control")),
        (200, "ready\n", Some("no-store"))
    );
    let mut client = process.client().await;
    let slow = client.begin("Slow", json!([3_500, "done"])).await;
    let token = Connect::new(process.address(), "/cluster").connection_token().await;
    let begun = Instant::now();
    process.terminate();
    process.until_not_ready().await;
    assert_eq!(process.get("/health/live").await.status, 200);
    let mut late = process.client().await;
    assert!(begun.elapsed() < Duration::from_millis(1_500), "the machine is too slow for this test");
    let negotiate = async || Connect::new(process.address(), "/cluster").negotiate().await;
    eventually("negotiation to be refused", async || negotiate().await.status == 503).await;
    assert!(begun.elapsed() >= Duration::from_millis(1_500), "{:?}", begun.elapsed());
    assert_eq!(negotiate().await.header("retry-after"), Some("1"));
    let refused = Connect::new(process.address(), "/cluster").upgrade(Some(&token)).await.err().unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(client.completion(&slow).await["result"], "done", "what runs comes to its end");
    let reconnect = json!({ "type": 7, "allowReconnect": true });
    assert_eq!((closed(&mut client).await, closed(&mut late).await), (reconnect.clone(), reconnect));
    let address = process.address();
    let (status, log) = process.ended().await;
    assert!(status.success(), "{status}");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(TcpStream::connect(address).await.is_err());
    for phase in ["not_ready", "handing_over", "closing", "ending"] {
        let line = format!("phase=\"{phase}\"");
        assert_eq!(log.lines().filter(|logged| logged.contains(&line)).count(), 1, "{phase}: {log}");
    }
}

#[tokio::test]
async fn a_call_and_a_stream_without_an_end_do_not_keep_a_process_beyond_its_grace_time() {
    let process = Process::start(0, 3_000).await;
    let (mut calling, mut streaming) = (process.client().await, process.client().await);
    calling.begin("Slow", json!([600_000, ""])).await;
    streaming.begin_stream("Stream", json!([1_000_000, 100])).await;
    streaming.receive().await;
    let begun = Instant::now();
    process.terminate();
    for client in [&mut calling, &mut streaming] {
        assert_eq!(closed(client).await, json!({ "type": 7, "allowReconnect": true }));
    }
    assert!(process.ended().await.0.success());
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let process = Process::start(600_000, 1_200_000).await;
    let mut client = process.client().await;
    client.begin("Slow", json!([600_000, ""])).await;
    process.terminate();
    process.until_not_ready().await;
    let begun = Instant::now();
    process.terminate();
    assert!(process.ended().await.0.success());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_idle_process_ends_when_its_drain_delay_is_over() {
    let process = Process::start(0, 600_000).await;
    let begun = Instant::now();
    process.terminate();
    assert!(process.ended().await.0.success());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn fifty_clients_are_closed_over_a_window_and_not_together() {
    let process = Process::start(0, 8_000).await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(process.client().await);
    }
    let begun = Instant::now();
    process.terminate();
    let closings = clients.iter_mut().map(async |client| {
        closed(client).await;
        begun.elapsed().as_millis()
    });
    let mut closings = futures_util::future::join_all(closings).await;
    closings.sort_unstable();
    // The window is somewhat over three seconds.
    let within_a_second =
        |from: &u128| closings.iter().filter(|at| (*from..*from + 1_000).contains(*at)).count();
    let most = closings.iter().map(within_a_second).max().unwrap();
    assert!(most <= 25, "{closings:?}");
    assert!(process.ended().await.0.success());
}
