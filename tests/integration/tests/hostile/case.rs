//! One case: what a hostile client does, drawn from its number, until the server has closed its connections.

use std::net::SocketAddr;
use std::time::Duration;

use hubward_tests::frame::{self, masked};
use hubward_tests::{Http, Random, TIMEOUT, UPGRADE, header_lines, request, token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::mutate::{mutate, wrong_frame};
use crate::seeds::{HANDSHAKES, HubProtocol, LINES, NEGOTIATES};

/// How long a client reads before it closes, if it reads at all.
const READ_TIME: Duration = Duration::from_millis(20);

/// Runs a case.
pub(crate) async fn run(address: SocketAddr, number: usize) {
    let mut random = Random::new(number as u64);
    let done = tokio::time::timeout(TIMEOUT, Case { address, random: &mut random }.run()).await;
    assert!(done.is_ok(), "the server did not close the connections of case {number}");
}

struct Case<'a> {
    address: SocketAddr,
    random: &'a mut Random,
}

impl Case<'_> {
    async fn run(&mut self) {
        match self.random.below(10) {
            0..4 => self.web_socket().await,
            4 => self.resumed().await,
            5 => self.server_sent_events().await,
            6 => self.long_polling().await,
            7 => self.raw().await,
            8 => self.early_post().await,
            _ => self.negotiate().await,
        }
    }

    async fn web_socket(&mut self) {
        let path = self.random.one_of(&["/hub", "/hub", "/stateful", "/secure"]);
        let target = self.target(path).await;
        let conversation = self.conversation(1);
        let bytes = [self.head("GET", &target, &header_lines(&UPGRADE)), conversation].concat();
        self.send(&bytes).await;
    }

    /// A stateful connection, cut and resumed.
    async fn resumed(&mut self) {
        let target = self.target("/stateful").await;
        let first = [upgrade(&target), self.conversation(2)].concat();
        let again = [upgrade(&target), self.frames(HubProtocol::Json, 5)].concat();
        let held = if self.random.once_in(2) { self.begin(&first).await } else { None };
        if held.is_none() {
            self.send(&first).await;
        }
        self.send(&again).await;
    }

    async fn server_sent_events(&mut self) {
        let target = self.target("/hub").await;
        let get = self.head("GET", &target, "Accept: text/event-stream\r\n");
        // Closed without waiting: a client that only stops writing may go on to read events.
        let _events = self.begin(&get).await;
        self.posts(&target).await;
    }

    async fn long_polling(&mut self) {
        let target = self.target("/hub").await;
        let first = self.head("GET", &target, "Connection: close\r\n");
        self.send(&first).await;
        self.posts(&target).await;
        let poll = request("GET", &target, "Connection: close\r\n", b"");
        self.send(&poll).await;
        let end = self.head("DELETE", &target, "Connection: close\r\n");
        self.send(&end).await;
    }

    async fn raw(&mut self) {
        let target = self.target("/raw").await;
        let mut bytes = upgrade(&target);
        for _ in 0..=self.random.below(4) {
            bytes.extend(self.frame(b"bytes in, bytes out".to_vec()));
        }
        self.send(&bytes).await;
    }

    /// A POST before any GET.
    async fn early_post(&mut self) {
        let target = self.target("/hub").await;
        self.posts(&target).await;
        if self.random.once_in(2) {
            let poll = self.head("GET", &target, "Connection: close\r\n");
            self.send(&poll).await;
        }
    }

    async fn negotiate(&mut self) {
        let path = self.random.one_of(&["/hub", "/stateful", "/secure", "/raw", "/none"]);
        let query = self.random.one_of(NEGOTIATES);
        let method = self.random.one_of(&["POST", "POST", "POST", "GET", "OPTIONS", "PUT", "BREW"]);
        let mut bytes = self.head(method, &format!("{path}/negotiate{query}"), "");
        if self.random.once_in(3) {
            let mut bearer = token("alice", &["nurse"]).into_bytes();
            mutate(self.random, &mut bearer);
            let line = b"Authorization: Bearer ";
            bytes = request("POST", "/secure/negotiate", "", b"");
            let at = bytes.len() - 2;
            bytes.splice(at..at, [line, bearer.as_slice(), b"\r\n"].concat());
        }
        self.send(&bytes).await;
    }

    /// A path with the token of a new connection, or with something that is not a token.
    async fn target(&mut self, path: &str) -> String {
        match self.random.below(24) {
            0 => return path.to_owned(),
            1 => return format!("{path}?id=%00%FF&id={}", "A".repeat(self.random.below(400))),
            _ => {}
        }
        let bearer = format!("Bearer {}", token("alice", &[]));
        let negotiate = format!("{path}/negotiate?negotiateVersion=1&useStatefulReconnect=true");
        let headers = [("Authorization", bearer.as_str())];
        let negotiated = Http::exchange(self.address, "POST", &negotiate, &headers, b"").await.json();
        let connection = negotiated["connectionToken"].as_str().unwrap();
        let mut target = format!("{path}?id={connection}&access_token={}", &bearer[7..]);
        if self.random.once_in(24) {
            let cut = self.random.below(target.len() - path.len()) + path.len();
            target.truncate(cut);
        }
        target
    }

    /// The head of a request, now and then changed.
    fn head(&mut self, method: &str, target: &str, lines: &str) -> Vec<u8> {
        let more = if self.random.once_in(8) { self.random.one_of(LINES) } else { "" };
        let mut head = request(method, target, &format!("{lines}{more}"), b"");
        if self.random.once_in(10) {
            mutate(self.random, &mut head);
        }
        head
    }

    /// Handshake and messages, in frames.
    fn conversation(&mut self, version: u32) -> Vec<u8> {
        let protocol = self.random.one_of(&[HubProtocol::Json, HubProtocol::MessagePack]);
        let handshake = self.handshake(protocol, version);
        let mut bytes = self.frame(handshake);
        bytes.extend(self.frames(protocol, 12));
        bytes
    }

    fn handshake(&mut self, protocol: HubProtocol, version: u32) -> Vec<u8> {
        let mut handshake = protocol.handshake(version);
        if self.random.once_in(10) {
            handshake = format!("{}\x1e", self.random.one_of(HANDSHAKES)).into_bytes();
        }
        if self.random.once_in(10) {
            mutate(self.random, &mut handshake);
        }
        handshake
    }

    fn frames(&mut self, protocol: HubProtocol, at_most: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..=self.random.below(at_most) {
            let message = self.message(protocol);
            bytes.extend(self.frame(message));
        }
        bytes
    }

    /// A message: as it should be, changed inside its framing, or changed with it.
    fn message(&mut self, protocol: HubProtocol) -> Vec<u8> {
        let change = self.random.below(6);
        let mut message = protocol.message(self.random, |random, message| {
            if change == 0 {
                mutate(random, message);
            }
        });
        if change == 1 {
            mutate(self.random, &mut message);
        }
        message
    }

    /// A frame, right or wrong.
    fn frame(&mut self, payload: Vec<u8>) -> Vec<u8> {
        match self.random.below(32) {
            0 => wrong_frame(self.random),
            1 => {
                let mut frame = masked(frame::BINARY, &payload);
                mutate(self.random, &mut frame);
                frame
            }
            2..5 => {
                // In three parts, with a ping between them.
                let (a, b) = payload.split_at(self.random.below(payload.len() + 1));
                [masked(0x01, a), masked(frame::PING, b"?"), masked(0x00, b""), masked(0x80, b)].concat()
            }
            _ => masked(frame::TEXT, &payload),
        }
    }

    /// Handshake and messages, in POSTs.
    async fn posts(&mut self, target: &str) {
        let mut body = self.handshake(HubProtocol::Json, 1);
        for _ in 0..=self.random.below(3) {
            body.extend(self.message(HubProtocol::Json));
            if self.random.once_in(2) {
                self.post(target, &std::mem::take(&mut body)).await;
            }
        }
        self.post(target, &body).await;
    }

    async fn post(&mut self, target: &str, body: &[u8]) {
        let mut bytes = request("POST", target, "Connection: close\r\n", body);
        if self.random.once_in(10) {
            mutate(self.random, &mut bytes);
        }
        self.send(&bytes).await;
    }

    /// Connects and writes, and leaves the socket open.
    async fn begin(&mut self, bytes: &[u8]) -> Option<TcpStream> {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        // The server may have closed already, as it may.
        socket.write_all(bytes).await.ok()?;
        Some(socket)
    }

    /// Connects, writes, perhaps reads, and waits until the server has closed. Now and then it does not wait, but resets
    /// the connection.
    async fn send(&mut self, bytes: &[u8]) {
        let Some(mut socket) = self.begin(bytes).await else { return };
        match self.random.below(8) {
            0 => socket.set_zero_linger().unwrap(),
            1..4 => {
                let _ = tokio::time::timeout(READ_TIME, read_to_end(&mut socket)).await;
                finish(socket).await;
            }
            _ => finish(socket).await,
        }
    }
}

/// A request for a WebSocket, as it should be.
fn upgrade(target: &str) -> Vec<u8> {
    request("GET", target, &header_lines(&UPGRADE), b"")
}

async fn finish(mut socket: TcpStream) {
    let _ = socket.shutdown().await;
    read_to_end(&mut socket).await;
}

async fn read_to_end(socket: &mut TcpStream) {
    let mut buffer = [0; 4096];
    while matches!(socket.read(&mut buffer).await, Ok(1..)) {}
}
