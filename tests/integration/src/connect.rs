//! How a client connects: negotiate, WebSocket and handshake, each by itself or all together.

use std::net::SocketAddr;

use hubward_testing::{Http, Response, within};
use serde_json::json;
use tokio::net::{TcpSocket, TcpStream};

use crate::client::TestClient;

/// The handshake of the JSON protocol, with the separator that ends it.
pub const HANDSHAKE: &[u8] = b"{\"protocol\":\"json\",\"version\":1}\x1e";

/// How a client is to connect.
#[derive(Clone, Debug)]
pub struct Connect {
    address: SocketAddr,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    receive_buffer_bytes: Option<u32>,
}

impl Connect {
    /// Begins with a path of a node, and nothing else.
    pub fn new(address: SocketAddr, path: &str) -> Self {
        let (path, query, headers) = (path.to_owned(), String::new(), Vec::new());
        Self { address, path, query, headers, receive_buffer_bytes: None }
    }

    /// Sends a bearer token in the header.
    pub fn token(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Sends a header with the requests.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
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
        let target = format!("{}/negotiate?negotiateVersion=1{}", self.path, self.query);
        Http::exchange(self.address, "POST", &target, &self.headers(), b"").await
    }

    /// Negotiates, and returns the connection token.
    pub async fn connection_token(&self) -> String {
        self.negotiate().await.json()["connectionToken"].as_str().unwrap().to_owned()
    }

    /// Opens the WebSocket of a connection token, without the hub protocol's handshake.
    ///
    /// # Errors
    /// The response, where it is refused.
    pub async fn upgrade(&self, connection_token: Option<&str>) -> Result<Http, Response> {
        let id = connection_token.map(|token| format!("&id={token}")).unwrap_or_default();
        let query = format!("{}{id}", self.query);
        let target = format!("{}?{}", self.path, query.trim_start_matches('&'));
        let socket = within("a TCP connection", self.socket()).await;
        Http::over(socket).upgrade(&target, &self.headers()).await
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

    fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    async fn socket(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = self.receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        socket.connect(self.address).await.unwrap()
    }
}
