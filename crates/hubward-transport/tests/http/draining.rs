//! A node that begins no more connections serves those that it has.

use hubward_testing::frame::{self, masked};
use hubward_testing::{Http, Response};

use crate::support::{PATH, Server, options, unchanged};

const EVENTS: &[(&str, &str)] = &[("Accept", "text/event-stream")];

/// Checks that a request is refused so that a load balancer or a client tries another node.
fn check_refused(response: &Response) {
    assert_eq!(response.row(), (503, "text/plain", ""));
    assert_eq!(response.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn whatever_would_begin_a_connection_is_refused_with_when_to_try_again() {
    let (server, mut connections) = Server::taken(unchanged).await;
    let target = server.negotiated().await;
    server.manager.refusing().cancel();
    check_refused(&server.post("/hub/negotiate", b"").await);
    check_refused(&server.web_socket(PATH).await.err().unwrap());
    check_refused(&server.web_socket(&target).await.err().unwrap());
    check_refused(&server.request("GET", &target, EVENTS, b"").await);
    check_refused(&server.get(&target).await);
    check_refused(&server.post(&target, b"early").await);
    assert!(connections.try_recv().is_err());
}

#[tokio::test]
async fn a_connection_whose_first_bytes_came_before_its_get_begins_no_more_either() {
    let server = Server::echo(unchanged).await;
    let target = server.negotiated().await;
    assert_eq!(server.post(&target, b"early").await.status, 200);
    server.manager.refusing().cancel();
    check_refused(&server.get(&target).await);
}

#[tokio::test]
async fn connections_that_there_are_are_served_until_they_close() {
    let server = Server::echo(unchanged).await;
    let (polling, events) = (server.negotiated().await, server.negotiated().await);
    server.get(&polling).await;
    let mut stream = Http::connect(server.address).await;
    stream.send("GET", &events, EVENTS, b"").await;
    assert_eq!(stream.head().await.status, 200);
    let mut web_socket = server.web_socket(&server.negotiated().await).await.ok().unwrap();
    server.manager.refusing().cancel();
    assert_eq!(server.post(&polling, b"hello").await.status, 200);
    assert_eq!(server.get(&polling).await.text(), "hello");
    assert_eq!(server.post(&events, b"hello").await.status, 200);
    assert_eq!(stream.chunk().await.unwrap(), b":\r\n");
    web_socket.write(&masked(frame::TEXT, b"hello")).await;
    assert_eq!(web_socket.frame().await, Some((frame::TEXT, b"hello".to_vec())));
    assert_eq!(server.request("DELETE", &polling, &[], b"").await.status, 202);
}

#[tokio::test]
async fn a_connection_that_was_lost_is_resumed() {
    let (server, mut connections) =
        Server::taken(options(|options| options.allow_stateful_reconnects = true)).await;
    let target = server.negotiated_with("&useStatefulReconnect=true", &[]).await;
    let _older = server.web_socket(&target).await.ok().unwrap();
    let _connection = connections.recv().await.unwrap();
    server.manager.refusing().cancel();
    assert!(server.web_socket(&target).await.is_ok());
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_first() {
    let server = Server::echo(options(|options| options.long_polling = false)).await;
    let target = server.negotiated().await;
    server.manager.refusing().cancel();
    for target in ["/hub?id=forged", &format!("{target}x")] {
        assert_eq!(server.get(target).await.row(), (404, "text/plain", "No Connection with that ID"));
    }
    assert_eq!(server.get(&target).await.status, 404, "long polling is off");
    assert_eq!(server.get("/hub").await.status, 400, "no id");
}
