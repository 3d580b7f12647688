//! HTTP/1.1 over a socket, and whatever it is upgraded to: what is written is what is given, and what comes is read
//! as it comes. Nothing is answered by itself.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::frame;
use crate::request::{UPGRADE, header_lines, request};
use crate::response::Response;
use crate::wait::within;

/// A connection to a server.
#[derive(Debug)]
pub struct Http {
    socket: TcpStream,
    /// What was received and not yet read.
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

    /// Sends one request over a connection of its own, and reads the response.
    pub async fn exchange(
        address: SocketAddr,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let mut http = Self::connect(address).await;
        http.send(method, target, headers, body).await;
        http.response().await
    }

    /// Opens a WebSocket.
    ///
    /// # Errors
    /// The response, where it does not switch protocols.
    pub async fn upgrade(mut self, target: &str, headers: &[(&str, &str)]) -> Result<Self, Response> {
        self.send("GET", target, &[&UPGRADE, headers].concat(), b"").await;
        let head = self.head().await;
        if head.status == 101 { Ok(self) } else { Err(self.body(head).await) }
    }

    /// Writes a request.
    pub async fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) {
        self.write(&request(method, target, &header_lines(headers), body)).await;
    }

    /// Writes bytes.
    pub async fn write(&mut self, bytes: &[u8]) {
        within("room to write", self.socket.write_all(bytes)).await.unwrap();
    }

    /// Reads a response to its end.
    pub async fn response(&mut self) -> Response {
        let head = self.head().await;
        self.body(head).await
    }

    /// Reads a response as far as its body.
    pub async fn head(&mut self) -> Response {
        let head = String::from_utf8(self.read_until(b"\r\n\r\n").await).unwrap();
        Response::parse(&head)
    }

    async fn body(&mut self, mut response: Response) -> Response {
        if let Some(length) = response.header("content-length") {
            response.body = self.read(length.parse().unwrap()).await;
        } else if response.header("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk().await {
                response.body.extend(chunk);
            }
        }
        response
    }

    /// Reads one chunk of a chunked body; None at its end.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.read_until(b"\r\n").await;
        let length = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
        let mut chunk = self.read(length + 2).await;
        chunk.truncate(length);
        (length > 0).then_some(chunk)
    }

    /// Reads a frame: its first byte and its payload. None where the server has closed instead.
    pub async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(frame) = frame::take(&mut self.buffer) {
                return Some(frame);
            }
            if self.fill().await == 0 {
                return None;
            }
        }
    }

    /// Returns the socket, and what was received and not yet read.
    pub fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.socket, self.buffer)
    }

    /// Closes the socket's writing half.
    pub async fn finish_writing(&mut self) {
        let _ = self.socket.shutdown().await;
    }

    /// Waits for the server to close. What comes before that fails the test.
    pub async fn closed(&mut self) {
        while self.buffer.is_empty() && self.fill().await > 0 {}
        assert!(self.buffer.is_empty(), "the server sent {:?} instead of closing", self.shown());
    }

    async fn read(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            self.fill_more().await;
        }
        let rest = self.buffer.split_off(length);
        std::mem::replace(&mut self.buffer, rest)
    }

    async fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return self.read(at + end.len()).await;
            }
            self.fill_more().await;
        }
    }

    async fn fill_more(&mut self) {
        assert!(self.fill().await > 0, "the server closed after {:?}", self.shown());
    }

    /// Reads once; 0 at the end.
    async fn fill(&mut self) -> usize {
        within("bytes of the server", self.socket.read_buf(&mut self.buffer)).await.unwrap_or(0)
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }
}
