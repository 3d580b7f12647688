//! Nodes on an in-memory network, whose backplane and group store a test can fail or hold up.

use std::sync::Arc;
use std::time::Duration;

use hubward_backplane::{GroupStore, InMemoryNetwork, Topic};
use hubward_hub::{GroupError, Hub};

use super::faults::FaultyBackplane;
use super::faulty_store::FaultyStore;
use super::registry::FaultyRegistry;
use crate::connection::handle::ConnectionHandle;
use crate::context::{NodeContext, NodeStores};
use crate::engine::Engine;
use crate::membership;
use crate::membership::connection::Change;
use crate::node::Node;

/// A started node with one hub.
pub(crate) struct TestNode {
    pub(crate) engine: Arc<Engine>,
    pub(crate) node: Node,
    pub(crate) network: InMemoryNetwork,
    pub(crate) backplane: Arc<FaultyBackplane>,
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) registry: Arc<FaultyRegistry>,
}

impl TestNode {
    /// A node `node-1`, alone on its network.
    pub(crate) async fn start(hub: Hub) -> Self {
        Self::start_on(InMemoryNetwork::new(), "node-1", FaultyStore::new(), hub).await
    }

    /// Two nodes, `node-1` and `node-2`, with one store.
    pub(crate) async fn start_two(hub: impl Fn() -> Hub) -> (Self, Self) {
        let (network, store) = (InMemoryNetwork::new(), FaultyStore::new());
        let first = Self::start_on(network.clone(), "node-1", store.clone(), hub()).await;
        (first, Self::start_on(network, "node-2", store, hub()).await)
    }

    pub(crate) async fn start_on(
        network: InMemoryNetwork,
        id: &str,
        store: Arc<FaultyStore>,
        hub: Hub,
    ) -> Self {
        let node = Self::new(network, id, store, hub);
        node.node.start().await.unwrap();
        node.backplane.take_calls();
        node
    }

    /// A node that is not started.
    pub(crate) fn new(network: InMemoryNetwork, id: &str, store: Arc<FaultyStore>, hub: Hub) -> Self {
        let backplane = FaultyBackplane::new(&network, id);
        let registry = FaultyRegistry::new(store.inner.clone());
        let stores = NodeStores { groups: store.clone(), nodes: registry.clone() };
        let context = NodeContext::new(id.into(), Some(backplane.clone()), Some(stores));
        let engine = super::engine_on(context, hub);
        let node = Node::new(engine.context.clone(), [engine.clone()]);
        Self { engine, node, network, backplane, store, registry }
    }

    /// Opens a connection as its task does, without a task.
    pub(crate) async fn open(&self, connection: &Arc<ConnectionHandle>) {
        self.enter(connection);
        self.entered(connection).await;
    }

    /// The first half of opening a connection: it can be reached.
    pub(crate) fn enter(&self, connection: &Arc<ConnectionHandle>) {
        membership::lifecycle::enter(&self.engine, connection);
    }

    /// The second half: it is recorded, and gets the groups of its user.
    pub(crate) async fn entered(&self, connection: &Arc<ConnectionHandle>) {
        membership::lifecycle::connected(&self.engine, connection, None).await.unwrap();
    }

    /// Closes a connection as its task does. It fails where that has to wait for what a test holds up.
    pub(crate) async fn close(&self, connection: &Arc<ConnectionHandle>) {
        connection.set_closed();
        let closing = membership::lifecycle::disconnected(&self.engine, connection);
        tokio::time::timeout(Duration::from_secs(60), closing).await.expect("the connection does not close");
    }

    /// Adds a connection of this node to a group, and opens it first if it is not open.
    pub(crate) async fn join(&self, connection: &Arc<ConnectionHandle>, group: &str) {
        if self.engine.index.connection(&connection.id).is_none() {
            self.open(connection).await;
        }
        self.change(connection, group, Change::Join).await.unwrap();
    }

    /// Changes whether a connection of this node is in a group, as the hub's own code does.
    pub(crate) async fn change(
        &self,
        connection: &Arc<ConnectionHandle>,
        group: &str,
        change: Change,
    ) -> Result<(), GroupError> {
        membership::connection::change_local(&self.engine, connection, group.into(), change).await
    }

    /// The ids of the connections that a group's messages are delivered to on this node, sorted.
    pub(crate) fn delivered_to(&self, group: &str) -> Vec<String> {
        let mut ids = Vec::new();
        self.engine.index.for_group(&group.into(), |connection| ids.push(connection.id.to_string()));
        ids.sort();
        ids
    }

    /// How many members the store has for a group.
    pub(crate) async fn recorded_in(&self, group: &str) -> u64 {
        self.store.count(self.engine.name(), &group.into()).await.unwrap()
    }

    /// The hub's topic of a group.
    pub(crate) fn group_topic(&self, group: &str) -> Topic {
        Topic::Group(self.engine.name().clone(), group.into())
    }
}

/// Lets every task run until it waits. In paused time.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}
