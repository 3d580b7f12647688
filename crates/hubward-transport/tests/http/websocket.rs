//! WebSockets: the upgrade's edges, frames both ways, and the end.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use hubward_proto::Frame;
use hubward_testing::frame::{CLOSE, PING, PONG, TEXT, masked};
use hubward_testing::{Http, UPGRADE, header_lines, request};
use hubward_transport::{PipeError, Received, TransportEnd};
use tokio::time::Instant;

use crate::support::{PATH, Server, close, options, receive, text, unchanged, write};

#[tokio::test]
async fn what_is_sent_comes_back() {
    let server = Server::echo(unchanged).await;
    for target in [PATH.to_owned(), server.negotiated().await] {
        let mut client = server.web_socket(&target).await.ok().unwrap();
        for length in [1, 125, 126, 5_000, 65_535, 65_536, 300_000] {
            let payload = vec![b'x'; length];
            client.write(&masked(TEXT, &payload)).await;
            let mut echoed = Vec::new();
            while echoed.len() < length {
                let (first, payload) = client.frame().await.unwrap();
                assert_eq!(first, TEXT);
                echoed.extend(payload);
            }
            assert_eq!(echoed, payload);
        }
    }
}

#[tokio::test]
async fn frames_that_come_with_the_request_are_not_lost() {
    let server = Server::echo(unchanged).await;
    let mut client = Http::connect(server.address).await;
    let upgrade = request("GET", PATH, &header_lines(&UPGRADE), b"");
    client.write(&[upgrade, masked(TEXT, b"early")].concat()).await;
    assert_eq!(client.head().await.status, 101);
    assert_eq!(client.frame().await, Some((TEXT, b"early".to_vec())));
}

