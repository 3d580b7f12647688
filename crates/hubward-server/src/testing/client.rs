//! A client at the other end of an in-memory WebSocket: bare frames, JSON messages.

use std::sync::{Arc, Weak};
use std::time::Duration;

use hubward_auth::KeyRing;
use hubward_testing::frame::{self, masked};
use hubward_transport::{Acceptor, Claim, Connection, ConnectionManager, TransportOptions, testing};
use hubward_types::Principal;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};

use crate::acceptor::HubAcceptor;
use crate::engine::Engine;

/// How many bytes the in-memory socket takes before a write blocks.
const SOCKET_BYTES: usize = 64 * 1024;

/// Longer than any test needs, in paused time.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(3600);

/// The end of every message in JSON.
const RECORD_SEPARATOR: u8 = 0x1e;

pub(crate) struct TestClient {
    io: DuplexStream,
    /// What came of a frame that is not whole yet, and what followed it.
    buffer: Vec<u8>,
    /// Payload that was received and not yet returned.
    received: Vec<u8>,
    /// Held by the connection's registration alone.
    manager: Weak<ConnectionManager>,
}

/// What a client gets next.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    Message(Value),
    /// A WebSocket close frame, with its code.
    Closed(u16),
    /// The socket ended without one.
    Lost,
}

impl TestClient {
    /// Opens a connection; the handshake is not done yet.
    pub(crate) fn open(
        engine: &Arc<Engine>,
        id: &str,
        principal: Principal,
        options: TransportOptions,
    ) -> Self {
        Self::open_as(engine, id, principal, options, false, None)
    }

    /// Opens a connection of a user for which a token was claimed; the handshake is not done yet.
    pub(crate) fn open_claimed(engine: &Arc<Engine>, id: &str, user: &str, claim: Option<Claim>) -> Self {
        let principal = Principal::builder().user_id(user).build();
        Self::open_as(engine, id, principal, TransportOptions::default(), false, claim)
    }

    /// Opens an anonymous connection for which stateful reconnect was negotiated, and does the handshake.
    pub(crate) async fn connect_stateful(engine: &Arc<Engine>, id: &str) -> Self {
        let options = TransportOptions::default();
        let mut client = Self::open_as(engine, id, Principal::anonymous(), options, true, None);
        client.send(&json!({ "protocol": "json", "version": 2 })).await;
        assert_eq!(client.next().await, Next::Message(json!({})));
        client
    }

    /// A client whose connection is at the other end of `io`.
    pub(crate) fn over(io: DuplexStream) -> Self {
        Self { io, buffer: Vec::new(), received: Vec::new(), manager: Weak::new() }
    }

    fn open_as(
        engine: &Arc<Engine>,
        id: &str,
        principal: Principal,
        options: TransportOptions,
        stateful: bool,
        claim: Option<Claim>,
    ) -> Self {
        let (io, server) = tokio::io::duplex(SOCKET_BYTES);
        let manager = Self::accept_as(engine, server, id, principal, options, stateful, claim);
        Self { io, buffer: Vec::new(), received: Vec::new(), manager }
    }

    /// Has the engine accept an anonymous connection over any socket.
    pub(crate) fn accept(
        engine: &Arc<Engine>,
        socket: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        id: &str,
    ) {
        Self::accept_as(engine, socket, id, Principal::anonymous(), TransportOptions::default(), false, None);
    }

    fn accept_as(
        engine: &Arc<Engine>,
        socket: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        id: &str,
        principal: Principal,
        options: TransportOptions,
        stateful: bool,
        claim: Option<Claim>,
    ) -> Weak<ConnectionManager> {
        let context = &engine.context;
        let manager = ConnectionManager::new(
            context.id.clone(),
            KeyRing::random(),
            context.shutdown.clone(),
            context.tasks.clone(),
        );
        let weak = Arc::downgrade(&manager);
        let acceptor = HubAcceptor::new(engine.clone(), &options);
        let hub = engine.name().clone();
        let connection = testing::web_socket(socket, id, hub, principal, manager, Arc::new(options));
        acceptor.accept(testing::claimed(Connection { stateful, ..connection }, claim));
        weak
    }

    /// Opens an anonymous connection with default options, and does the handshake.
    pub(crate) async fn connect(engine: &Arc<Engine>, id: &str) -> Self {
        let mut client = Self::open(engine, id, Principal::anonymous(), TransportOptions::default());
        client.handshake().await;
        client
    }

