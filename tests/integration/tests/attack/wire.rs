//! A client over a WebSocket that reads and writes at the same time, in JSON or MessagePack, and answers nothing by
//! itself.

use std::net::SocketAddr;

use hubward_tests::frame::{self, masked};
use hubward_tests::{Connect, HANDSHAKE, Http, NodeProcess};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::waits::at_last;

/// What ends each JSON message.
pub(crate) const SEPARATOR: u8 = 0x1E;

/// The handshake of a client that can resume.
const STATEFUL_HANDSHAKE: &[u8] = b"{\"protocol\":\"json\",\"version\":2}\x1e";

const MESSAGE_PACK_HANDSHAKE: &[u8] = b"{\"protocol\":\"messagepack\",\"version\":1}\x1e";

/// The length of a read.
const READ_BYTES: usize = 256 * 1024;

/// An open connection.
pub(crate) struct Wire {
    pub id: String,
    pub reading: Reading,
    pub writing: OwnedWriteHalf,
}

/// The half that is read.
pub(crate) struct Reading {
    socket: OwnedReadHalf,
    buffer: Vec<u8>,
    /// How much of the buffer was taken.
    taken: usize,
}

impl Wire {
    /// Connects to a hub all the way.
    pub(crate) async fn open(connect: &Connect) -> Self {
        Self::open_with(connect, frame::TEXT, HANDSHAKE).await
    }

    /// The same, for a client that can resume.
    pub(crate) async fn open_stateful(connect: &Connect) -> Self {
        Self::open_with(&connect.clone().query("useStatefulReconnect=true"), frame::TEXT, STATEFUL_HANDSHAKE)
            .await
    }

    /// The same, in MessagePack.
    pub(crate) async fn open_message_pack(connect: &Connect) -> Self {
        Self::open_with(connect, frame::BINARY, MESSAGE_PACK_HANDSHAKE).await
    }

    async fn open_with(connect: &Connect, first: u8, handshake: &[u8]) -> Self {
        let client = connect.open_web_socket().await;
        let id = client.id.clone();
        let mut wire = Self::over(client.into_http(), id);
        wire.write(&masked(first, handshake)).await;
        let answer = wire.reading.payload().await.expect("the handshake is answered");
        assert_eq!(answer, b"{}\x1e", "the handshake was refused");
        wire
    }

    pub(crate) fn over(http: Http, id: String) -> Self {
        let (socket, buffer) = http.into_parts();
        let (reading, writing) = socket.into_split();
        Self { id, reading: Reading { socket: reading, buffer, taken: 0 }, writing }
    }

    /// Writes bytes as they are. A connection that has ended takes nothing more.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _ = at_last("room to write", self.writing.write_all(bytes)).await;
    }

    /// Sends a hub message.
    pub(crate) async fn send(&mut self, message: &Value) {
        self.write(&text(message)).await;
    }

    /// Calls a method, and waits for its completion; what comes before it is dropped.
    pub(crate) async fn invoke(&mut self, method: &str, arguments: Value) -> Option<Value> {
        self.send(&call("call", method, &arguments)).await;
        self.reading.find(|message| message["type"] == 3 && message["invocationId"] == "call").await
    }

    /// The same, where the call succeeds.
    pub(crate) async fn result(&mut self, method: &str, arguments: Value) -> Value {
        let completion = self.invoke(method, arguments).await;
        let completion =
            completion.unwrap_or_else(|| panic!("the connection ended before {method} was complete"));
        assert!(completion.get("error").is_none(), "{method} failed: {completion}");
        completion["result"].clone()
    }
}

impl Reading {
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// Waits for the next data frame's payload; None at the end.
    pub(crate) async fn payload(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.take() {
                Some((frame::TEXT | frame::BINARY, payload)) => return Some(payload),
                Some((frame::CLOSE, _)) => return None,
                Some(_) => {}
                None if self.fill().await == 0 => return None,
                None => {}
            }
        }
    }

    /// Waits for the next frame's messages, in JSON; None at the end.
    pub(crate) async fn messages(&mut self) -> Option<Vec<Value>> {
        let payload = self.payload().await?;
        let records = payload.split(|byte| *byte == SEPARATOR).filter(|record| !record.is_empty());
        Some(records.map(|record| serde_json::from_slice(record).unwrap()).collect())
    }

    /// Waits for a message that is wanted, and drops those before it; None at the end.
    pub(crate) async fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        loop {
            let messages = at_last("a message", self.messages()).await?;
            if let Some(message) = messages.into_iter().find(|message| wanted(message)) {
                return Some(message);
            }
        }
    }

    /// Reads and drops everything until the end, and returns the last message in JSON.
    pub(crate) async fn ended(&mut self) -> Option<Value> {
        let mut last = None;
        while let Some(messages) = at_last("the end", self.messages()).await {
            last = messages.into_iter().last().or(last);
        }
        last
    }

    /// Reads at most so many bytes and drops them; 0 at the end.
    pub(crate) async fn trickle(&mut self, bytes: usize) -> usize {
        let mut part = vec![0; bytes];
        self.socket.read(&mut part).await.unwrap_or(0)
    }

    /// Takes a frame that is there whole.
    fn take(&mut self) -> Option<(u8, Vec<u8>)> {
        let received = &self.buffer[self.taken..];
        let (header, length) = match *received {
            [_, length @ 0..=125, ..] => (2, usize::from(length)),
            [_, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
            [_, 127, a, b, c, d, e, f, g, h, ..] => {
                (10, u64::from_be_bytes([a, b, c, d, e, f, g, h]) as usize)
            }
            _ => return None,
        };
        let payload = received.get(header..header + length)?.to_vec();
        let first = received[0];
        self.taken += header + length;
        Some((first, payload))
    }

    async fn fill(&mut self) -> usize {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.reserve(READ_BYTES);
        self.socket.read_buf(&mut self.buffer).await.unwrap_or(0)
    }
}

/// Makes a call that is answered.
pub(crate) fn call(id: &str, method: &str, arguments: &Value) -> Value {
    json!({ "type": 1, "invocationId": id, "target": method, "arguments": arguments })
}

/// Makes a call that is not answered.
pub(crate) fn one_way(method: &str, arguments: &Value) -> Value {
    json!({ "type": 1, "target": method, "arguments": arguments })
}

/// Makes the record of a message.
pub(crate) fn record(message: &Value) -> Vec<u8> {
    let mut record = message.to_string().into_bytes();
    record.push(SEPARATOR);
    record
}

/// Makes the frame of a message.
pub(crate) fn text(message: &Value) -> Vec<u8> {
    masked(frame::TEXT, &record(message))
}

/// Makes many calls with ids of their own, each in a frame.
pub(crate) fn calls(count: usize, method: &str, arguments: &Value) -> Vec<u8> {
    (0..count).flat_map(|id| text(&call(&id.to_string(), method, arguments))).collect()
}

/// Makes a MessagePack call with one small whole number as its argument, with the length before it.
pub(crate) fn message_pack_call(id: &str, method: &str, argument: u32) -> Vec<u8> {
    let string = |text: &str| [&[0xA0 | text.len() as u8], text.as_bytes()].concat();
    let argument = [&[0x91, 0xCE][..], &argument.to_be_bytes()].concat();
    let body = [&[0x96, 1, 0x80][..], &string(id), &string(method), &argument, &[0x90]].concat();
    [&[body.len() as u8], body.as_slice()].concat()
}

/// Opens a client that watches what the attacked hub counts.
pub(crate) async fn watch(node: &NodeProcess, path: &str) -> Wire {
    Wire::open(&node.client(path)).await
}
