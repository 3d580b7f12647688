//! A client of one hub over a WebSocket, in JSON. It answers pings of the WebSocket and does nothing else by itself.

use std::collections::VecDeque;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};

use crate::frames::{Opcode, frame};
use crate::http::{Answer, Http};
use crate::wait::within;

/// What stands between two hub messages.
const SEPARATOR: u8 = 0x1E;

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
    pub async fn negotiate(&self) -> Answer {
        let mut http = Http::connect(self.address).await;
        let target = format!("{}/negotiate?negotiateVersion=1{}", self.path, self.query);
        http.send("POST", &target, &self.headers(), b"").await;
        http.answer().await
    }

    /// Opens the WebSocket of a connection token, without the hub protocol's handshake.
    pub async fn upgrade(&self, connection_token: Option<&str>) -> Result<Http, Answer> {
        let mut http = Http::over(within("a TCP connection", self.socket()).await);
        let id = connection_token.map(|token| format!("&id={token}")).unwrap_or_default();
        let query = format!("{}{id}", self.query);
        let target = format!("{}?{}", self.path, query.trim_start_matches('&'));
        let mut headers = self.headers();
        headers.extend([
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]);
        http.send("GET", &target, &headers, b"").await;
        let head = http.head().await;
        if head.status == 101 { Ok(http) } else { Err(head) }
    }

    /// Connects all the way: negotiate, WebSocket, handshake.
    pub async fn open(&self) -> Client {
        let mut client = self.open_quietly().await;
        client.send_text(b"{\"protocol\":\"json\",\"version\":1}\x1e").await;
        assert_eq!(client.receive().await, json!({}), "the handshake was refused");
        client
    }

    /// Negotiates and opens the WebSocket; the handshake is the test's.
    pub async fn open_quietly(&self) -> Client {
        let negotiated = self.negotiate().await;
        assert_eq!(negotiated.status, 200, "{negotiated:?}");
        let negotiated = negotiated.json();
        let text = |name: &str| negotiated[name].as_str().unwrap().to_owned();
        let token = text("connectionToken");
        let http = self.upgrade(Some(&token)).await.unwrap();
        Client {
            http,
            id: text("connectionId"),
            token,
            messages: VecDeque::new(),
            last_id: 0,
            close: None,
            ended: None,
        }
    }

    async fn socket(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = self.receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        socket.connect(self.address).await.unwrap()
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}

/// A connected client.
pub struct Client {
    /// The connection's public id.
    pub id: String,
    /// The connection's token.
    pub token: String,
    http: Http,
    messages: VecDeque<Value>,
    last_id: u64,
    /// The Close message, when it has come.
    close: Option<Value>,
    ended: Option<Ended>,
}

/// How a connection ended, from the client's side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ended {
    /// The hub protocol's Close message, if one came.
    pub close: Option<Value>,
    /// The code of the WebSocket's close frame, if one came.
    pub code: Option<u16>,
}

/// The connection has ended, and there are no more messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Gone(pub Ended);

impl Client {
    /// Calls a method and waits for its completion. What comes before it is kept for [`receive`](Self::receive).
    pub async fn invoke(&mut self, method: &str, arguments: Value) -> Value {
        let id = self.begin(method, arguments).await;
        self.completion(&id).await
    }

    /// Calls a method that is to succeed, and returns its result.
    pub async fn result(&mut self, method: &str, arguments: Value) -> Value {
        let completion = self.invoke(method, arguments).await;
        assert!(completion.get("error").is_none(), "{method} failed: {completion}");
        completion["result"].clone()
    }

    /// Calls a method that is to fail, and returns the error.
    pub async fn error(&mut self, method: &str, arguments: Value) -> String {
        let completion = self.invoke(method, arguments).await;
        completion["error"].as_str().unwrap_or_else(|| panic!("{method} succeeded: {completion}")).to_owned()
    }

    /// Calls a method, and returns the call's id without waiting.
    pub async fn begin(&mut self, method: &str, arguments: Value) -> String {
        let id = self.next_id();
        self.send(&json!({ "type": 1, "invocationId": id, "target": method, "arguments": arguments })).await;
        id
    }

    /// Calls a streaming method, and returns the call's id.
    pub async fn begin_stream(&mut self, method: &str, arguments: Value) -> String {
        let id = self.next_id();
        self.send(&json!({ "type": 4, "invocationId": id, "target": method, "arguments": arguments })).await;
        id
    }

    /// Calls a method with one upload; returns the call's id and the upload's.
    pub async fn begin_upload(&mut self, method: &str, arguments: Value) -> (String, String) {
        let (id, upload) = (self.next_id(), self.next_id());
        let call = json!({
            "type": 1, "invocationId": id, "target": method, "arguments": arguments, "streamIds": [upload]
        });
        self.send(&call).await;
        (id, upload)
    }

