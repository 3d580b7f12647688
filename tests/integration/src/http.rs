//! Bare HTTP over a socket: requests are written as they are given, responses read as they come.

use std::collections::HashMap;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::wait::within;

/// The header lines of a request for a WebSocket.
pub const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A server's response.
#[derive(Debug, Default)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: HashMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A connection that speaks HTTP/1.1, and whatever it is upgraded to.
pub struct Http {
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Http {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(within("a TCP connection", TcpStream::connect(address)).await.unwrap())
    }

    /// Uses a socket that is connected.
    pub fn over(socket: TcpStream) -> Self {
        socket.set_nodelay(true).unwrap();
        Self { socket, buffer: Vec::new() }
    }

    /// Writes a request.
    pub async fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) {
        self.write(&request(method, target, &lines(headers), body)).await;
    }

    /// Writes bytes.
    pub async fn write(&mut self, bytes: &[u8]) {
        within("room to write", self.socket.write_all(bytes)).await.unwrap();
    }

    /// Reads a response to its end.
    pub async fn response(&mut self) -> Response {
        let mut response = self.head().await;
        if let Some(length) = response.headers.get("content-length") {
            response.body = self.read(length.parse().unwrap()).await;
        } else if response.headers.contains_key("transfer-encoding") {
            while let Some(chunk) = self.chunk().await {
                response.body.extend(chunk);
            }
        }
        response
    }

    /// Reads a response as far as its body.
    pub async fn head(&mut self) -> Response {
        let head = String::from_utf8(self.read_until(b"\r\n\r\n").await).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Response { status, headers, body: Vec::new() }
    }

    /// Reads one chunk of a chunked body; None at its end.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.read_until(b"\r\n").await;
        let length = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
        let mut chunk = self.read(length + 2).await;
        chunk.truncate(length);
        (length > 0).then_some(chunk)
    }

    /// Reads a frame that a server sent: its first byte and its payload. None where the socket ended instead.
    pub async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (header_bytes, length) = loop {
            let known = match *self.buffer {
                [_, length @ 0..=125, ..] => Some((2, usize::from(length))),
                [_, 126, high, low, ..] => Some((4, usize::from(u16::from_be_bytes([high, low])))),
                [_, 127, a, b, c, d, e, f, g, h, ..] => {
                    Some((10, u64::from_be_bytes([a, b, c, d, e, f, g, h]) as usize))
                }
                _ => None,
            };
            match known {
                Some(known) => break known,
                None if self.fill().await == 0 => return None,
                None => {}
            }
        };
        while self.buffer.len() < header_bytes + length {
            if self.fill().await == 0 {
                return None;
            }
        }
        let payload = self.buffer[header_bytes..header_bytes + length].to_vec();
        let first = self.buffer[0];
        self.buffer.drain(..header_bytes + length);
        Some((first, payload))
    }

    /// Closes the socket's writing half.
    pub async fn finish_writing(&mut self) {
        let _ = self.socket.shutdown().await;
    }

    /// Reads whatever comes until the server closes.
    pub async fn read_to_end(&mut self) -> Vec<u8> {
        while self.fill().await > 0 {}
        std::mem::take(&mut self.buffer)
    }

    async fn read(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.fill().await > 0, "the server closed after {:?}", self.shown());
        }
        let rest = self.buffer.split_off(length);
        std::mem::replace(&mut self.buffer, rest)
    }

    async fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return self.read(at + end.len()).await;
            }
            assert!(self.fill().await > 0, "the server closed after {:?}", self.shown());
        }
    }

    /// Reads once; 0 at the end.
    async fn fill(&mut self) -> usize {
        within("bytes of the server", self.socket.read_buf(&mut self.buffer)).await.unwrap_or(0)
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }
}

/// A request in bytes, with these header lines besides Host and a POST's length.
pub fn request(method: &str, target: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let length = if method == "POST" { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
    let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{lines}{length}\r\n");
    [head.as_bytes(), body].concat()
}

/// Headers as lines.
pub(crate) fn lines(headers: &[(&str, &str)]) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}
