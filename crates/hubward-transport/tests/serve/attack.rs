//! Clients that would hold a connection for ever.

use hubward_testing::{Http, within};
use hubward_transport::ServeOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;

use crate::{SHORT, Served, serve};

/// Waits until the server has closed, while the client sends a byte now and then.
async fn closed_despite(start: &[u8], byte: Option<&[u8]>, options: ServeOptions) {
    let served = serve(options).await;
    let mut socket = TcpStream::connect(served.address).await.unwrap();
    socket.write_all(start).await.unwrap();
    let mut ticks = tokio::time::interval(SHORT / 10);
    within("the server to close", async {
        let mut read = [0; 1024];
        loop {
            tokio::select! {
                read = socket.read(&mut read) => match read {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                },
                _ = ticks.tick() => if let Some(byte) = byte {
                    let _ = socket.write_all(byte).await;
                },
            }
        }
    })
    .await;
}

fn head() -> ServeOptions {
    ServeOptions { head_timeout: SHORT, ..ServeOptions::default() }
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    closed_despite(b"", None, head()).await;
}

#[tokio::test]
async fn half_a_head_is_closed() {
    closed_despite(b"GET / HTTP/1.1\r\nHost: a\r\n", None, head()).await;
}

#[tokio::test]
async fn a_head_that_trickles_is_closed() {
    closed_despite(b"GET / HTTP/1.1\r\nHost: a\r\n", Some(b"a: b\r\n"), head()).await;
}

#[tokio::test]
async fn a_second_head_that_trickles_is_closed() {
    closed_despite(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(b"GET / "), head()).await;
}

#[tokio::test]
async fn a_body_that_trickles_is_closed() {
    let options = ServeOptions { body_timeout: SHORT, ..ServeOptions::default() };
    closed_despite(b"POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n", Some(b"x"), options)
        .await;
}

#[tokio::test]
async fn a_connection_that_is_kept_alive_for_nothing_is_closed() {
    let options = ServeOptions { idle_timeout: SHORT, ..ServeOptions::default() };
    closed_despite(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", None, options).await;
}

#[tokio::test]
async fn a_head_above_the_limit_is_refused_with_431() {
    let served = serve(ServeOptions::default()).await;
    for (bytes, status) in [(30 << 10, 200), (33 << 10, 431)] {
        let long = "x".repeat(bytes);
        let response = Http::exchange(served.address, "GET", "/", &[("X-Long", &long)], b"").await;
        assert_eq!(response.status, status, "{bytes}");
    }
}

#[tokio::test]
async fn a_response_that_is_not_read_resets_its_socket() {
    let served = serve(ServeOptions { write_timeout: SHORT, ..ServeOptions::default() }).await;
    let mut socket = TcpStream::connect(served.address).await.unwrap();
    socket.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    // Only a reset shows to a client that does not read.
    within("the reset", socket.ready(Interest::ERROR)).await.unwrap();
    let error = socket.take_error().unwrap().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_response_that_is_read_by_a_trickle_resets_its_socket() {
    let served = serve(ServeOptions { write_timeout: SHORT, ..ServeOptions::default() }).await;
    let mut socket = TcpStream::connect(served.address).await.unwrap();
    socket.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut ticks = tokio::time::interval(SHORT / 10);
    let failed = within("the reset", async {
        loop {
            let _ = socket.read_u8().await;
            if let Some(error) = socket.take_error().unwrap() {
                return error;
            }
            ticks.tick().await;
        }
    });
    assert_eq!(failed.await.kind(), std::io::ErrorKind::ConnectionReset);
}

/// Opens a response without end over a socket that keeps little.
async fn endless(served: &Served) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut socket = socket.connect(served.address).await.unwrap();
    socket.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    socket
}

#[tokio::test]
async fn a_response_that_is_not_read_any_more_resets_its_socket_however_much_was_read_before() {
    let served = serve(ServeOptions { write_timeout: SHORT, ..ServeOptions::default() }).await;
    let mut socket = endless(&served).await;
    let mut part = vec![0; 64 << 10];
    // More than the kernel keeps: the response was blocked, and was read.
    for _ in 0..200 {
        within("more", socket.read_exact(&mut part)).await.unwrap();
    }
    within("the reset", socket.ready(Interest::ERROR)).await.unwrap();
}

#[tokio::test]
async fn a_response_that_is_read_little_but_steadily_goes_on_whatever_the_kernel_keeps() {
    let served = serve(ServeOptions { write_timeout: 5 * SHORT, ..ServeOptions::default() }).await;
    let mut socket = endless(&served).await;
    let mut ticks = tokio::time::interval(SHORT / 20);
    let mut part = [0; 3 << 10];
    for _ in 0..300 {
        ticks.tick().await;
        within("more", socket.read_exact(&mut part)).await.unwrap();
    }
    assert!(socket.take_error().unwrap().is_none());
}
