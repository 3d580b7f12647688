//! The internal listener of a node: bound when the node starts, and served until all that other nodes may need it for has ended.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use hubward_auth::KeyRing;
use hubward_server::{NodeContext, StartError};
use hubward_transport::{ConnectionManager, InternalListener, PeerCalls, PeerClient, PeerTls};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::build_error::BuildError;

/// How a node is joined to the others beside the backplane.
pub(crate) struct Internal {
    context: Arc<NodeContext>,
    client: PeerClient,
    listening: Option<Listening>,
    tasks: TaskTracker,
    /// Cancelled when the node has shut down, or is dropped.
    stop: CancellationToken,
}

/// What a node's way to others is built with.
#[derive(Default)]
pub(crate) struct InternalOptions {
    pub(crate) address: Option<SocketAddr>,
    pub(crate) tls: Option<PeerTls>,
    pub(crate) most_requests: Option<usize>,
}

impl InternalOptions {
    /// Checks that other nodes can reach what is announced.
    pub(crate) fn check(&self, announced: Option<&str>) -> Result<(), BuildError> {
        match self.address {
            Some(address) if address.ip().is_unspecified() && announced.is_none() => {
                Err(BuildError::NoAddress(address))
            }
            _ => Ok(()),
        }
    }

    /// Makes the way to the other nodes; `None` where there can be none.
    pub(crate) fn client(&self, context: &NodeContext, keys: &KeyRing) -> Option<PeerClient> {
        let directory = context.directory()?;
        let client = PeerClient::new(
            context.id().clone(),
            keys.clone(),
            directory,
            self.tls.clone(),
            self.most_requests,
        );
        context.set_peer_client(client.clone());
        Some(client)
    }
}

struct Listening {
    address: SocketAddr,
    /// Taken when it is bound. Locked while that is tried.
    unbound: Mutex<Option<InternalListener>>,
}

impl Internal {
    /// Makes what joins a node to others; with an address, `clients` and what other nodes
    /// call are served there.
    pub(crate) fn new(
        context: Arc<NodeContext>,
        client: PeerClient,
        manager: &ConnectionManager,
        address: Option<SocketAddr>,
        clients: Router,
        calls: Arc<dyn PeerCalls>,
        tls: Option<PeerTls>,
    ) -> Self {
        let listening = address.map(|address| {
            let listener = InternalListener::new(manager, clients, Some(calls), tls);
            Listening { address, unbound: Mutex::new(Some(listener)) }
        });
        Self { context, client, listening, tasks: TaskTracker::new(), stop: CancellationToken::new() }
    }

    /// Listens, unless it does already; from now on the node's address is known.
    pub(crate) async fn start(&self) -> Result<(), StartError> {
        let Some(Listening { address, unbound }) = &self.listening else {
            tracing::warn!(
                "The node has no internal listener, so that all requests of a connection have to reach its node: set Builder::internal_listener, or sticky sessions in the load balancer."
            );
            return Ok(());
        };
        let mut unbound = unbound.lock().await;
        if unbound.is_none() {
            return Ok(());
        }
        let refused = |source| StartError::Listen { address: *address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        self.context.set_address(listener.local_addr().map_err(refused)?.to_string());
        if let Some(internal) = unbound.take() {
            let serving = internal.serve(listener, self.stop.clone());
            self.tasks.spawn(async {
                if let Err(error) = serving.await {
                    tracing::error!(%error, "The internal listener ended; other nodes cannot reach this one.");
                }
            });
        }
        Ok(())
    }

    /// Ends what is on its way to other nodes and from them.
    pub(crate) async fn shut_down(&self) {
        self.client.stop().await;
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Internal {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
