//! Nodes that are processes of their own, over one Redis, and their clients.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use hubward::auth::DevelopmentIssuer;
use hubward_testing::redis::{RedisOptions, RedisServer};
use hubward_testing::{KeptProcess, Port, folder_of};
use hubward_tests::{Connect, TestClient, eventually};
use serde_json::{Value, json};

/// The prefix of keys and channels, where a test needs no other.
pub(crate) const PREFIX: &str = "nodes";

/// How long what was interrupted may take until it is as before: back-off, leases and failovers add up.
const OUTAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// Nodes over one Redis. They are numbered from 0.
pub(crate) struct Nodes {
    nodes: Vec<Node>,
}

/// A node, which is killed when it is dropped.
pub(crate) struct Node {
    pub(crate) process: KeptProcess,
    port: Port,
}

/// Starts a Redis, and three nodes over it.
pub(crate) async fn three_nodes() -> (RedisServer, Nodes) {
    let redis = RedisServer::start(RedisOptions::default()).await;
    let nodes = Nodes::start(3, &redis.url(), PREFIX).await;
    (redis, nodes)
}

impl Nodes {
    /// Starts nodes, and waits until they listen.
    pub(crate) async fn start(number: usize, url: &str, prefix: &str) -> Self {
        Self::start_with(number, &["--redis", url, "--redis-prefix", prefix]).await
    }

    /// The same with all arguments but the address.
    pub(crate) async fn start_with(number: usize, arguments: &[&str]) -> Self {
        Self::start_logging("warn", number, arguments).await
    }

    /// The same with a filter of the log.
    pub(crate) async fn start_logging(filter: &str, number: usize, arguments: &[&str]) -> Self {
        let nodes: Vec<Node> = (0..number).map(|_| Node::spawn(filter, arguments)).collect();
        for node in &nodes {
            node.listening().await;
        }
        Self { nodes }
    }

    /// Starts a node that is to end before it listens, and returns what it says.
    pub(crate) async fn refused(arguments: &[&str]) -> String {
        let node = Node::spawn("warn", arguments);
        // It is written in parts, and ends with the line.
        let is_over = async || node.process.log().contains("Error:") && node.process.log().ends_with('\n');
        eventually("the node to end", is_over).await;
        node.process.log()
    }

    pub(crate) fn node(&mut self, node: usize) -> &mut Node {
        &mut self.nodes[node]
    }

    /// A client without a principal.
    pub(crate) async fn client(&self, node: usize) -> TestClient {
        self.client_of("/cluster", node).await
    }

    pub(crate) async fn client_of(&self, path: &str, node: usize) -> TestClient {
        ready(Connect::new(self.nodes[node].address(), path).open().await).await
    }

    pub(crate) async fn user(&self, node: usize, user: &str) -> TestClient {
        self.user_of("/cluster", node, user).await
    }

    pub(crate) async fn user_of(&self, path: &str, node: usize, user: &str) -> TestClient {
        ready(Connect::new(self.nodes[node].address(), path).token(&token(user)).open().await).await
    }

    /// A client without a principal on each node.
    pub(crate) async fn clients(&self) -> Vec<TestClient> {
        let mut clients = Vec::new();
        for node in 0..self.nodes.len() {
            clients.push(self.client(node).await);
        }
        clients
    }

    /// Checks that no node has failed in a way that it does not know.
    pub(crate) fn have_no_errors(&self) {
        for node in &self.nodes {
            let log = node.process.log();
            assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
        }
    }
}

impl Node {
    fn spawn(filter: &str, arguments: &[&str]) -> Self {
        let port = Port::reserve();
        let address = port.address().to_string();
        let filter = format!("HUBWARD_LOG={filter}");
        let program = ["env", &filter, "NO_COLOR=1", env!("CARGO_BIN_EXE_conformance-server")];
        let command = [&program[..], &["--listen", &address], arguments].concat();
        let mut process = KeptProcess::new(folder_of(&port), &command);
        process.start();
        Self { process, port }
    }

    async fn listening(&self) {
        let log = || self.process.log();
        eventually("the node to listen", async || {
            let log = log();
            assert!(!log.contains("Error"), "{log}");
            log.contains("listening")
        })
        .await;
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// The lines of the log that have all of these words.
    pub(crate) fn log_lines(&self, words: &[&str]) -> Vec<String> {
        let log = self.process.log();
        let lines = log.lines().filter(|line| words.iter().all(|word| line.contains(word)));
        lines.map(str::to_owned).collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the node at {} has logged:\n{}", self.address(), self.process.log());
        }
    }
}

