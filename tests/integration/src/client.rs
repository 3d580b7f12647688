//! A client of one hub over a WebSocket, in JSON. It answers the WebSocket's Pings and does nothing else by itself.

use std::collections::VecDeque;

use hubward_testing::frame::{self, masked};
use hubward_testing::{Http, within};
use serde_json::{Value, json};

/// What ends each hub message.
const SEPARATOR: u8 = 0x1E;

/// A connected client.
pub struct TestClient {
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

impl TestClient {
    /// Takes an open WebSocket of a connection.
    pub(crate) fn new(http: Http, id: String, token: String) -> Self {
        Self { http, id, token, messages: VecDeque::new(), last_id: 0, close: None, ended: None }
    }

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

    /// Waits until the server invokes a method of this client. What comes before it is kept for [`receive`](Self::receive).
    pub async fn invoked(&mut self, method: &str) -> Value {
        self.find(&format!("an invocation of {method}"), |message| {
            message["type"] == 1 && message["target"] == method
        })
        .await
    }

    /// Waits until the server invokes a method of this client, and returns the arguments.
    pub async fn arguments(&mut self, method: &str) -> Value {
        self.invoked(method).await["arguments"].clone()
    }

    /// Sends the client result of an invocation.
    pub async fn complete(&mut self, invocation: &Value, result: Value) {
        let id = invocation["invocationId"].clone();
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

    /// Waits for the end, and skips whatever comes before it.
    pub async fn ended(&mut self) -> Ended {
        loop {
            self.messages.clear();
            if let Err(Gone(ended)) = self.read().await {
                return ended;
            }
        }
    }

    /// Whether nothing has come but what was taken: calls a method that returns, and checks what came before.
    pub async fn has_nothing_after(&mut self, method: &str, arguments: Value) -> bool {
        self.result(method, arguments).await;
        self.messages.is_empty()
    }

    /// Takes what has come and was not taken yet, without waiting.
    pub fn take_received(&mut self) -> Vec<Value> {
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
        self.send_raw(&masked(frame::TEXT, text)).await;
    }

    /// Sends bytes as they are.
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.http.write(bytes).await;
    }

    /// Closes as a browser does: with a close frame, and waiting for the other.
    pub async fn close(mut self) -> Ended {
        self.send_raw(&masked(frame::CLOSE, &1000_u16.to_be_bytes())).await;
        self.ended().await
    }

    /// Returns the WebSocket, for a test that reads and writes at the same time.
    pub fn into_http(self) -> Http {
        self.http
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

    /// Reads one frame; its messages are put after the others.
    async fn read(&mut self) -> Result<(), Gone> {
        if let Some(ended) = &self.ended {
            return Err(Gone(ended.clone()));
        }
        match self.http.frame().await {
            Some((frame::TEXT, payload)) => {
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
            Some((frame::PING, payload)) => self.send_raw(&masked(frame::PONG, &payload)).await,
            Some((frame::CLOSE, payload)) => {
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
