//! Open connections and the listener that they came by: its stop, and its places.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hubward_auth::KeyRing;
use hubward_testing::frame::{CLOSE, TEXT, masked};
use hubward_testing::{Http, eventually, within};
use hubward_transport::{ConnectionManager, Endpoint, ServeOptions, raw};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::PATH;

/// Serves an echo with these options.
async fn serve(options: ServeOptions) -> (SocketAddr, JoinSet<std::io::Result<()>>) {
    let manager =
        ConnectionManager::new("node", KeyRing::random(), CancellationToken::new(), TaskTracker::new());
    let echo = raw::handler(|mut connection| async move {
        while let Some(bytes) = connection.receive().await {
            connection.send(bytes).await?;
        }
        Ok(())
    });
    let router = Endpoint::new(PATH, "hub", Arc::new(echo), manager).router();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(hubward_transport::serve(listener, router, options));
    (address, serving)
}

async fn web_socket(address: SocketAddr) -> Http {
    Http::connect(address).await.upgrade(PATH, &[]).await.ok().unwrap()
}

async fn echoes(web_socket: &mut Http) {
    web_socket.write(&masked(TEXT, b"still here")).await;
    assert_eq!(web_socket.frame().await.unwrap().1, b"still here");
}

#[tokio::test]
async fn a_stop_waits_for_no_web_socket_and_cuts_off_event_streams_when_their_time_is_over() {
    let shutdown = CancellationToken::new();
    let options = ServeOptions {
        shutdown: shutdown.clone(),
        shutdown_timeout: Duration::from_millis(100),
        ..ServeOptions::default()
    };
    let (address, mut serving) = serve(options).await;
    let mut socket = web_socket(address).await;
    let negotiate = format!("{PATH}/negotiate?negotiateVersion=1");
    let negotiated = Http::exchange(address, "POST", &negotiate, &[], b"").await.json();
    let target = format!("{PATH}?id={}", negotiated["connectionToken"].as_str().unwrap());
    let mut events = Http::connect(address).await;
    events.send("GET", &target, &[("Accept", "text/event-stream")], b"").await;
    assert_eq!(events.head().await.status, 200);
    shutdown.cancel();
    within("the end of serving", serving.join_next()).await.unwrap().unwrap().unwrap();
    let (mut events, _) = events.into_parts();
    // It is reset, or ends in the middle of its body.
    let _ = within("the end of the stream", events.read_to_end(&mut Vec::new())).await;
    echoes(&mut socket).await;
}

#[tokio::test]
async fn a_web_socket_has_its_place_among_the_connections_until_it_ends() {
    let (address, _serving) = serve(ServeOptions { max_connections: 1, ..ServeOptions::default() }).await;
    let mut socket = web_socket(address).await;
    for _ in 0..3 {
        assert_eq!(Http::connect(address).await.head().await.status, 503);
    }
    echoes(&mut socket).await;
    socket.write(&masked(CLOSE, b"")).await;
    assert_eq!(socket.frame().await.unwrap().0, CLOSE);
    socket.closed().await;
    eventually("a place", async || {
        let mut next = Http::connect(address).await;
        next.send("GET", "/nothing", &[], b"").await;
        next.head().await.status == 404
    })
    .await;
}
