//! The internal listener and the client for it, over real sockets: what goes over, who is refused, and what fails.

mod certificates;
mod failures;
mod hostile;
mod way;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt;
use hubward_auth::KeyRing;
use hubward_types::NodeId;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::calls::PeerCalls;
use super::client::{AnswerTimeout, Forwarded, PeerClient};
use super::directory::{LivePeer, PeerDirectory};
use super::error::PeerError;
use super::exchange::Answer;
use super::listener::InternalListener;
use crate::connections::manager::ConnectionManager;

/// The nodes that there are.
#[derive(Clone, Default)]
struct Directory(Arc<Mutex<HashMap<NodeId, LivePeer>>>);

impl Directory {
    /// Adds a node at an address, and returns what says that it has gone.
    fn add(&self, node: &str, address: SocketAddr) -> CancellationToken {
        let gone = CancellationToken::new();
        let peer = LivePeer { address: Some(address.to_string()), stays: true, gone: gone.clone() };
        self.0.lock().insert(node.into(), peer);
        gone
    }

    fn client(&self, keys: &KeyRing) -> PeerClient {
        PeerClient::new("first".into(), keys.clone(), Arc::new(self.clone()), None, None)
    }
}

impl PeerDirectory for Directory {
    fn find(&self, node: &NodeId) -> BoxFuture<'static, Option<LivePeer>> {
        Box::pin(std::future::ready(self.0.lock().get(node).cloned()))
    }
}

type Calls = Option<Arc<dyn PeerCalls>>;

/// A node that serves the others.
struct Served {
    address: SocketAddr,
    /// Stops it.
    _stop: DropGuard,
}

impl Served {
    async fn start(node: &str, keys: &KeyRing, clients: Router, calls: Calls) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), node, keys, clients, calls).await
    }

    async fn start_at(
        address: SocketAddr,
        node: &str,
        keys: &KeyRing,
        clients: Router,
        calls: Calls,
    ) -> Self {
        let tasks = TaskTracker::new();
        let manager = ConnectionManager::new(node, keys.clone(), CancellationToken::new(), tasks.clone());
        let listener = TcpListener::bind(address).await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let internal = InternalListener::new(&manager, clients, calls, None);
        tasks.spawn(internal.serve(listener, stop.clone()));
        Self { address, _stop: stop.drop_guard() }
    }
}

/// A client, and the node `owner` that it reaches.
struct Pair {
    client: PeerClient,
    owner: Served,
    keys: KeyRing,
    gone: CancellationToken,
}

impl Pair {
    async fn start(clients: Router) -> Self {
        let (keys, directory) = (KeyRing::random(), Directory::default());
        let owner = Served::start("owner", &keys, clients, None).await;
        let gone = directory.add("owner", owner.address);
        Self { client: directory.client(&keys), owner, keys, gone }
    }

    async fn forward(&self, request: Request<Body>) -> Result<Response<Body>, PeerError> {
        forward(&self.client, request).await
    }
}

async fn forward(client: &PeerClient, request: Request<Body>) -> Result<Response<Body>, PeerError> {
    let timeout = AnswerTimeout::For(hubward_testing::TIMEOUT);
    let forwarded = Forwarded { request, client: Some("192.0.2.7:81".parse().unwrap()), timeout };
    match client.forward(&"owner".into(), forwarded).await? {
        Answer::Response(response) => Ok(response),
        Answer::Upgraded(..) => panic!("no WebSocket was asked for"),
    }
}

fn get(target: &str) -> Request<Body> {
    Request::get(target).body(Body::empty()).unwrap()
}

/// Reads a body to its end.
async fn text(response: Response<Body>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}
