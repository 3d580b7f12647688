//! The hub `/cluster` from outside: two nodes of one process, and clients that know nothing but their sockets.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy.toml allows these in tests, and clippy takes only test functions for tests"
)]

mod membership;
mod reaching;
mod users;

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use hubward::auth::DevelopmentIssuer;
use hubward_tests::{Connect, TestClient, within};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The conformance server with two nodes, until it is dropped.
struct Pair {
    addresses: [SocketAddr; 2],
    _process: Child,
}

impl Pair {
    async fn start() -> Self {
        let free = [0; 2].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = free.each_ref().map(|listener| listener.local_addr().unwrap());
        drop(free);
        let mut process = Command::new(env!("CARGO_BIN_EXE_conformance-server"))
            .args(["--listen", &format!("{},{}", addresses[0], addresses[1])])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = within("the nodes to listen", lines.next_line()).await.unwrap();
        assert_eq!(line.as_deref(), Some("listening"));
        Self { addresses, _process: process }
    }

    async fn client(&self, node: usize) -> TestClient {
        ready(Connect::new(self.addresses[node], "/cluster").open().await).await
    }

    async fn user(&self, node: usize, user: &str) -> TestClient {
        ready(Connect::new(self.addresses[node], "/cluster").token(&token(user)).open().await).await
    }

    /// A client without a principal on each node.
    async fn clients(&self) -> [TestClient; 2] {
        [self.client(0).await, self.client(1).await]
    }
}

/// A client whose first call has completed can be reached from every node.
async fn ready(mut client: TestClient) -> TestClient {
    client.result("Node", json!([])).await;
    client
}

fn token(user: &str) -> String {
    let key = "conformance-signing-key-of-32-bytes-or-more";
    let issuer = DevelopmentIssuer::new(key, "https://issuer.example", "hubs").unwrap();
    let hour = Duration::from_secs(3600);
    issuer.mint(user, &[], &[], hour, SystemTime::now()).unwrap().expose().to_owned()
}

/// Expects exactly these messages, in this order, and nothing else.
async fn receives(client: &mut TestClient, texts: &[&str]) {
    for text in texts {
        let message = client.receive().await;
        assert_eq!((&message["target"], &message["arguments"]), (&json!("Message"), &json!([text])));
    }
    assert!(client.has_nothing_after("Node", json!([])).await, "more came than {texts:?}");
}

/// Calls a method whose result is of no interest.
async fn call(client: &mut TestClient, method: &str, arguments: Value) {
    client.result(method, arguments).await;
}

#[tokio::test]
async fn each_node_names_itself_and_its_callers() {
    let pair = Pair::start().await;
    let (mut anonymous, mut alice) = (pair.client(0).await, pair.user(1, "alice").await);
    let nodes = [anonymous.result("Node", json!([])).await, alice.result("Node", json!([])).await];
    assert!(nodes[0].is_string() && nodes[0] != nodes[1], "{nodes:?}");
    let me = anonymous.result("Me", json!([])).await;
    assert_eq!(me, json!({ "connection": anonymous.id, "user": null }));
    let me = alice.result("Me", json!([])).await;
    assert_eq!(me, json!({ "connection": alice.id, "user": "alice" }));
}
