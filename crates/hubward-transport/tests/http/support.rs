//! A server on loopback, and a client that hides nothing: it writes requests and reads answers as they are.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hubward_auth::KeyRing;
use hubward_transport::{Acceptor, Connection, ConnectionManager, Endpoint, TransportOptions, raw};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The path of every endpoint under test.
pub(crate) const PATH: &str = "/hub";

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) manager: Arc<ConnectionManager>,
}

impl Server {
    /// Serves an endpoint that echoes.
    pub(crate) async fn echo(configure: impl FnOnce(Endpoint) -> Endpoint) -> Self {
        let echo = raw::handler(|mut connection| async move {
            while let Some(bytes) = connection.receive().await {
                connection.send(bytes).await?;
            }
            Ok(())
        });
        Self::start(Arc::new(echo), configure).await
    }

    /// Serves an endpoint whose connections the test takes.
    pub(crate) async fn taken(
        configure: impl FnOnce(Endpoint) -> Endpoint,
    ) -> (Self, mpsc::UnboundedReceiver<Connection>) {
        let (sender, connections) = mpsc::unbounded_channel();
        (Self::start(Arc::new(Taker(sender)), configure).await, connections)
    }

    async fn start(acceptor: Arc<dyn Acceptor>, configure: impl FnOnce(Endpoint) -> Endpoint) -> Self {
        let tasks = TaskTracker::new();
        let manager =
            ConnectionManager::new("node", KeyRing::random(), CancellationToken::new(), tasks.clone());
        let router = configure(Endpoint::new(PATH, "hub", acceptor, manager.clone())).router();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tasks.spawn(async move {
            axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await
        });
        Self { address, manager }
    }

    pub(crate) async fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut client = Client::connect(self.address).await;
        client.send(method, target, headers, body).await;
        client.answer().await
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.request("GET", target, &[], b"").await
    }

    pub(crate) async fn post(&self, target: &str, body: &[u8]) -> Answer {
        self.request("POST", target, &[], body).await
    }

    /// Negotiates, and returns `P?id=…`.
    pub(crate) async fn negotiated(&self) -> String {
        self.negotiated_with("", &[]).await
    }

    pub(crate) async fn negotiated_with(&self, query: &str, headers: &[(&str, &str)]) -> String {
        let target = format!("{PATH}/negotiate?negotiateVersion=1{query}");
        let answer = self.request("POST", &target, headers, b"").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        format!("{PATH}?id={}", answer.json()["connectionToken"].as_str().unwrap())
    }

    pub(crate) async fn web_socket(&self, target: &str) -> Result<Client, Answer> {
        self.web_socket_with(target, &[]).await
    }

    pub(crate) async fn web_socket_with(
        &self,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Result<Client, Answer> {
        let mut client = Client::connect(self.address).await;
        client.send("GET", target, &[&WEB_SOCKET[..], headers].concat(), b"").await;
        let answer = client.head().await;
        if answer.status == 101 { Ok(client) } else { Err(client.body(answer).await) }
    }
}

pub(crate) const WEB_SOCKET: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

pub(crate) fn options(change: impl FnOnce(&mut TransportOptions)) -> impl FnOnce(Endpoint) -> Endpoint {
    let mut options = TransportOptions::default();
    change(&mut options);
    |endpoint| endpoint.options(options)
}

pub(crate) fn unchanged(endpoint: Endpoint) -> Endpoint {
    endpoint
}

struct Taker(mpsc::UnboundedSender<Connection>);

impl Acceptor for Taker {
    fn accept(&self, connection: Connection) {
        let _ = self.0.send(connection);
    }
}

#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Status, content type and body, as the tables give them.
    pub(crate) fn row(&self) -> (u16, &str, &str) {
        (self.status, self.header("content-type").unwrap_or(""), self.text())
    }
}

pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { socket: TcpStream::connect(address).await.unwrap(), buffer: Vec::new() }
    }

    pub(crate) async fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        if method == "POST" {
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        self.write(&[request.as_bytes(), b"\r\n", body].concat()).await;
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        within(self.socket.write_all(bytes)).await.unwrap();
    }

    /// Reads an answer to its end.
    pub(crate) async fn answer(&mut self) -> Answer {
        let head = self.head().await;
        self.body(head).await
    }

    pub(crate) async fn head(&mut self) -> Answer {
        let head = self.read_until(b"\r\n\r\n").await;
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Answer { status, headers, body: Vec::new() }
    }

    async fn body(&mut self, mut answer: Answer) -> Answer {
        if let Some(length) = answer.header("content-length") {
            answer.body = self.read(length.parse().unwrap()).await;
        } else if answer.header("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk().await {
                answer.body.extend(chunk);
            }
        }
        answer
    }

    /// Reads one chunk of a chunked body; None at its end.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.read_until(b"\r\n").await;
        let length = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
        let mut chunk = self.read(length + 2).await;
        chunk.truncate(length);
        (length > 0).then_some(chunk)
    }

    /// Sends a masked frame.
    pub(crate) async fn frame(&mut self, first: u8, payload: &[u8]) {
        let frame = masked(first, payload);
        self.write(&frame).await;
    }

    /// Reads a frame: its first byte and its payload.
    pub(crate) async fn read_frame(&mut self) -> (u8, Vec<u8>) {
        let header = self.read(2).await;
        let length = match header[1] {
            126 => u16::from_be_bytes(self.read(2).await.try_into().unwrap()) as usize,
            127 => u64::from_be_bytes(self.read(8).await.try_into().unwrap()) as usize,
            length => length as usize,
        };
        (header[0], self.read(length).await)
    }

    pub(crate) async fn read(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.fill().await > 0, "the server closed after {:?}", self.buffer);
        }
        let rest = self.buffer.split_off(length);
        std::mem::replace(&mut self.buffer, rest)
    }

    async fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return self.read(at + end.len()).await;
            }
            assert!(self.fill().await > 0, "the server closed after {:?}", self.buffer);
        }
    }

    /// Waits for the server to close.
    pub(crate) async fn closed(&mut self) {
        assert_eq!(self.fill().await, 0, "{:?}", self.buffer);
    }

    async fn fill(&mut self) -> usize {
        within(self.socket.read_buf(&mut self.buffer)).await.unwrap_or(0)
    }
}

pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xFFFF => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// Fails the test instead of waiting for ever.
pub(crate) async fn within<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("it took too long")
}
