//! A server that speaks Redis's protocol and answers as a test wants it to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What becomes of a command.
pub(crate) enum Answer {
    Reply(Vec<u8>),
    /// Nothing after this.
    Close(Vec<u8>),
    /// Never an end: first this, then that again and again.
    Endless(&'static [u8], Vec<u8>),
}

/// Listens until it is dropped.
pub(crate) struct FakeRedis {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl FakeRedis {
    /// Starts one that gives these answers to commands.
    pub(crate) async fn start(answer: impl Fn(&[Vec<u8>]) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (answer, connections, bytes) = (Arc::new(answer), Arc::<AtomicUsize>::default(), Arc::default());
        let (opened, written) = (Arc::clone(&connections), Arc::clone(&bytes));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut serving = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                opened.fetch_add(1, Ordering::Relaxed);
                let (answer, written) = (Arc::clone(&answer), Arc::clone(&written));
                // An error is the end of a connection.
                serving.spawn(async move { _ = serve(socket, &*answer, &written).await });
            }
        });
        Self { address, connections, bytes, _tasks: tasks }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were opened so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// How many bytes of endless answers were written so far.
    pub(crate) fn endless_bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

async fn serve(
    socket: TcpStream,
    answer: &(impl Fn(&[Vec<u8>]) -> Answer + ?Sized),
    written: &AtomicUsize,
) -> std::io::Result<()> {
    let mut socket = BufReader::new(socket);
    loop {
        let command = read_command(&mut socket).await?;
        match answer(&command) {
            Answer::Reply(reply) => socket.write_all(&reply).await?,
            Answer::Close(reply) => return socket.write_all(&reply).await,
            Answer::Endless(first, rest) => {
                socket.write_all(first).await?;
                loop {
                    socket.write_all(&rest).await?;
                    written.fetch_add(rest.len(), Ordering::Relaxed);
                }
            }
        }
    }
}

async fn read_command(socket: &mut BufReader<TcpStream>) -> std::io::Result<Vec<Vec<u8>>> {
    let mut command = Vec::new();
    for _ in 0..read_number(socket).await? {
        let mut part = vec![0; read_number(socket).await? + 2];
        socket.read_exact(&mut part).await?;
        part.truncate(part.len() - 2);
        command.push(part);
    }
    Ok(command)
}

/// Reads `*2` or `$3`.
async fn read_number(socket: &mut BufReader<TcpStream>) -> std::io::Result<usize> {
    let mut line = String::new();
    socket.read_line(&mut line).await?;
    let number = line.get(1..).and_then(|number| number.trim().parse().ok());
    number.ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}

/// The name of a command, with what it is about: `client info`.
pub(crate) fn name(command: &[Vec<u8>]) -> String {
    let word = |word: &Vec<u8>| String::from_utf8_lossy(word).to_lowercase();
    let first = word(&command[0]);
    match &*first {
        "client" | "script" | "config" | "cluster" | "sentinel" => format!("{first} {}", word(&command[1])),
        _ => first,
    }
}

/// What a Redis replies that does nothing, and has nothing.
pub(crate) fn usual(command: &[Vec<u8>]) -> Answer {
    let text = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    let reply = match &*name(command) {
        "hello" => "%1\r\n$5\r\nproto\r\n:3\r\n".to_owned(),
        "script load" => text(redis::Script::new(std::str::from_utf8(&command[2]).unwrap()).get_hash()),
        "client info" => text("id=1 addr=127.0.0.1:1"),
        "config get" => "%0\r\n".to_owned(),
        "evalsha" | "eval" => "*1\r\n$2\r\nOK\r\n".to_owned(),
        "publish" => ":0\r\n".to_owned(),
        kind @ ("subscribe" | "unsubscribe") => {
            let channel = String::from_utf8_lossy(&command[1]).into_owned();
            format!(">3\r\n{}{}:1\r\n", text(kind), text(&channel))
        }
        _ => "+OK\r\n".to_owned(),
    };
    Answer::Reply(reply.into_bytes())
}
