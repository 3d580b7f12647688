//! Requests that a proxy in front could read otherwise, and other liberties that HTTP gives.

use hubward_testing::{Http, within};
use hubward_transport::ServeOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Duration, sleep};

use crate::{SHORT, serve};

/// Sends bytes, and returns the statuses of all that is answered before the server closes.
async fn statuses(bytes: &[u8]) -> Vec<String> {
    let served = serve(ServeOptions { idle_timeout: SHORT, ..ServeOptions::default() }).await;
    let mut http = Http::connect(served.address).await;
    http.write(bytes).await;
    let (mut socket, mut answer): (TcpStream, Vec<u8>) = http.into_parts();
    hubward_testing::within("the server to close", async {
        let _ = socket.read_to_end(&mut answer).await;
    })
    .await;
    let answer = String::from_utf8(answer).unwrap();
    answer.split("HTTP/1.1 ").skip(1).map(|response| response[..3].to_owned()).collect()
}

#[tokio::test]
async fn nothing_is_read_behind_a_request_that_has_two_lengths() {
    let smuggled = "0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for lengths in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked",
    ] {
        let request = format!("POST /post HTTP/1.1\r\nHost: a\r\n{lengths}\r\n\r\n{smuggled}");
        assert_eq!(statuses(request.as_bytes()).await, ["200"], "{lengths}");
    }
    for lengths in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Content-Length: +5",
    ] {
        let request = format!("POST /post HTTP/1.1\r\nHost: a\r\n{lengths}\r\n\r\n{smuggled}");
        assert_eq!(statuses(request.as_bytes()).await, ["400"], "{lengths}");
    }
}

#[tokio::test]
async fn a_request_names_exactly_one_host() {
    for (head, expected) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "200"),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
    ] {
        assert_eq!(statuses(head.as_bytes()).await, [expected], "{head}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_and_half_of_one_more_is_closed() {
    let two = "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /nothing HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHo";
    assert_eq!(statuses(two.as_bytes()).await, ["200", "404"]);
}

#[tokio::test]
async fn a_client_that_asks_first_is_sent_100_where_its_body_is_read_and_else_refused() {
    let served = serve(ServeOptions::default()).await;
    let head = |path: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    };
    let mut http = Http::connect(served.address).await;
    http.write(head("/post").as_bytes()).await;
    assert_eq!(http.head().await.status, 100);
    http.write(b"ab").await;
    assert_eq!(http.response().await.body, b"ab");
    let mut http = Http::connect(served.address).await;
    http.write(head("/nothing").as_bytes()).await;
    assert_eq!(http.head().await.status, 404);
    http.closed().await;
}

#[tokio::test]
async fn a_large_response_may_be_read_for_longer_than_a_connection_may_be_idle() {
    let served = serve(ServeOptions { idle_timeout: SHORT, ..ServeOptions::default() }).await;
    let mut http = Http::connect(served.address).await;
    http.send("GET", "/endless", &[], b"").await;
    assert_eq!(http.head().await.status, 200);
    let (mut socket, begun) = http.into_parts();
    let (mut read, mut part) = (begun.len(), vec![0; 1 << 20]);
    while read < 64 << 20 {
        let length = socket.read(&mut part).await.unwrap();
        assert!(length > 0, "it ended after {read} bytes");
        read += length;
        if read % (8 << 20) < length {
            pause().await;
        }
    }
}

/// A client that is slow on purpose.
async fn pause() {
    sleep(Duration::from_millis(50)).await;
}

#[tokio::test]
async fn who_sends_more_than_anybody_reads_still_has_the_response() {
    let served = serve(ServeOptions::default()).await;
    for _ in 0..20 {
        let mut tcp = TcpStream::connect(served.address).await.unwrap();
        let head = b"POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n";
        tcp.write_all(head).await.unwrap();
        tcp.write_all(&vec![b'x'; 3 << 20]).await.unwrap();
        let mut response = Vec::new();
        within("the end", tcp.read_to_end(&mut response)).await.unwrap();
        assert!(response.starts_with(b"HTTP/1.1 413 "));
    }
}

#[tokio::test]
async fn who_sends_without_end_what_nobody_reads_is_cut_off() {
    let served = serve(ServeOptions::default()).await;
    let mut tcp = TcpStream::connect(served.address).await.unwrap();
    let head = b"POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n";
    tcp.write_all(head).await.unwrap();
    let sending = async {
        while tcp.write_all(&[b'x'; 4096]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within("the end", sending).await;
}
