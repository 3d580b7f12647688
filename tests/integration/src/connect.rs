//! How a client connects: negotiate, WebSocket and handshake, each by itself or all together.

use std::net::SocketAddr;

use serde_json::json;
use tokio::net::{TcpSocket, TcpStream};

use crate::client::TestClient;
use crate::frames::HANDSHAKE;
use crate::http::{Http, Response, UPGRADE, lines, request};
use crate::wait::within;

/// How a client is to connect.
#[derive(Clone, Debug)]
pub struct Connect {
    address: SocketAddr,
    path: String,
    query: String,
    /// Header lines.
    lines: String,
    receive_buffer_bytes: Option<u32>,
}

impl Connect {
    /// Begins with a path of a node, and nothing else.
    pub fn new(address: SocketAddr, path: &str) -> Self {
        let (path, query, lines) = (path.to_owned(), String::new(), String::new());
        Self { address, path, query, lines, receive_buffer_bytes: None }
    }

    /// Sends a bearer token in the header.
    pub fn token(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Sends a header with the requests.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.lines += &lines(&[(name, value)]);
        self
    }

    /// Adds `name=value` to the query of the requests.
    pub fn query(mut self, pair: &str) -> Self {
        self.query += "&";
        self.query += pair;
        self
    }

    /// Lets the kernel keep only so much that the client has not read.
    pub fn receive_buffer_bytes(mut self, bytes: u32) -> Self {
        self.receive_buffer_bytes = Some(bytes);
        self
    }

    /// Negotiates.
    pub async fn negotiate(&self) -> Response {
        let mut http = Http::connect(self.address).await;
        let target = format!("{}/negotiate?negotiateVersion=1{}", self.path, self.query);
        http.write(&request("POST", &target, &self.lines, b"")).await;
        http.response().await
    }

    /// Negotiates, and returns the connection token.
    pub async fn connection_token(&self) -> String {
        self.negotiate().await.json()["connectionToken"].as_str().unwrap().to_owned()
    }

    /// Opens the WebSocket of a connection token, without the hub protocol's handshake.
    pub async fn upgrade(&self, connection_token: Option<&str>) -> Result<Http, Response> {
        let mut http = Http::over(within("a TCP connection", self.socket()).await);
        let id = connection_token.map(|token| format!("&id={token}")).unwrap_or_default();
        let query = format!("{}{id}", self.query);
        let target = format!("{}?{}", self.path, query.trim_start_matches('&'));
        http.write(&request("GET", &target, &format!("{}{UPGRADE}", self.lines), b"")).await;
        let head = http.head().await;
        if head.status == 101 { Ok(http) } else { Err(head) }
    }

    /// Connects all the way: negotiate, WebSocket, handshake.
    pub async fn open(&self) -> TestClient {
        let mut client = self.open_web_socket().await;
        client.send_text(HANDSHAKE).await;
        assert_eq!(client.receive().await, json!({}), "the handshake was refused");
        client
    }

    /// Negotiates and opens the WebSocket; the handshake is the test's.
    pub async fn open_web_socket(&self) -> TestClient {
        let negotiated = self.negotiate().await;
        assert_eq!(negotiated.status, 200, "{negotiated:?}");
        let negotiated = negotiated.json();
        let field = |name: &str| negotiated[name].as_str().unwrap().to_owned();
        let token = field("connectionToken");
        let http = self.upgrade(Some(&token)).await.unwrap();
        TestClient::new(http, field("connectionId"), token)
    }

    async fn socket(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = self.receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        socket.connect(self.address).await.unwrap()
    }
}
