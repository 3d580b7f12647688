//! The graceful end of the guide's program: the hubs drain, then the listener stops, and each client is notified. What operators
//! and load balancers ask it meanwhile.

use std::net::SocketAddr;

use std::time::Duration;

use hubward::transport::raw;
use hubward::{CancellationToken, DrainOptions, DrainPhase, Hub, Hubward, ServeOptions};
use hubward_tests::{
    Connect, HANDSHAKE, Http, Response, echo_bytes, eventually, frame, header_lines, request, within,
};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Begins a stream of events, whose response lasts as long as its connection.
async fn begin_events(address: SocketAddr) -> Http {
    let token = Connect::new(address, "/hub").connection_token().await;
    let mut http = Http::connect(address).await;
    let accept = header_lines(&[("Accept", "text/event-stream")]);
    http.write(&request("GET", &format!("/hub?id={token}"), &accept, b"")).await;
    assert_eq!(http.head().await.status, 200);
    http
}

/// Connects over long polling, and returns where to poll; no poll is pending then.
async fn begin_polling(address: SocketAddr) -> String {
    let target = format!("/hub?id={}", Connect::new(address, "/hub").connection_token().await);
    for (method, body) in [("GET", &b""[..]), ("POST", HANDSHAKE), ("GET", b"")] {
        assert_eq!(Http::exchange(address, method, &target, &[], body).await.status, 200);
    }
    target
}

/// The program of the guide, which drains when `signal` is cancelled, or somebody asks for it.
async fn run(hubs: Hubward, listener: TcpListener, signal: CancellationToken, options: DrainOptions) {
    let stop = CancellationToken::new();
    let serve_options = ServeOptions { shutdown: stop.clone(), ..ServeOptions::default() };
    let app = hubs.health().merge(hubs.drain_route(options));
    let serving = hubward::serve(listener, hubs.mount(app), serve_options);
    let stopping = async {
        tokio::select! {
            () = signal.cancelled() => {}
            () = hubs.drain_begun() => {}
        }
        hubs.drain(options).await;
        stop.cancel();
        Ok(())
    };
    tokio::try_join!(serving, stopping).unwrap();
}

/// A program that runs until it has ended by itself.
struct Program {
    address: SocketAddr,
    hubs: Hubward,
    signal: CancellationToken,
    running: JoinSet<()>,
}

impl Program {
    async fn start(options: DrainOptions) -> Self {
        let hubs = Hubward::builder().hub("/hub", Hub::new("hub")).build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (signal, mut running) = (CancellationToken::new(), JoinSet::new());
        running.spawn(run(hubs.clone(), listener, signal.clone(), options));
        Self { address, hubs, signal, running }
    }

    async fn request(&self, method: &str, path: &str) -> Response {
        Http::exchange(self.address, method, path, &[], b"").await
    }

    async fn ended(mut self) {
        within("the end of the program", self.running.join_next()).await.unwrap().unwrap();
        assert!(TcpStream::connect(self.address).await.is_err(), "nobody listens any more");
    }
}

#[tokio::test]
async fn a_program_that_stops_notifies_its_clients_and_ends() {
    let program = Program::start(DrainOptions::without_delay(Duration::from_secs(20))).await;
    let address = program.address;
    let mut web_socket = Connect::new(address, "/hub").open().await;
    let mut events = begin_events(address).await;
    let polling = begin_polling(address).await;
    program.signal.cancel();
    let ended = web_socket.ended().await;
    assert_eq!(ended.close.unwrap(), json!({ "type": 7, "allowReconnect": true }));
    within("the end of the stream of events", async { while events.chunk().await.is_some() {} }).await;
    let refused = Connect::new(address, "/hub").negotiate().await;
    assert_eq!(refused.status, 503, "a load balancer tries another node");
    let polled = Http::exchange(address, "GET", &polling, &[], b"").await;
    let close = br#"{"type":7,"allowReconnect":true}"#;
    assert!(polled.body.starts_with(close), "who polls only now is notified, too: {polled:?}");
    Http::exchange(address, "DELETE", &polling, &[], b"").await;
    program.ended().await;
}

#[tokio::test]
async fn a_request_begins_a_drain_and_the_program_ends_as_on_a_signal() {
    let options = DrainOptions {
        delay: Duration::from_millis(500),
        grace: Duration::from_secs(20),
        close_window: Some(Duration::ZERO),
    };
    let program = Program::start(options).await;
    assert!(program.hubs.is_ready());
    let mut client = Connect::new(program.address, "/hub").open().await;
    assert_eq!(program.request("GET", "/drain").await.status, 405, "nobody drains it by looking");
    for _ in 0..2 {
        let asked = program.request("POST", "/drain").await;
        assert_eq!((asked.status, asked.header("content-type")), (202, Some("application/json")));
        let expected = json!({ "phase": "not_ready", "connections": 1, "closed": 0, "cut": 0 });
        assert_eq!(asked.json(), expected);
    }
    assert!(!program.hubs.is_ready());
    assert_eq!(program.request("GET", "/health/ready").await.status, 503);
    assert_eq!(program.request("GET", "/health/live").await.status, 200);
    assert_eq!(Connect::new(program.address, "/hub").negotiate().await.status, 200, "it serves on");
    assert_eq!(client.ended().await.close.unwrap(), json!({ "type": 7, "allowReconnect": true }));
    let hubs = program.hubs.clone();
    program.ended().await;
    let report = hubs.drain_report();
    assert_eq!((report.phase, report.connections, report.closed), (DrainPhase::Gone, 1, 1));
}

#[tokio::test]
async fn raw_connections_end_in_their_turns() {
    let hubs = Hubward::builder().raw("/raw", raw::handler(echo_bytes)).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let options = DrainOptions {
        delay: Duration::ZERO,
        grace: Duration::from_secs(20),
        close_window: Some(Duration::from_secs(1)),
    };
    let (signal, mut program) = (CancellationToken::new(), JoinSet::new());
    program.spawn(run(hubs, listener, signal.clone(), options));
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(Connect::new(address, "/raw").open_web_socket().await.into_http());
    }
    signal.cancel();
    let begun = Instant::now();
    let ended = clients.iter_mut().map(async |client| {
        assert_eq!(within("the close frame", client.frame()).await.unwrap().0, frame::CLOSE);
        client.write(&frame::masked(frame::CLOSE, &1000_u16.to_be_bytes())).await;
        begun.elapsed().as_millis()
    });
    let mut ended = futures_util::future::join_all(ended).await;
    ended.sort_unstable();
    let in_half = ended.iter().filter(|after| **after < ended[0] + 500).count();
    assert!((3..=7).contains(&in_half), "{ended:?}");
    within("the end of the program", program.join_next()).await.unwrap().unwrap();
}

#[tokio::test]
async fn health_of_a_node_that_was_dropped_is_not_ready() {
    let hubs = Hubward::builder().hub("/hub", Hub::new("hub")).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    let app = hubs.health().merge(hubs.drain_route(DrainOptions::default()));
    serving.spawn(hubward::serve(listener, app, ServeOptions::default()));
    let ready = async || Http::exchange(address, "GET", "/health/ready", &[], b"").await.status;
    assert_eq!(ready().await, 200);
    drop(hubs);
    eventually("the node to be gone", async || ready().await == 503).await;
    assert_eq!(Http::exchange(address, "POST", "/drain", &[], b"").await.status, 410);
}