#[tokio::test]
async fn a_wrong_handshake_is_refused() {
    let server = Server::echo(unchanged).await;
    let with = |name: &'static str, value: &'static str| {
        UPGRADE.map(|(key, old)| if key == name { (key, value) } else { (key, old) }).to_vec()
    };
    let without = |name: &str| UPGRADE.into_iter().filter(|(key, _)| *key != name).collect::<Vec<_>>();
    let cases = [
        (with("Connection", "keep-alive, UPGRADE"), 101),
        (with("Upgrade", "h2c, WebSocket"), 101),
        (with("Sec-WebSocket-Version", "8"), 426),
        (without("Sec-WebSocket-Version"), 426),
        (with("Sec-WebSocket-Key", "c2hvcnQ="), 400),
        (with("Sec-WebSocket-Key", "not base64 at all!!!"), 400),
        (without("Sec-WebSocket-Key"), 400),
        ([&UPGRADE[..], &[("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]].concat(), 400),
        (without("Connection"), 400),
        ([&UPGRADE[..], &[("Origin", "https://evil.example")]].concat(), 403),
        ([&UPGRADE[..], &[("Origin", "http://localhost")]].concat(), 101),
    ];
    for (headers, status) in cases {
        let mut client = Http::connect(server.address).await;
        client.send("GET", PATH, &headers, b"").await;
        let head = client.head().await;
        assert_eq!(head.status, status, "{headers:?}");
        if status == 426 {
            assert_eq!(head.header("sec-websocket-version"), Some("13"));
        }
        if status == 101 {
            assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
            assert_eq!(head.header("sec-websocket-extensions"), None);
        }
    }
    let mut client = Http::connect(server.address).await;
    client.write(format!("GET {PATH} HTTP/1.0\r\n{}\r\n", header_lines(&UPGRADE)).as_bytes()).await;
    assert_eq!(client.head().await.status, 400);
}

#[tokio::test]
async fn pings_are_answered_while_nothing_is_sent() {
    let server = Server::echo(unchanged).await;
    let mut client = server.web_socket(PATH).await.ok().unwrap();
    client.write(&[masked(PING, b"one"), masked(PING, b"two"), masked(PONG, b"unsolicited")].concat()).await;
    assert_eq!(client.frame().await, Some((PONG, b"one".to_vec())));
    assert_eq!(client.frame().await, Some((PONG, b"two".to_vec())));
    client.write(&[masked(0x01, b"Hel"), masked(PING, b"?"), masked(0x80, b"lo")].concat()).await;
    assert_eq!(client.frame().await, Some((PONG, b"?".to_vec())));
    assert_eq!(client.frame().await, Some((TEXT, b"Hello".to_vec())));
}

#[tokio::test]
async fn a_close_is_answered_with_1000_whatever_its_code_and_then_the_socket_ends() {
    let server = Server::echo(unchanged).await;
    for sent in [&b"\x03\xe8bye"[..], b"\x0f\xa0", b""] {
        let mut client = server.web_socket(PATH).await.ok().unwrap();
        client.write(&masked(CLOSE, sent)).await;
        assert_eq!(client.frame().await, Some((CLOSE, b"\x03\xe8".to_vec())));
        client.closed().await;
    }
}

#[tokio::test]
async fn a_violation_is_answered_with_its_code() {
    let server = Server::echo(unchanged).await;
    for (bytes, code) in
        [(masked(0xC1, b"x"), 1002u16), (masked(TEXT, b"\xff"), 1007), (masked(CLOSE, b"\x03"), 1002)]
    {
        let mut client = server.web_socket(PATH).await.ok().unwrap();
        client.write(&bytes).await;
        assert_eq!(client.frame().await, Some((CLOSE, code.to_be_bytes().to_vec())));
        client.closed().await;
    }
}

#[tokio::test]
async fn the_owner_closes_normally_and_waits_for_the_client() {
    let (server, mut connections) = Server::taken(unchanged).await;
    let mut client = server.web_socket(PATH).await.ok().unwrap();
    let mut connection = connections.recv().await.unwrap();
    let mut frames = VecDeque::from([text(b"last words")]);
    write(&mut connection.pipe, &mut frames).await.unwrap();
    let closed = async move { close(&mut connection.pipe).await };
    let answered = async {
        assert_eq!(client.frame().await, Some((TEXT, b"last words".to_vec())));
        assert_eq!(client.frame().await, Some((CLOSE, b"\x03\xe8".to_vec())));
        client.write(&masked(TEXT, b"too late")).await;
        client.write(&masked(CLOSE, b"\x03\xe9")).await;
    };
    tokio::join!(closed, answered);
    client.closed().await;
}

#[tokio::test]
async fn many_frames_of_all_sizes_go_out_in_order_and_whole() {
    let (server, mut connections) = Server::taken(unchanged).await;
    let mut client = server.web_socket(PATH).await.ok().unwrap();
    let mut connection = connections.recv().await.unwrap();
    let sizes = [3, 4_090, 4_096, 10, 20, 70_000, 1, 1, 8_000, 8_000, 8_000, 5, 200_000, 126];
    let payloads: Vec<Vec<u8>> =
        (0..400).map(|number| vec![b'a' + (number % 26) as u8; sizes[number % sizes.len()]]).collect();
    let mut frames: VecDeque<Frame> = payloads.iter().map(|payload| text(payload)).collect();
    let written = async {
        write(&mut connection.pipe, &mut frames).await.unwrap();
    };
    let read = async {
        for payload in &payloads {
            assert!(client.frame().await.unwrap().1 == *payload);
        }
    };
    tokio::join!(written, read);
    assert!(frames.is_empty());
}

#[tokio::test]
async fn a_peer_that_does_not_read_runs_into_the_send_timeout() {
    let timeout = Duration::from_millis(50);
    let (server, mut connections) = Server::taken(options(|options| options.send_timeout = timeout)).await;
    let _client = server.web_socket(PATH).await.ok().unwrap();
    let mut connection = connections.recv().await.unwrap();
    let pipe = &mut connection.pipe;
    assert_eq!(pipe.deadline(), None);
    let mut frames = VecDeque::from(vec![text(&vec![b'x'; 1 << 20]); 64]);
    assert!(poll_fn(|cx| Poll::Ready(pipe.poll_write(cx, &mut frames).is_pending())).await);
    let deadline = pipe.deadline().unwrap();
    assert!(deadline <= Instant::now() + timeout);
    assert_eq!(pipe.handle_deadline(deadline - timeout), Ok(()));
    assert_eq!(pipe.handle_deadline(deadline), Err(PipeError::SendTimeout));
}

#[tokio::test]
async fn a_peer_that_does_not_close_runs_into_the_close_timeout() {
    let timeout = Duration::from_millis(20);
    let (server, mut connections) = Server::taken(options(|options| options.close_timeout = timeout)).await;
    let mut client = server.web_socket(PATH).await.ok().unwrap();
    let mut connection = connections.recv().await.unwrap();
    let pipe = &mut connection.pipe;
    assert!(poll_fn(|cx| Poll::Ready(pipe.poll_close(cx).is_pending())).await);
    let deadline = pipe.deadline().unwrap();
    assert_eq!(pipe.handle_deadline(deadline), Err(PipeError::CloseTimeout));
    drop(connection);
    assert_eq!(client.frame().await.unwrap().0, CLOSE);
    client.closed().await;
}

#[tokio::test]
async fn a_pipe_that_has_ended_reports_the_same_end_again() {
    let (server, mut connections) = Server::taken(unchanged).await;
    for (bytes, end) in [
        (masked(CLOSE, b"\x03\xe9"), TransportEnd::Closed { code: Some(1001) }),
        (masked(CLOSE, b""), TransportEnd::Closed { code: None }),
        (masked(0xF1, b""), TransportEnd::Violated { code: 1002 }),
        (Vec::new(), TransportEnd::Lost),
    ] {
        let mut client = server.web_socket(PATH).await.ok().unwrap();
        let mut connection = connections.recv().await.unwrap();
        let pipe = &mut connection.pipe;
        client.write(&bytes).await;
        if end == TransportEnd::Lost {
            drop(client);
        }
        let mut input = Vec::new();
        for _ in 0..2 {
            let received = receive(pipe, &mut input).await;
            assert_eq!(received, Received::End(end));
        }
    }
}
