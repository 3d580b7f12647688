//! The demo over a Redis: a process for each node, so that one may be killed and the others go on. This process starts them
//! and waits for them.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::{join_all, select_all};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdin, Command};

use super::demo_node::NodeInfo;
use super::joined::TOKEN_KEY_VARIABLE;
use super::shared::{READY, node_name, port_of, shutdown_signal, signing_key};
use crate::command::{DemoOptions, KEY_VARIABLE, REDIS_VARIABLE};
use crate::failure::Failure;

/// How long a node may take to start: as long as it may look for Redis.
const START_TIMEOUT: Duration = Duration::from_secs(40);
/// How long a node may take to end: somewhat longer than it gives itself.
const END_TIMEOUT: Duration = Duration::from_secs(8);

struct NodeProcess {
    info: NodeInfo,
    child: Child,
    /// Open for as long as this process lives; when it is closed, the node ends.
    _stdin: Option<ChildStdin>,
}

/// Starts the nodes, and waits until they have ended or this process is to end.
pub(super) async fn run(options: &DemoOptions) -> Result<(), Failure> {
    let first_port = first_port(options).await?;
    let (key, token_key) = (signing_key(options), hubward::auth::random_id() + &hubward::auth::random_id());
    let mut nodes = Vec::new();
    for number in 0..options.nodes {
        let port = port_of(first_port, number).ok_or("the last port is 65535: choose a smaller --port")?;
        let address = SocketAddr::new(options.address, port);
        let info = NodeInfo { name: node_name(number), url: format!("http://{address}") };
        let mut child = command(options, first_port, number)?
            .env(KEY_VARIABLE, &key)
            .env(TOKEN_KEY_VARIABLE, &token_key)
            .spawn()?;
        let _stdin = child.stdin.take();
        nodes.push(NodeProcess { info, child, _stdin });
    }
    for node in &mut nodes {
        node.await_ready().await?;
    }
    let signalled = shutdown_signal()?;
    announce(&nodes)?;
    let ended = tokio::select! {
        signalled = signalled => signalled.map_err(Failure::from),
        () = all_ended(&mut nodes) => Err("all nodes have ended".into()),
    };
    let again = shutdown_signal()?;
    tokio::select! {
        _ = join_all(nodes.iter_mut().map(NodeProcess::end)) => {}
        // They are killed when this one ends.
        again = again => again?,
    }
    ended
}

fn command(options: &DemoOptions, first_port: u16, number: u16) -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("demo");
    if let Some(url) = &options.redis {
        command.env(REDIS_VARIABLE, url.expose());
    }
    if let Some(config) = &options.config {
        command.arg("--config").arg(config);
    }
    command
        .args(["--only", &number.to_string(), "--nodes", &options.nodes.to_string()])
        .args(["--port", &first_port.to_string(), "--address", &options.address.to_string()])
        .args(options.hosts.iter().flat_map(|host| ["--host", host]))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    Ok(command)
}

/// The port of the first node. Where it is to be whichever is free, those after it have to be, too: others may take them
/// before the nodes do, which then say so.
async fn first_port(options: &DemoOptions) -> Result<u16, Failure> {
    if options.port != 0 {
        return Ok(options.port);
    }
    for _ in 0..100 {
        let first = TcpListener::bind(SocketAddr::new(options.address, 0)).await?;
        let port = first.local_addr()?.port();
        let mut others = Vec::new();
        for number in 1..options.nodes {
            let Some(port) = port_of(port, number) else { break };
            let Ok(other) = TcpListener::bind(SocketAddr::new(options.address, port)).await else { break };
            others.push(other);
        }
        if others.len() + 1 == usize::from(options.nodes) {
            return Ok(port);
        }
    }
    Err("no free ports were found for all nodes; choose the first with --port".into())
}

impl NodeProcess {
    /// Waits until the node serves. It has said itself why, where it does not.
    async fn await_ready(&mut self) -> Result<(), Failure> {
        let Some(output) = self.child.stdout.take() else { return Ok(()) };
        let mut lines = BufReader::new(output).lines();
        match tokio::time::timeout(START_TIMEOUT, lines.next_line()).await {
            Ok(Ok(Some(line))) if line == READY => Ok(()),
            Ok(_) => Err(format!("{} did not start; its reason is above", self.info.name).into()),
            Err(_) => Err(format!("{} did not start in time; is Redis reachable?", self.info.name).into()),
        }
    }

    /// Asks the process to end, and waits for that. It is killed when this one ends.
    async fn end(&mut self) {
        let id = self.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        if let Some(id) = id {
            let _ = kill_process(id, Signal::TERM);
            let _ = tokio::time::timeout(END_TIMEOUT, self.child.wait()).await;
        }
    }
}

/// Waits until no node is left, and says of each that it has ended.
async fn all_ended(nodes: &mut [NodeProcess]) {
    let mut running: Vec<&mut NodeProcess> = nodes.iter_mut().collect();
    while !running.is_empty() {
        let waiting = running.iter_mut().map(|node| Box::pin(node.child.wait()));
        let (status, place, _) = select_all(waiting).await;
        let node = running.remove(place);
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        tracing::warn!(node = %node.info.name, status, left = running.len(), "A node has ended.");
    }
}

fn announce(nodes: &[NodeProcess]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let Some(first) = nodes.first() else { return Ok(()) };
    writeln!(out, "\n  Hubward is running over Redis. Open {}", first.info.url)?;
    for other in nodes.iter().skip(1) {
        writeln!(out, "  and in another window {}  ({})", other.info.url, other.info.name)?;
    }
    let ids: Vec<_> = nodes
        .iter()
        .filter_map(|node| Some(format!("{} is process {}", node.info.name, node.child.id()?)))
        .collect();
    writeln!(out, "  {}: kill one, and see the others go on.", ids.join(", "))?;
    writeln!(out, "  Stop with Ctrl-C.\n")
}
