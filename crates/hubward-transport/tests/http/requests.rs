//! The errors that requests of all transports have in common, in SignalR's order of checks.

use std::time::Duration;

use hubward_testing::Http;

use crate::support::{PATH, Server, options, receive, unchanged};

const EVENTS: [(&str, &str); 1] = [("Accept", "text/event-stream")];

#[tokio::test]
async fn a_request_without_an_id_or_with_an_unknown_one_is_refused() {
    let server = Server::echo(unchanged).await;
    for (method, headers) in [("GET", &[][..]), ("GET", &EVENTS), ("POST", &[]), ("DELETE", &[])] {
        for target in [PATH, "/hub?id="] {
            let response = server.request(method, target, headers, b"x").await;
            assert_eq!(response.row(), (400, "text/plain", "Connection ID required"), "{method}");
        }
        let response = server.request(method, "/hub?id=nobody", headers, b"x").await;
        assert_eq!(response.row(), (404, "text/plain", "No Connection with that ID"), "{method}");
        let expires = response.header("expires").is_some();
        assert_eq!(expires, method == "GET" && headers.is_empty(), "only polls must not be cached");
    }
    let response = server.web_socket("/hub?id=nobody").await.err().unwrap();
    assert_eq!(response.row(), (404, "text/plain", "No Connection with that ID"));
}

#[tokio::test]
async fn other_methods_are_refused_and_open_nothing() {
    let (server, mut connections) = Server::taken(unchanged).await;
    let target = server.negotiated().await;
    for method in ["PUT", "OPTIONS", "PATCH"] {
        assert_eq!(server.request(method, &target, &[], b"").await.row(), (405, "text/plain", ""));
    }
    let mut client = Http::connect(server.address).await;
    client.send("HEAD", &target, &[], b"").await;
    assert_eq!(client.head().await.status, 405);
    assert!(connections.try_recv().is_err());
}

#[tokio::test]
async fn a_transport_that_is_off_is_refused() {
    let server = Server::echo(options(|options| {
        options.web_sockets = false;
        options.server_sent_events = false;
        options.long_polling = false;
    }))
    .await;
    let target = server.negotiated().await;
    let text = |transport: &str| format!("{transport} transport not supported by this end point type");
    assert_eq!(
        server.web_socket(&target).await.err().unwrap().row(),
        (404, "text/plain", text("WebSockets").as_str())
    );
    assert_eq!(server.web_socket(PATH).await.err().unwrap().text(), text("WebSockets"));
    assert_eq!(server.request("GET", &target, &EVENTS, b"").await.text(), text("ServerSentEvents"));
    assert_eq!(server.get(&target).await.row(), (404, "text/plain", text("LongPolling").as_str()));
    assert_eq!(server.get("/hub?id=nobody").await.text(), "No Connection with that ID");
}

#[tokio::test]
async fn a_connection_keeps_its_transport() {
    let (server, mut connections) = Server::taken(unchanged).await;
    let changed = (400, "text/plain", "Cannot change transports mid-connection");

    let target = server.negotiated().await;
    let _socket = server.web_socket(&target).await.ok().unwrap();
    let _connection = connections.recv().await.unwrap();
    assert_eq!(server.get(&target).await.row(), changed);
    assert_eq!(server.request("GET", &target, &EVENTS, b"").await.row(), changed);
    assert_eq!(server.web_socket(&target).await.err().unwrap().row(), (409, "text/plain", ""));
    let post = server.post(&target, b"x").await;
    assert_eq!(post.row(), (405, "text/plain", "POST requests are not allowed for WebSocket connections."));
    let terminate = (400, "text/plain", "Cannot terminate this connection using the DELETE endpoint.");
    assert_eq!(server.request("DELETE", &target, &[], b"").await.row(), terminate);

    let target = server.negotiated().await;
    assert_eq!(server.request("DELETE", &target, &[], b"").await.row(), terminate);
    let mut stream = Http::connect(server.address).await;
    stream.send("GET", &target, &EVENTS, b"").await;
    assert_eq!(stream.head().await.status, 200);
    assert_eq!(server.get(&target).await.row(), changed);
    assert_eq!(server.web_socket(&target).await.err().unwrap().row(), changed);
    assert_eq!(server.request("GET", &target, &EVENTS, b"").await.row(), (409, "text/plain", ""));
    assert_eq!(server.request("DELETE", &target, &[], b"").await.row(), terminate);

    let target = server.negotiated().await;
    assert_eq!(server.get(&target).await.status, 200);
    assert_eq!(server.web_socket(&target).await.err().unwrap().row(), changed);
    assert_eq!(server.request("GET", &target, &EVENTS, b"").await.row(), changed);
}

