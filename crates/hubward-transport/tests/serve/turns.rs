//! A client that sends requests without end, and those that have to be served beside it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::get;
use hubward_transport::ServeOptions;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::{JoinSet, yield_now};

/// Sends requests as fast as it can, in threads of its own, until the socket is shut down.
fn flood(mut socket: TcpStream) {
    let mut responses = socket.try_clone().unwrap();
    std::thread::spawn(move || {
        let mut read = [0; 64 * 1024];
        while responses.read(&mut read).is_ok_and(|length| length > 0) {}
    });
    let requests = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000);
    std::thread::spawn(move || while socket.write_all(&requests).is_ok() {});
}

#[tokio::test]
async fn what_arrives_for_others_is_looked_for_after_each_turn_of_a_busy_client() {
    /// Messages to another, and requests in a turn.
    const ARRIVALS: usize = 50;
    const REQUESTS: usize = 16;
    let served = Arc::new(AtomicUsize::new(0));
    let count = served.clone();
    let router = Router::new().route("/", get(async move || _ = count.fetch_add(1, Ordering::Relaxed)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let busy = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(hubward_transport::serve(listener, router, ServeOptions::default()));
    flood(busy.try_clone().unwrap());
    let others = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut sender = TcpStream::connect(others.local_addr().unwrap()).unwrap();
    let (mut other, _) = others.accept().await.unwrap();
    while served.load(Ordering::Relaxed) == 0 {
        yield_now().await;
    }
    let mut waited = 0;
    for _ in 0..ARRIVALS {
        sender.write_all(b"x").unwrap();
        let before = served.load(Ordering::Relaxed);
        // Less than was asked for, so that the next read waits until the runtime has found what there is.
        assert_eq!(other.read(&mut [0; 16]).await.unwrap(), 1);
        waited += served.load(Ordering::Relaxed) - before;
    }
    busy.shutdown(Shutdown::Both).unwrap();
    let turns = waited / (ARRIVALS * REQUESTS);
    assert!(turns <= 3, "each waited for {turns} turns");
}
