//! Several nodes in one process, joined in memory: for tests, demonstrations, and trying a hub on several nodes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hubward_auth::KeyRing;
use hubward_backplane::{InMemoryNetwork, InMemoryStore};
use hubward_types::NodeId;

use crate::builder::Builder;

/// A cluster of nodes in one process. They share the backplane, the record of groups and nodes, and the keys of connection tokens.
///
/// ```
/// use hubward::{Cluster, Hub, Hubward};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cluster = Cluster::in_memory();
/// let first = Hubward::builder().hub("/chat", Hub::new("chat")).join(&cluster, "node-1").build()?;
/// let second = Hubward::builder().hub("/chat", Hub::new("chat")).join(&cluster, "node-2").build()?;
/// # let _ = (first, second); Ok(()) }
/// ```
#[derive(Clone)]
pub struct Cluster {
    network: InMemoryNetwork,
    store: InMemoryStore,
    keys: KeyRing,
}

impl Cluster {
    /// Makes a cluster without nodes.
    pub fn in_memory() -> Self {
        Self { network: InMemoryNetwork::new(), store: InMemoryStore::new(), keys: KeyRing::random() }
    }
}

impl Builder {
    /// Makes the node part of a cluster in this process, under a [name](Builder::node). The nodes reach each other on
    /// loopback. Join it with [`Hubward::start`](crate::Hubward::start).
    pub fn join(self, cluster: &Cluster, name: impl Into<NodeId>) -> Self {
        let (builder, id) = self.named(&name.into());
        builder
            .internal_listener(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .backplane(Arc::new(cluster.network.backplane(id)))
            .group_store(Arc::new(cluster.store.clone()))
            .node_registry(Arc::new(cluster.store.clone()))
            .connection_token_keys(cluster.keys.clone())
    }
}