#[tokio::test]
async fn a_token_that_was_not_used_in_time_is_unknown() {
    let server = Server::echo(options(|options| options.connect_timeout = Duration::ZERO)).await;
    let target = server.negotiated().await;
    for method in ["GET", "POST", "DELETE"] {
        let response = server.request(method, &target, &[], b"x").await;
        assert_eq!(response.row(), (404, "text/plain", "No Connection with that ID"), "{method}");
    }
    assert_eq!(server.web_socket(&target).await.err().unwrap().status, 404);
}

#[tokio::test]
async fn a_token_opens_one_connection_only() {
    let (server, mut connections) = Server::taken(unchanged).await;
    let target = server.negotiated().await;
    let socket = server.web_socket(&target).await.ok().unwrap();
    drop((socket, connections.recv().await.unwrap()));
    assert_eq!(server.web_socket(&target).await.err().unwrap().text(), "No Connection with that ID");
    assert_eq!(server.get(&target).await.text(), "No Connection with that ID");
    assert_eq!(server.post(&target, b"x").await.text(), "No Connection with that ID");
}

#[tokio::test]
async fn a_token_of_another_hub_or_node_opens_nothing() {
    let server = Server::echo(unchanged).await;
    let other = Server::echo(unchanged).await.negotiated().await;
    assert_eq!(server.get(&other).await.text(), "No Connection with that ID");
    let sealed = |hub: &str, owner: &str| {
        let now = std::time::SystemTime::now();
        let sealed = hubward_auth::ConnectionTokenClaims {
            connection_id: hubward_auth::random_id().into(),
            hub: hub.into(),
            owner: owner.into(),
            identity: hubward_auth::Identity::of(&hubward_types::Principal::anonymous()),
            stateful: false,
            issued_at: now,
            expires_at: now + Duration::from_secs(15),
        };
        format!("{PATH}?id={}", server.manager.keys().seal(&sealed).expose())
    };
    assert_eq!(server.get(&sealed("other", "node")).await.status, 404);
    assert_eq!(server.get(&sealed("hub", "other")).await.status, 404);
    assert_eq!(server.get(&sealed("hub", "node")).await.status, 200);
    assert!(server.web_socket(&sealed("hub", "other")).await.is_ok(), "all of a WebSocket stays on its node");
}

#[tokio::test]
async fn the_request_that_opened_a_connection_reaches_its_owner_without_its_token() {
    let (server, mut connections) = Server::taken(unchanged).await;
    let target = format!("{}&colour=dark%20green&access_token=secret", server.negotiated().await);
    let headers = [("Authorization", "Bearer secret"), ("Cookie", "a=1; b=2"), ("X-Ward", "7")];
    let _socket = server.web_socket_with(&target, &headers).await.ok().unwrap();
    let connection = connections.recv().await.unwrap();
    let request = &connection.request;
    assert_eq!(request.path(), PATH);
    assert_eq!(request.query("Colour"), Some("dark green"));
    assert_eq!(request.query("access_token"), None);
    assert_eq!(request.header("authorization"), None);
    assert_eq!(request.header("X-Ward"), Some("7"));
    assert_eq!(request.cookie("b"), Some("2"));
    assert!(request.remote_address().unwrap().ip().is_loopback());
}

#[tokio::test]
async fn a_post_before_its_get_waits_for_it() {
    let server = Server::echo(unchanged).await;
    let target = server.negotiated().await;
    assert_eq!(server.post(&target, b"early, ").await.row(), (200, "text/plain", ""));
    assert_eq!(server.post(&target, b"bird").await.status, 200);
    assert_eq!(server.get(&target).await.body, b"");
    let mut echoed = Vec::new();
    while echoed.len() < 11 {
        echoed.extend(server.get(&target).await.body);
    }
    assert_eq!(echoed, b"early, bird");
}