    /// Opens a connection of a user, and does the handshake.
    pub(crate) async fn connect_user(engine: &Arc<Engine>, id: &str, user: &str) -> Self {
        let principal = Principal::builder().user_id(user).build();
        let mut client = Self::open(engine, id, principal, TransportOptions::default());
        client.handshake().await;
        client
    }

    pub(crate) async fn handshake(&mut self) {
        self.send(&json!({ "protocol": "json", "version": 1 })).await;
        assert_eq!(self.next().await, Next::Message(json!({})));
    }

    /// Sends a message.
    pub(crate) async fn send(&mut self, message: &Value) {
        let mut payload = message.to_string().into_bytes();
        payload.push(RECORD_SEPARATOR);
        self.send_bytes(&payload).await;
    }

    /// Sends a call that wants a completion.
    pub(crate) async fn invoke(&mut self, id: &str, method: &str, arguments: Value) {
        let call = json!({ "type": 1, "invocationId": id, "target": method, "arguments": arguments });
        self.send(&call).await;
    }

    /// Sends a call that wants a stream.
    pub(crate) async fn stream(&mut self, id: &str, method: &str, arguments: Value) {
        let call = json!({ "type": 4, "invocationId": id, "target": method, "arguments": arguments });
        self.send(&call).await;
    }

    /// Sends a call and returns its completion.
    pub(crate) async fn call(&mut self, method: &str, arguments: Value) -> Value {
        self.invoke("call", method, arguments).await;
        self.message().await
    }

    /// Sends bytes as one frame.
    pub(crate) async fn send_bytes(&mut self, payload: &[u8]) {
        self.write(&masked(frame::TEXT, payload)).await;
    }

    /// Sends a close frame, with code 1000.
    pub(crate) async fn send_close_frame(&mut self) {
        self.write(&masked(frame::CLOSE, &1000_u16.to_be_bytes())).await;
    }

    /// Writes bytes to the socket, framed or not.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.unwrap();
    }

    /// Cuts the socket without a close frame.
    pub(crate) fn cut(&mut self) {
        self.io = tokio::io::duplex(1).0;
    }

    /// Whether the connection still has its place among the node's connections.
    pub(crate) fn is_registered(&self) -> bool {
        self.manager.strong_count() > 0
    }

    /// Returns the next message, pings skipped.
    pub(crate) async fn message(&mut self) -> Value {
        match self.next().await {
            Next::Message(message) => message,
            other => panic!("a message was expected, not {other:?}"),
        }
    }

    /// Expects this Close message next, and then the close frame.
    pub(crate) async fn expect_close(&mut self, close: Value) {
        assert_eq!(self.next().await, Next::Message(close));
        assert_eq!(self.next().await, Next::Closed(1000));
    }

    /// Returns what comes next, pings skipped.
    pub(crate) async fn next(&mut self) -> Next {
        let next = async {
            loop {
                match self.receive().await {
                    Next::Message(message) if message == json!({ "type": 6 }) => {}
                    next => return next,
                }
            }
        };
        tokio::time::timeout(TEST_TIMEOUT, next).await.expect("nothing but pings comes")
    }

    /// Returns what comes next, pings included.
    pub(crate) async fn next_or_ping(&mut self) -> Next {
        tokio::time::timeout(TEST_TIMEOUT, self.receive()).await.expect("nothing comes")
    }

    /// Reads at most so many bytes from the socket, as a client on a slow line does, and keeps them. False at its end.
    pub(crate) async fn read_some(&mut self, bytes: usize) -> bool {
        let mut some = vec![0; bytes];
        let read = self.io.read(&mut some).await.unwrap();
        self.buffer.extend_from_slice(&some[..read]);
        read > 0
    }

    /// Takes what has been read whole already.
    pub(crate) fn take_next(&mut self) -> Option<Next> {
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == RECORD_SEPARATOR) {
                let record: Vec<u8> = self.received.drain(..=end).collect();
                return Some(Next::Message(serde_json::from_slice(&record[..end]).unwrap()));
            }
            match frame::take(&mut self.buffer)? {
                (frame::CLOSE, code) => return Some(Next::Closed(u16::from_be_bytes([code[0], code[1]]))),
                (_, payload) => self.received.extend(payload),
            }
        }
    }

    async fn receive(&mut self) -> Next {
        loop {
            if let Some(next) = self.take_next() {
                return next;
            }
            if self.io.read_buf(&mut self.buffer).await.unwrap() == 0 {
                assert!(self.buffer.is_empty(), "the socket ended inside a frame: {:?}", self.buffer);
                return Next::Lost;
            }
        }
    }
}
