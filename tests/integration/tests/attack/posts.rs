//! A client over server-sent events or long polling: POSTs, and a GET that may not be read.

use hubward_tests::{Connect, HANDSHAKE, Http, request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::waits::at_last;

/// What the kernel may keep of what is not read: little, so that the node's own bounds show.
const RECEIVE_BUFFER_BYTES: u32 = 4096;

/// A connection whose messages are POSTs.
pub(crate) struct Posting {
    address: std::net::SocketAddr,
    target: String,
    /// The GET: a stream of events, or the last poll. Nothing reads it but the test.
    pub get: TcpStream,
}

impl Posting {
    /// Opens a stream of events, with the handshake done.
    pub(crate) async fn events(address: std::net::SocketAddr, path: &str) -> Self {
        let mut posting = Self::open(address, path, "Accept: text/event-stream\r\n").await;
        posting.post(HANDSHAKE).await;
        posting.read_until(b"data: {}\x1e\r\n\r\n").await;
        posting
    }

    /// Opens a stream of events of a raw handler, which has no handshake.
    pub(crate) async fn raw_events(address: std::net::SocketAddr, path: &str) -> Self {
        let mut posting = Self::open(address, path, "Accept: text/event-stream\r\n").await;
        posting.read_until(b":\r\n").await;
        posting
    }

    /// Opens a long-polling connection, with the handshake done. No poll waits.
    pub(crate) async fn polls(address: std::net::SocketAddr, path: &str) -> Self {
        let mut posting = Self::open(address, path, "").await;
        posting.read_until(b"\r\n\r\n").await;
        posting.post(HANDSHAKE).await;
        posting.poll().await;
        posting.read_until(b"{}\x1e").await;
        posting
    }

    async fn open(address: std::net::SocketAddr, path: &str, lines: &str) -> Self {
        let token = Connect::new(address, path).connection_token().await;
        let target = format!("{path}?id={token}");
        let get = socket(address, &request("GET", &target, lines, b"")).await;
        Self { address, target, get }
    }

    /// Begins a poll, over a socket of its own.
    pub(crate) async fn poll(&mut self) {
        self.get = socket(self.address, &request("GET", &self.target, "", b"")).await;
    }

    /// Posts, and returns the status.
    pub(crate) async fn post(&self, body: &[u8]) -> u16 {
        let mut http = self.begin_post(body).await;
        http.response().await.status
    }

    /// Posts, and does not wait for the response.
    pub(crate) async fn begin_post(&self, body: &[u8]) -> Http {
        let mut http = Http::connect(self.address).await;
        http.send("POST", &self.target, &[], body).await;
        http
    }

    /// Ends the connection, and returns the status.
    pub(crate) async fn delete(&self) -> u16 {
        Http::exchange(self.address, "DELETE", &self.target, &[], b"").await.status
    }

    /// Sends a POST's head and a part of its body, as it is.
    pub(crate) async fn raw_post(&self, declared: usize, body: &[u8]) -> TcpStream {
        let head =
            format!("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {declared}\r\n\r\n", self.target);
        let mut socket = socket(self.address, head.as_bytes()).await;
        socket.write_all(body).await.unwrap();
        socket
    }

    /// Reads the GET's response as far as this and what came with it, and returns it.
    pub(crate) async fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut read = Vec::new();
        let mut searched = 0;
        while !read[searched..].windows(end.len()).any(|part| part == end) {
            searched = read.len().saturating_sub(end.len());
            let length = at_last("the response to the GET", self.get.read_buf(&mut read)).await.unwrap();
            let last = read.get(read.len().saturating_sub(1024)..).unwrap_or_default();
            assert_ne!(length, 0, "it ended with {:?}", String::from_utf8_lossy(last));
        }
        read
    }
}

async fn socket(address: std::net::SocketAddr, bytes: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES).unwrap();
    let mut socket = at_last("a TCP connection", socket.connect(address)).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    socket
}