#[tokio::test]
async fn a_post_over_its_bound_is_refused_whole() {
    let server = Server::echo(options(|options| options.post_body_bytes = 100)).await;
    let target = server.negotiated().await;
    assert_eq!(server.get(&target).await.status, 200);
    assert_eq!(server.post(&target, &[b'x'; 101]).await.row(), (413, "text/plain", ""));
    let mut client = Http::connect(server.address).await;
    let chunked = format!("POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.write(chunked.as_bytes()).await;
    client.write(&[b"80\r\n".as_slice(), &[b'x'; 0x80], b"\r\n0\r\n\r\n"].concat()).await;
    assert_eq!(client.head().await.status, 413);
    assert_eq!(server.post(&target, &[b'y'; 100]).await.status, 200);
    assert_eq!(server.get(&target).await.body, [b'y'; 100]);
}

#[tokio::test]
async fn a_post_that_finds_too_much_unread_is_answered_once_that_is_read() {
    let (server, mut connections) =
        Server::taken(options(|options| options.application_buffer_bytes = 4)).await;
    let target = server.negotiated().await;
    assert_eq!(server.get(&target).await.status, 200);
    let mut connection = connections.recv().await.unwrap();
    assert_eq!(server.post(&target, b"1234").await.status, 200);
    let mut second = Http::connect(server.address).await;
    second.send("POST", &target, &[], b"5678").await;
    let mut input = Vec::new();
    while input.len() < 8 {
        receive(&mut connection.pipe, &mut input).await;
    }
    assert_eq!(input, b"12345678");
    assert_eq!(second.response().await.status, 200);
}

#[tokio::test]
async fn a_post_whose_connection_ends_meanwhile_is_answered_404() {
    let (server, mut connections) =
        Server::taken(options(|options| options.application_buffer_bytes = 1)).await;
    let target = server.negotiated().await;
    assert_eq!(server.get(&target).await.status, 200);
    let connection = connections.recv().await.unwrap();
    assert_eq!(server.post(&target, b"1").await.status, 200);
    let mut second = Http::connect(server.address).await;
    second.send("POST", &target, &[], b"2").await;
    drop(connection);
    assert_eq!(second.response().await.status, 404);
}

#[tokio::test]
async fn posts_take_turns_and_an_aborted_one_leaves_nothing() {
    let server = Server::echo(unchanged).await;
    let target = server.negotiated().await;
    assert_eq!(server.get(&target).await.status, 200);
    let mut aborted = Http::connect(server.address).await;
    aborted
        .write(format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf").as_bytes())
        .await;
    let mut second = Http::connect(server.address).await;
    second.send("POST", &target, &[], b"whole").await;
    drop(aborted);
    assert_eq!(second.response().await.status, 200);
    assert_eq!(server.get(&target).await.body, b"whole");
}

#[tokio::test]
async fn a_request_with_more_headers_than_are_kept_opens_nothing() {
    let (server, mut connections) = Server::taken(unchanged).await;
    let target = server.negotiated().await;
    let pile = "x".repeat(17 << 10);
    let refused = (431, "text/plain", "");
    let events = [("Accept", "text/event-stream"), ("X-Pile", pile.as_str())];
    assert_eq!(server.request("GET", &target, &events, b"").await.row(), refused);
    assert_eq!(server.request("GET", &target, &events[1..], b"").await.row(), refused);
    for target in [PATH, &target] {
        let refusal = server.web_socket_with(target, &events[1..]).await.err().unwrap();
        assert_eq!(refusal.row(), refused);
    }
    assert!(connections.try_recv().is_err());
    // The token is not used, and only what opens a connection is kept.
    assert_eq!(server.get(&target).await.status, 200);
    let _connection = connections.recv().await.unwrap();
    assert_eq!(server.request("POST", &target, &events[1..], b"x").await.status, 200);
    assert_eq!(server.request("DELETE", &target, &events[1..], b"").await.status, 202);
}