    /// An id that no call of this client has.
    pub fn next_id(&mut self) -> String {
        self.last_id += 1;
        self.last_id.to_string()
    }

    /// Waits for the completion of a call. What comes before it is kept for [`receive`](Self::receive).
    pub async fn completion(&mut self, id: &str) -> Value {
        self.find(&format!("the completion of call {id}"), |message| {
            message["type"] == 3 && message["invocationId"] == id
        })
        .await
    }

    /// Waits for a call of a method of this client. What comes before it is kept for [`receive`](Self::receive).
    pub async fn called(&mut self, method: &str) -> Value {
        self.find(&format!("a call of {method}"), |message| {
            message["type"] == 1 && message["target"] == method
        })
        .await
    }

    /// Waits for a call of a method of this client, and returns its arguments.
    pub async fn arguments(&mut self, method: &str) -> Value {
        self.called(method).await["arguments"].clone()
    }

    /// Answers a question of the server.
    pub async fn answer(&mut self, question: &Value, result: Value) {
        let id = question["invocationId"].clone();
        self.send(&json!({ "type": 3, "invocationId": id, "result": result })).await;
    }

    /// Waits for the next message that is neither Ping nor Close.
    pub async fn receive(&mut self) -> Value {
        match self.next().await {
            Ok(message) => message,
            Err(Gone(ended)) => panic!("the connection ended: {ended:?}"),
        }
    }

    /// Waits for the next message that is neither Ping nor Close, or the end.
    ///
    /// # Errors
    /// [`Gone`], when the connection has ended.
    pub async fn next(&mut self) -> Result<Value, Gone> {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return Ok(message);
            }
            self.read().await?;
        }
    }

    /// Waits for the end, passing over whatever comes before it.
    pub async fn ended(&mut self) -> Ended {
        loop {
            self.messages.clear();
            if let Err(Gone(ended)) = self.read().await {
                return ended;
            }
        }
    }

    /// Tells that nothing has come but what was taken: calls a method that answers, and looks what came before.
    pub async fn has_nothing_after(&mut self, method: &str, arguments: Value) -> bool {
        self.result(method, arguments).await;
        self.messages.is_empty()
    }

    /// Takes what has come and was not asked for yet, without waiting.
    pub fn take_kept(&mut self) -> Vec<Value> {
        self.messages.drain(..).collect()
    }

    /// Sends a hub message.
    pub async fn send(&mut self, message: &Value) {
        let mut text = message.to_string().into_bytes();
        text.push(SEPARATOR);
        self.send_text(&text).await;
    }

    /// Sends a text frame.
    pub async fn send_text(&mut self, text: &[u8]) {
        self.send_raw(&frame(Opcode::Text, text)).await;
    }

    /// Sends bytes as they are.
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.http.write(bytes).await;
    }

    /// Closes as a browser does: with a close frame, and waiting for the other.
    pub async fn close(mut self) -> Ended {
        self.send_raw(&frame(Opcode::Close, &1000_u16.to_be_bytes())).await;
        self.ended().await
    }

    async fn find(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut looked_at = 0;
        loop {
            while let Some(message) = self.messages.get(looked_at) {
                if wanted(message) {
                    return self.messages.remove(looked_at).unwrap();
                }
                looked_at += 1;
            }
            if let Err(Gone(ended)) = self.read().await {
                panic!("the connection ended before {what}: {ended:?}");
            }
        }
    }

    /// Reads one frame; its messages are put behind the others.
    async fn read(&mut self) -> Result<(), Gone> {
        if let Some(ended) = &self.ended {
            return Err(Gone(ended.clone()));
        }
        match self.http.frame().await {
            Some((0x81, payload)) => {
                assert_eq!(payload.last(), Some(&SEPARATOR), "a frame holds whole messages");
                let records = payload.split(|byte| *byte == SEPARATOR).filter(|record| !record.is_empty());
                for record in records {
                    let message: Value = serde_json::from_slice(record).unwrap();
                    match message["type"].as_u64() {
                        Some(6) => {}
                        Some(7) => self.close = Some(message),
                        _ => self.messages.push_back(message),
                    }
                }
            }
            Some((0x89, payload)) => self.send_raw(&frame(Opcode::Pong, &payload)).await,
            Some((0x88, payload)) => {
                let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                let _ = within("the end", self.http.finish_writing()).await;
                return Err(self.end(code));
            }
            Some((first, payload)) => panic!("a frame of {first:#x} came: {payload:?}"),
            None => return Err(self.end(None)),
        }
        Ok(())
    }

    fn end(&mut self, code: Option<u16>) -> Gone {
        let ended = Ended { close: self.close.take(), code };
        self.ended = Some(ended.clone());
        Gone(ended)
    }
}
