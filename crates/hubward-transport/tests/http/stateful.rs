//! Stateful reconnect: a second WebSocket for the same connection.

use std::future::poll_fn;
use std::task::Poll;

use hubward_testing::frame::{self, masked};
use hubward_testing::within;
use hubward_transport::{Received, TransportOptions};

use crate::support::{Server, receive, unchanged};

async fn stateful() -> (Server, tokio::sync::mpsc::UnboundedReceiver<hubward_transport::Connection>) {
    let options = TransportOptions { allow_stateful_reconnects: true, ..TransportOptions::default() };
    Server::taken(|endpoint| endpoint.options(options)).await
}

#[tokio::test]
async fn a_newer_socket_takes_over_though_the_older_seems_alive() {
    let (server, mut connections) = stateful().await;
    let target = server.negotiated_with("&useStatefulReconnect=true", &[]).await;
    let mut older = server.web_socket(&target).await.ok().unwrap();
    let mut connection = connections.recv().await.unwrap();
    assert!(connection.stateful);
    for _ in 0..2 {
        let mut newer = server.web_socket(&target).await.ok().unwrap();
        connection.pipe =
            within("the newer socket", poll_fn(|cx| connection.registration.poll_resumed(cx))).await;
        older.closed().await;
        newer.write(&masked(frame::TEXT, b"here")).await;
        let mut input = Vec::new();
        let received = receive(&mut connection.pipe, &mut input).await;
        assert_eq!((received, input.as_slice()), (Received::Data, &b"here"[..]));
        older = newer;
    }
    assert!(connections.try_recv().is_err(), "it is not accepted again");
}

#[tokio::test]
async fn resuming_ends_when_it_is_forbidden_or_the_connection_is_gone() {
    let (server, mut connections) = stateful().await;
    let target = server.negotiated_with("&useStatefulReconnect=true", &[]).await;
    let _socket = server.web_socket(&target).await.ok().unwrap();
    let connection = connections.recv().await.unwrap();
    connection.registration.forbid_resume();
    let unknown = (404, "text/plain", "No Connection with that ID");
    assert_eq!(server.web_socket(&target).await.err().unwrap().row(), unknown);
    drop(connection);
    assert_eq!(server.web_socket(&target).await.err().unwrap().row(), unknown);
}

#[tokio::test]
async fn without_agreement_there_is_no_resuming() {
    let (server, mut connections) = Server::taken(unchanged).await;
    let target = server.negotiated_with("&useStatefulReconnect=true", &[]).await;
    let _socket = server.web_socket(&target).await.ok().unwrap();
    let mut connection = connections.recv().await.unwrap();
    assert!(!connection.stateful);
    assert_eq!(server.web_socket(&target).await.err().unwrap().status, 409);
    let resumed = poll_fn(|cx| Poll::Ready(connection.registration.poll_resumed(cx).is_ready())).await;
    assert!(!resumed);
}
