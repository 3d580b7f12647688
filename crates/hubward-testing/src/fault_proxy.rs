//! A TCP proxy that fails as networks do, when a test says so.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::port::Port;
use crate::wait::within;

/// Most bytes that are read at once.
const PART_BYTES: usize = 16 * 1024;

/// Most parts that wait in one direction of a connection. When it is full, the proxy reads no more, and the sender has
/// to wait as it would for a peer that does not read.
const MOST_PARTS: usize = 256;

/// How long to wait before a port is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(5);

/// A proxy on a port of its own, until it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    port: Port,
    faults: watch::Sender<Faults>,
    commands: mpsc::Sender<(Command, oneshot::Sender<()>)>,
    _serving: JoinSet<()>,
}

/// What is wrong with connections that are open.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    is_held: bool,
    delay: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Command {
    Interrupt,
    Resume,
}

impl FaultProxy {
    /// Starts a proxy to this address, at first without faults.
    pub async fn start(upstream: SocketAddr) -> Self {
        let port = Port::reserve();
        let (faults, _) = watch::channel(Faults::default());
        let (commands, receiver) = mpsc::channel(1);
        let serving = Serving { address: port.address(), upstream, faults: faults.clone() };
        let listener = serving.listen().await;
        let mut tasks = JoinSet::new();
        tasks.spawn(serving.run(listener, receiver));
        Self { port, faults, commands, _serving: tasks }
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Closes all connections, and refuses others until [`resume`](Self::resume).
    pub async fn interrupt(&self) {
        self.command(Command::Interrupt).await;
    }

    /// Accepts connections again.
    pub async fn resume(&self) {
        self.command(Command::Resume).await;
    }

    /// Keeps back what comes from upstream, on all connections, until [`release`](Self::release). What clients send is
    /// forwarded.
    pub fn hold(&self) {
        self.faults.send_modify(|faults| faults.is_held = true);
    }

    /// Forwards what was kept back, and what comes.
    pub fn release(&self) {
        self.faults.send_modify(|faults| faults.is_held = false);
    }

    /// Forwards what comes from now on, in both directions, so much later.
    pub fn delay(&self, delay: Duration) {
        self.faults.send_modify(|faults| faults.delay = delay);
    }

    async fn command(&self, command: Command) {
        let (done, is_done) = oneshot::channel();
        self.commands.send((command, done)).await.expect("the proxy runs");
        within("the proxy", is_done).await.expect("the proxy runs");
    }
}

/// What the proxy's task knows.
struct Serving {
    address: SocketAddr,
    upstream: SocketAddr,
    faults: watch::Sender<Faults>,
}

impl Serving {
    async fn run(self, listener: TcpListener, mut commands: mpsc::Receiver<(Command, oneshot::Sender<()>)>) {
        let mut listener = Some(listener);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                command = commands.recv() => {
                    let Some((command, done)) = command else { return };
                    listener = match command {
                        Command::Interrupt => {
                            connections.shutdown().await;
                            None
                        }
                        Command::Resume => Some(self.listen().await),
                    };
                    let _ = done.send(());
                }
                Some(_) = connections.join_next() => {}
                Some(client) = accept(listener.as_ref()) => {
                    connections.spawn(forward(client, self.upstream, self.faults.subscribe()));
                }
            }
        }
    }

    /// Listens. A process that was started a moment ago has copies of this one's sockets until it runs its own program, a
    /// listener that was closed meanwhile among them.
    async fn listen(&self) -> TcpListener {
        let listening = async {
            loop {
                match TcpListener::bind(self.address).await {
                    Ok(listener) => return listener,
                    Err(_) => tokio::time::sleep(RETRY_INTERVAL).await,
                }
            }
        };
        within("the port is free", listening).await
    }
}

/// Waits for a client, for ever where nobody listens. None where it has gone already.
async fn accept(listener: Option<&TcpListener>) -> Option<TcpStream> {
    match listener {
        Some(listener) => Some(listener.accept().await.ok()?.0),
        None => std::future::pending().await,
    }
}

/// Forwards both directions until both have ended. A client of an upstream that refuses is closed.
async fn forward(client: TcpStream, upstream: SocketAddr, faults: watch::Receiver<Faults>) {
    let Ok(upstream) = TcpStream::connect(upstream).await else { return };
    if client.set_nodelay(true).is_err() || upstream.set_nodelay(true).is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_upstream, to_upstream) = upstream.into_split();
    // What fails in one direction ends both, as the end of a socket does.
    let _ = tokio::try_join!(
        copy(from_client, to_upstream, faults.clone(), false),
        copy(from_upstream, to_client, faults, true)
    );
}

/// Forwards one direction.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut faults: watch::Receiver<Faults>,
    can_be_held: bool,
) -> io::Result<()> {
    let (parts, mut waiting) = mpsc::channel::<(Instant, Vec<u8>)>(MOST_PARTS);
    let now = faults.clone();
    let reading = async move {
        loop {
            let mut part = Vec::with_capacity(PART_BYTES);
            if from.read_buf(&mut part).await? == 0 {
                return Ok(());
            }
            let due = Instant::now() + now.borrow().delay;
            if parts.send((due, part)).await.is_err() {
                return Ok(());
            }
        }
    };
    let writing = async move {
        while let Some((due, part)) = waiting.recv().await {
            tokio::time::sleep_until(due).await;
            if faults.wait_for(|faults| !(can_be_held && faults.is_held)).await.is_err() {
                return Ok(());
            }
            to.write_all(&part).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(reading, writing).map(|_| ())
}
