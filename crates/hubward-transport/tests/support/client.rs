//! A client that hides nothing: it writes requests and frames and reads responses as they are.

use std::collections::HashMap;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::within;

#[derive(Debug, Default)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl HttpResponse {
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

    /// Reads a response to its end.
    pub(crate) async fn response(&mut self) -> HttpResponse {
        let head = self.head().await;
        self.body(head).await
    }

    /// Reads a response without its body.
    pub(crate) async fn head(&mut self) -> HttpResponse {
        let head = self.read_until(b"\r\n\r\n").await;
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        HttpResponse { status, headers, body: Vec::new() }
    }

    pub(crate) async fn body(&mut self, mut response: HttpResponse) -> HttpResponse {
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