/// A client whose first call has completed can be reached from every node.
async fn ready(mut client: TestClient) -> TestClient {
    client.result("Slow", json!([0, "ready"])).await;
    client
}

pub(crate) fn token(user: &str) -> String {
    let key = "conformance-signing-key-of-32-bytes-or-more";
    let issuer = DevelopmentIssuer::new(key, "https://issuer.example", "hubs").unwrap();
    let hour = Duration::from_secs(3600);
    issuer.mint(user, &[], &[], hour, SystemTime::now()).unwrap().expose().to_owned()
}

/// Calls a method whose result is of no interest.
pub(crate) async fn call(client: &mut TestClient, method: &str, arguments: Value) {
    client.result(method, arguments).await;
}

/// Waits for the next message, and returns its text.
pub(crate) async fn text(client: &mut TestClient) -> String {
    let message = client.invoked("Message").await;
    message["arguments"][0].as_str().unwrap().to_owned()
}

/// Expects exactly these messages, in this order, and nothing else.
pub(crate) async fn receives(client: &mut TestClient, texts: &[&str]) {
    for expected in texts {
        assert_eq!(&text(client).await, expected);
    }
    assert!(client.has_nothing_after("Slow", json!([0, "done"])).await, "more came than {texts:?}");
}

/// Waits until a message of each client to the group `g`, which all are members of, reaches all of them. What comes
/// meanwhile is in order and never twice, be it late or lost.
pub(crate) async fn reach_each_other(clients: &mut [TestClient]) {
    let mut last = vec![vec![0; clients.len()]; clients.len()];
    let mut attempt = 0;
    let reached = async {
        loop {
            attempt += 1;
            for (sender, client) in clients.iter_mut().enumerate() {
                // It may fail while a server is away.
                client.invoke("ToGroup", json!(["g", format!("probe {sender} {attempt}")])).await;
            }
            for (client, last) in clients.iter_mut().zip(&mut last) {
                call(client, "Slow", json!([20, "what is on its way"])).await;
                note_probes(client.take_received(), last);
            }
            if last.iter().flatten().all(|last| *last == attempt) {
                return;
            }
        }
    };
    let reached = tokio::time::timeout(OUTAGE_TIMEOUT, reached).await;
    assert!(reached.is_ok(), "after {attempt} attempts each has received: {last:?}");
}

/// Notes the latest probe of each sender.
fn note_probes(messages: Vec<Value>, last: &mut [usize]) {
    for message in messages {
        let text = message["arguments"][0].as_str().unwrap();
        let Some(probe) = text.strip_prefix("probe ") else { continue };
        let (sender, attempt) = probe.split_once(' ').unwrap();
        let (sender, attempt): (usize, usize) = (sender.parse().unwrap(), attempt.parse().unwrap());
        assert!(last[sender] < attempt, "{text} came after {}", last[sender]);
        last[sender] = attempt;
    }
}

/// Calls a method again and again until it succeeds: the links of nodes to Redis come back one after the other.
pub(crate) async fn succeeds(client: &mut TestClient, method: &str, arguments: Value) {
    eventually(method, async || {
        call(client, "Slow", json!([20, "before the next one"])).await;
        client.invoke(method, arguments.clone()).await.get("error").is_none()
    })
    .await;
}

/// Waits until a client that is asked again and again returns this. Errors are no answers yet.
pub(crate) async fn becomes(client: &mut TestClient, method: &str, arguments: Value, expected: Value) {
    let mut completion = Value::Null;
    let is_so = async {
        while completion["result"] != expected || completion.get("error").is_some() {
            completion = client.invoke(method, arguments.clone()).await;
            call(client, "Slow", json!([20, "before the next one"])).await;
        }
    };
    let is_so = tokio::time::timeout(OUTAGE_TIMEOUT, is_so).await;
    assert!(is_so.is_ok(), "{method} {arguments} is not {expected}, but {completion}");
}

/// The keys that do not end by themselves, in order. Of a connection, it stays known for some seconds that its token was
/// used.
pub(crate) async fn lasting_keys(redis: &RedisServer) -> Vec<String> {
    let lasting = "
        local keys = redis.call('KEYS', '*')
        table.sort(keys)
        local lasting = {}
        for _, key in ipairs(keys) do
            if redis.call('PTTL', key) == -1 then table.insert(lasting, key) end
        end
        return lasting";
    redis.cli(&["eval", lasting, "0"]).await.lines().map(str::to_owned).collect()
}
