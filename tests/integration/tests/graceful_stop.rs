//! The graceful stop of the guide: the listener and the hubs stop together, and each client is notified.

use std::net::SocketAddr;

use hubward::{CancellationToken, Hub, Hubward, ServeOptions};
use hubward_tests::{Connect, Http, header_lines, request, within};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Begins a request whose response lasts as long as its connection.
async fn begin(address: SocketAddr, headers: &[(&str, &str)]) -> Http {
    let token = Connect::new(address, "/hub").connection_token().await;
    let mut http = Http::connect(address).await;
    http.write(&request("GET", &format!("/hub?id={token}"), &header_lines(headers), b"")).await;
    http
}

#[tokio::test]
async fn a_program_that_stops_notifies_its_clients_and_ends() {
    let hubs = Hubward::builder().hub("/hub", Hub::new("hub")).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, signal) = (CancellationToken::new(), CancellationToken::new());
    let options = ServeOptions { shutdown: stop.clone(), ..ServeOptions::default() };
    let (router, signalled) = (hubs.mount(Default::default()), signal.clone());
    let mut program = JoinSet::new();
    program.spawn(async move {
        let stopping = async {
            signalled.cancelled().await;
            stop.cancel();
            hubs.shut_down().await;
            Ok(())
        };
        tokio::try_join!(hubward::serve(listener, router, options), stopping).unwrap();
    });
    let mut web_socket = Connect::new(address, "/hub").open().await;
    let mut events = begin(address, &[("Accept", "text/event-stream")]).await;
    assert_eq!(events.head().await.status, 200);
    let mut poll = begin(address, &[]).await;
    assert_eq!(poll.response().await.status, 200, "the first poll only opens");
    signal.cancel();
    let ended = web_socket.ended().await;
    assert_eq!(ended.close.unwrap(), json!({ "type": 7, "allowReconnect": true }));
    within("the end of the stream of events", async { while events.chunk().await.is_some() {} }).await;
    within("the end of the program", program.join_next()).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
