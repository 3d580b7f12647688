//! A client at the other end of an in-memory WebSocket: bare frames, JSON messages.

use std::sync::Arc;
use std::time::Duration;

use hubward_auth::KeyRing;
use hubward_transport::{Acceptor, ConnectionManager, TransportOptions, testing};
use hubward_types::Principal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::acceptor::HubAcceptor;
use crate::engine::Engine;

/// How many bytes the in-memory socket takes before a write blocks.
const SOCKET_BYTES: usize = 64 * 1024;

/// Longer than any test needs, in paused time.
const TEST_TIMEOUT: Duration = Duration::from_secs(3600);

/// The end of every message in JSON.
const RECORD_SEPARATOR: u8 = 0x1e;

pub(crate) struct TestClient {
    io: DuplexStream,
    /// Payload that was received and not yet returned.
    received: Vec<u8>,
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
        let (io, server) = tokio::io::duplex(SOCKET_BYTES);
        let context = &engine.context;
        let manager = ConnectionManager::new(
            context.id.clone(),
            KeyRing::random(),
            context.shutdown.clone(),
            context.tasks.clone(),
        );
        let acceptor = HubAcceptor::new(engine.clone(), &options);
        let hub = engine.name().clone();
        acceptor.accept(testing::web_socket(server, id, hub, principal, manager, Arc::new(options)));
        Self { io, received: Vec::new() }
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

    /// Sends a call and returns its completion.
    pub(crate) async fn call(&mut self, method: &str, arguments: Value) -> Value {
        self.invoke("call", method, arguments).await;
        self.message().await
    }

    /// Sends bytes as one frame. The masking key is zero, so that the payload stands as it is.
    pub(crate) async fn send_bytes(&mut self, payload: &[u8]) {
        let mut frame = vec![0x81];
        match payload.len() {
            length @ 0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
            length => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        self.io.write_all(&frame).await.unwrap();
    }

    /// Returns the next message, pings skipped.
    pub(crate) async fn message(&mut self) -> Value {
        match self.next().await {
            Next::Message(message) => message,
            other => panic!("a message was expected, not {other:?}"),
        }
    }

    /// Returns what comes next, pings skipped.
    pub(crate) async fn next(&mut self) -> Next {
        loop {
            match self.next_or_ping().await {
                Next::Message(message) if message == json!({ "type": 6 }) => {}
                next => return next,
            }
        }
    }

    /// Returns what comes next, pings included.
    pub(crate) async fn next_or_ping(&mut self) -> Next {
        tokio::time::timeout(TEST_TIMEOUT, self.receive()).await.expect("nothing comes")
    }

    async fn receive(&mut self) -> Next {
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == RECORD_SEPARATOR) {
                let record: Vec<u8> = self.received.drain(..=end).collect();
                return Next::Message(serde_json::from_slice(&record[..end]).unwrap());
            }
            let mut head = [0; 2];
            if self.io.read_exact(&mut head).await.is_err() {
                return Next::Lost;
            }
            let length = match head[1] {
                126 => usize::from(self.io.read_u16().await.unwrap()),
                127 => usize::try_from(self.io.read_u64().await.unwrap()).unwrap(),
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            self.io.read_exact(&mut payload).await.unwrap();
            match head[0] & 0x0f {
                0x8 => return Next::Closed(u16::from_be_bytes([payload[0], payload[1]])),
                _ => self.received.extend(payload),
            }
        }
    }
}
