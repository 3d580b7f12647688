//! The graceful stop of the guide: the hubs stop, then the listener, and each client is notified.

use std::net::SocketAddr;

use hubward::{CancellationToken, Hub, Hubward, ServeOptions};
use hubward_tests::{Connect, HANDSHAKE, Http, header_lines, request, within};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

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

/// The program of the guide, which stops when `signal` is cancelled.
async fn run(hubs: Hubward, listener: TcpListener, signal: CancellationToken) {
    let stop = CancellationToken::new();
    let options = ServeOptions { shutdown: stop.clone(), ..ServeOptions::default() };
    let serving = hubward::serve(listener, hubs.mount(Default::default()), options);
    let stopping = async {
        signal.cancelled().await;
        hubs.shut_down().await;
        stop.cancel();
        Ok(())
    };
    tokio::try_join!(serving, stopping).unwrap();
}

#[tokio::test]
async fn a_program_that_stops_notifies_its_clients_and_ends() {
    let hubs = Hubward::builder().hub("/hub", Hub::new("hub")).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let signal = CancellationToken::new();
    let mut program = JoinSet::new();
    program.spawn(run(hubs, listener, signal.clone()));
    let mut web_socket = Connect::new(address, "/hub").open().await;
    let mut events = begin_events(address).await;
    let polling = begin_polling(address).await;
    signal.cancel();
    let ended = web_socket.ended().await;
    assert_eq!(ended.close.unwrap(), json!({ "type": 7, "allowReconnect": true }));
    within("the end of the stream of events", async { while events.chunk().await.is_some() {} }).await;
    let refused = Connect::new(address, "/hub").negotiate().await;
    assert_eq!(refused.status, 503, "a load balancer tries another node");
    let polled = Http::exchange(address, "GET", &polling, &[], b"").await;
    let close = br#"{"type":7,"allowReconnect":true}"#;
    assert!(polled.body.starts_with(close), "who polls only now is notified, too: {polled:?}");
    Http::exchange(address, "DELETE", &polling, &[], b"").await;
    within("the end of the program", program.join_next()).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
